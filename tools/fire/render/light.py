"""Linear light: pictures to light and back, light added, spread, and painted over."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Picture
from tools.fire.render.fluid import Field

Canvas = NDArray[np.float32]
"""Height x width x 3 (blue, green, red) of linear light; 1 is what a white thing in full light sends back."""

Light = tuple[float, float, float]
"""Blue, green, red of linear light."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels."""

_BLACK_STEP, _SLOPE, _OFFSET, _GAMMA = 0.04045, 12.92, 0.055, 2.4
_GLOW_SHRINK = 8


def _linear(levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Light of levels 0..1. Formula: sRGB, IEC 61966-2-1."""
    return np.where(levels <= _BLACK_STEP, levels / _SLOPE, ((levels + _OFFSET) / (1.0 + _OFFSET)) ** _GAMMA)


_LINEAR_OF = _linear(np.arange(256) / 255.0).astype(np.float32)


def to_linear(picture: Picture) -> Canvas:
    """The light that a camera of the sRGB curve turned into this picture."""
    return np.asarray(_LINEAR_OF[picture], np.float32)


def ink(blue: float, green: float, red: float) -> Light:
    """The light of a colour given in levels 0..255."""
    part = _linear(np.array([blue, green, red]) / 255.0)
    return float(part[0]), float(part[1]), float(part[2])


def add_light(canvas: Canvas, light: Canvas) -> None:
    """Add light, in place: what shines never darkens what is behind it."""
    np.add(canvas, light, out=canvas)


def cover(canvas: Canvas, share: Field, colour: Light | Canvas) -> None:
    """Paint over, in place: `share` 0..1 per pixel of `colour`."""
    part = share[:, :, None]
    canvas += part * (np.asarray(colour, np.float32) - canvas)


def paint(canvas: Canvas, mask: NDArray[np.uint8], colour: Light) -> Box | None:
    """Paint `colour` where `mask` (0..255) says, in place; the box that was painted."""
    x, y, width, height = cv2.boundingRect(mask)
    if not width or not height:
        return None
    window = slice(y, y + height), slice(x, x + width)
    cover(canvas[window], mask[window].astype(np.float32) / 255.0, colour)
    return float(x), float(y), float(x + width), float(y + height)


def spread(light: Canvas, reach_px: float) -> Canvas:
    """Light scattered far and wide: a broad blur, computed on a small picture."""
    height, width = light.shape[:2]
    small = cv2.resize(
        light, (max(2, width // _GLOW_SHRINK), max(2, height // _GLOW_SHRINK)), interpolation=cv2.INTER_AREA
    )
    small = cv2.GaussianBlur(small, (0, 0), max(0.5, reach_px / _GLOW_SHRINK), borderType=cv2.BORDER_CONSTANT)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def bloom(canvas: Canvas, strength: float, reach_px: float) -> None:
    """What a lens scatters of the brightest light, in place."""
    if strength > 0.0:
        bright = np.minimum(np.maximum(canvas - 0.8, 0.0), 6.0)
        add_light(canvas, np.float32(strength) * spread(bright, reach_px))


def lamp(canvas: Canvas, centre: tuple[float, float], radius: float, colour: Light, halo: float = 0.15) -> Box:
    """A round light with a halo, in place; returns the box of its bright part."""
    reach = int(radius * 6) + 3
    height, width = canvas.shape[:2]
    left, top = max(0, int(centre[0]) - reach), max(0, int(centre[1]) - reach)
    right, bottom = min(width, int(centre[0]) + reach + 1), min(height, int(centre[1]) + reach + 1)
    box = centre[0] - 1.5 * radius, centre[1] - 1.5 * radius, centre[0] + 1.5 * radius, centre[1] + 1.5 * radius
    if left >= right or top >= bottom:
        return box
    rows, columns = np.ogrid[top:bottom, left:right]
    far = ((columns - centre[0]) ** 2 + (rows - centre[1]) ** 2).astype(np.float32) / np.float32(radius**2)
    light = np.exp(-(far**1.5)) + np.float32(halo) * np.exp(-far / 6.0)
    canvas[top:bottom, left:right] += light[:, :, None] * np.array(colour, np.float32)
    return box
