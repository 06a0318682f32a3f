"""What a glance at a picture tells about how well it can be seen: light, structure, sharpness. Pure."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Picture

Grey = NDArray[np.uint8]
"""Height x width, brightness 0..255."""

SIDE_PX = 320
GRID_COLUMNS, GRID_ROWS = 8, 6
STRUCTURE_LEVELS_MIN = 1.0

_PASSED_OVER_MAX = 2 * SIDE_PX
_BURNT_LEVEL_MIN = 250
_FINE_PX, _COARSE_PX = 1.0, 4.0
_NOISE_SHARE_MAX = 0.5
_CLEAREST_CELLS = 16
_RATIO_FLOOR = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """One picture, made small, and its measures.

    `grey` has at most `SIDE_PX` on its longer side. `p95` and `p99` are the brightness that all but 5 % and 1 % of the
    pixels stay below; `burnt_share` is the share of pixels at the white end. `structure` is the share of the cells of
    an 8 x 6 grid in which there is anything to see. `sharpness` is how much of the structure of the clearest cells is
    in fine detail (0.35 to 1.0 for a camera in focus, whatever the light).
    """

    grey: Grey
    p95: float
    p99: float
    burnt_share: float
    structure: float
    sharpness: float


def glance_at(image: Picture) -> Glance:
    """Look at a picture of any size; a few milliseconds, since a large one is thinned out first."""
    grey = thumbnail(image, SIDE_PX)
    levels = grey.astype(np.float32)
    p95, p99 = np.percentile(grey, (95, 99))
    smooth = cv2.GaussianBlur(levels, (0, 0), _FINE_PX)
    coarse = smooth - cv2.GaussianBlur(smooth, (0, 0), _COARSE_PX)
    fine_rms, coarse_rms = _by_cell(levels - smooth), _by_cell(coarse)
    # Noise is fine without being coarse: dark pictures are full of it, and it is nothing to see.
    seen = (coarse_rms >= STRUCTURE_LEVELS_MIN) & (coarse_rms >= _NOISE_SHARE_MAX * fine_rms)
    clearest = np.argsort(coarse_rms)[-_CLEAREST_CELLS:]
    return Glance(
        grey=grey,
        p95=float(p95),
        p99=float(p99),
        burnt_share=float((grey >= _BURNT_LEVEL_MIN).mean()),
        structure=float(seen.mean()),
        sharpness=float(np.median(fine_rms[clearest] / (coarse_rms[clearest] + _RATIO_FLOOR))),
    )


def thumbnail(image: Picture, side_px_max: int) -> Grey:
    """The picture in grey, its longer side at most `side_px_max`."""
    step = max(1, max(image.shape[:2]) // _PASSED_OVER_MAX)
    grey = cv2.cvtColor(np.ascontiguousarray(image[::step, ::step]), cv2.COLOR_BGR2GRAY)
    return smaller(np.asarray(grey, np.uint8), side_px_max)


def smaller(grey: Grey, side_px_max: int) -> Grey:
    """A grey picture with its longer side at most `side_px_max`."""
    height, width = grey.shape
    scale = side_px_max / max(height, width)
    if scale >= 1.0:
        return grey
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def by_cell(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean of each cell of the grid, row by row, as one list."""
    return np.asarray(cv2.resize(values, (GRID_COLUMNS, GRID_ROWS), interpolation=cv2.INTER_AREA), np.float32).ravel()


def _by_cell(band: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.sqrt(by_cell(np.square(band)))
