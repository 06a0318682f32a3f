"""A simulated flame or plume at a place of the picture: what of it can be seen at a time."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.fire.render.burning import FOOT, HEIGHT, WIDTH
from tools.fire.render.chance import happens
from tools.fire.render.fluid import Field
from tools.fire.render.library import SEEDS_PER_KIND, densities

RECORDS_PER_S_AT_1_M = 14.0
"""How fast a simulated flame one metre high plays; smaller ones are faster, as the root of the height.

Chosen so that the change of rendered flames has about the spectrum that `compare` finds in clips of real ones.
"""

_SHUTTER_MOMENTS_MAX = 4


@dataclass(frozen=True, slots=True)
class Place:
    """Where the foot is, in pixels, how many pixels the simulated grid is wide and high, how far its top leans."""

    x: float
    y: float
    width: float
    height: float
    lean_px: float = 0.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One simulation in playback: from record `start`, `pace` records a second, perhaps seen from the other side."""

    name: str
    seed: int
    start: int
    pace: float
    mirrored: bool

    def density(self, time_s: float, shutter_s: float) -> Field:
        """HEIGHT x WIDTH densities 0..1, blurred by what moves while the shutter is open."""
        records = densities(self.name, self.seed)
        first = self.start + self.pace * time_s
        moments = min(_SHUTTER_MOMENTS_MAX, 1 + int(self.pace * shutter_s))
        indices = [int(first + self.pace * shutter_s * part / moments) % len(records) for part in range(moments)]
        seen = records[indices].mean(axis=0, dtype=np.float32) / np.float32(255.0)
        return np.ascontiguousarray(seen[:, ::-1]) if self.mirrored else seen


def layer(chance: np.random.Generator, name: str, high_m: float) -> Layer:
    """A simulation of that name, some seed of it from some moment on; `high_m` is how high it is in the world."""
    return Layer(
        name,
        int(chance.integers(SEEDS_PER_KIND)),
        int(chance.integers(1000)),
        RECORDS_PER_S_AT_1_M / float(np.sqrt(high_m)) * float(np.exp(chance.normal(0.0, 0.35))),
        happens(chance, 0.5),
    )


def placed(density: Field, place: Place, size: tuple[int, int]) -> Field:
    """`density` on a picture of `size` (width, height), zero elsewhere."""
    shrink = min(1.0, place.width / WIDTH, place.height / HEIGHT)
    if shrink < 1.0:
        small = max(3, round(place.width)) if place.width < WIDTH else WIDTH, max(4, round(place.height))
        small = small[0], small[1] if place.height < HEIGHT else HEIGHT
        density = np.asarray(cv2.resize(density, small, interpolation=cv2.INTER_AREA), np.float32)
    rows, columns = density.shape
    scale_x, scale_y = place.width / columns, place.height / rows
    shear = -place.lean_px / (FOOT * rows)
    # The middle of the foot goes to (x, y); a point that lies higher goes to the right by the lean.
    matrix = np.array(
        [
            [scale_x, shear, place.x - scale_x * columns / 2.0 - shear * FOOT * rows],
            [0.0, scale_y, place.y - scale_y * FOOT * rows],
        ],
        np.float32,
    )
    return np.asarray(cv2.warpAffine(density, matrix, size, flags=cv2.INTER_LINEAR), np.float32)


def boxes(mask: NDArray[np.bool_], gap_px: int, area_px_min: int, count_max: int) -> list[tuple[int, int, int, int]]:
    """The largest connected parts of a mask as left, top, width, height; gaps of `gap_px` do not part them."""
    kernel = np.ones((gap_px, gap_px), np.uint8)
    joined = cv2.morphologyEx(mask.view(np.uint8), cv2.MORPH_CLOSE, kernel)
    _, _, stats, _ = cv2.connectedComponentsWithStats(joined)
    parts = sorted(stats[1:].tolist(), key=lambda part: -part[cv2.CC_STAT_AREA])
    return [(x, y, w, h) for x, y, w, h, area in parts[:count_max] if area >= area_px_min]
