"""Where things in the alley are in its picture: a camera three metres up looks along it."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
"""Height x width x 3, blue, green, red."""

Colour = tuple[int, int, int]
"""Blue, green, red."""

Point = tuple[float, float, float]
"""Metres to the right of the alley's middle, metres above the ground, and depth: 1 is the picture's lower edge."""

WIDTH, HEIGHT = 640, 360
VANISHING = (326.0, 132.0)
CAMERA_M = 3.0
PX_PER_M = (HEIGHT - VANISHING[1]) / CAMERA_M
"""At depth 1."""

_SHIFT = 4


def project(point: Point) -> tuple[float, float]:
    """The pixel of a point."""
    right_m, up_m, depth = point
    scale = PX_PER_M / depth
    return VANISHING[0] + right_m * scale, VANISHING[1] + (CAMERA_M - up_m) * scale


def fill(image: Image, corners: Sequence[Point], colour: Colour, zoom: float = 1.0) -> None:
    """Fill the polygon over `corners`, edges smoothed. `zoom`: pixels of `image` to one of the picture."""
    cv2.fillPoly(image, [_fixed(corners, zoom)], colour, cv2.LINE_AA, _SHIFT)


def line(image: Image, corners: Sequence[Point], colour: Colour, width_px: float = 1.0, zoom: float = 1.0) -> None:
    """Draw the line through `corners`."""
    thickness = max(1, round(width_px * zoom))
    cv2.polylines(image, [_fixed(corners, zoom)], False, colour, thickness, cv2.LINE_AA, _SHIFT)  # noqa: FBT003 - positional in OpenCV


def disc(
    image: Image, centre: tuple[float, float], axes: tuple[float, float], colour: Colour, zoom: float = 1.0
) -> None:
    """Fill an upright ellipse, its centre and half axes in pixels of the picture."""
    unit = zoom * (1 << _SHIFT)
    middle = round(centre[0] * unit), round(centre[1] * unit)
    half = max(1, round(axes[0] * unit)), max(1, round(axes[1] * unit))
    cv2.ellipse(image, middle, half, 0, 0, 360, colour, -1, cv2.LINE_AA, _SHIFT)


def shade(colour: Colour, factor: float) -> Colour:
    """`colour`, darker or lighter."""
    blue, green, red = (min(255, max(0, round(part * factor))) for part in colour)
    return blue, green, red


def _fixed(corners: Sequence[Point], zoom: float) -> NDArray[np.int32]:
    pixels = np.array([project(corner) for corner in corners]) * zoom * (1 << _SHIFT)
    return np.asarray(np.round(pixels), np.int32)
