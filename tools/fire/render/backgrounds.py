"""Places to film: real pictures of a folder, the simulator's alley, and rendered walls, floors and shelves."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.flame_colour import flame_colour
from edge.cameras.ports import Picture
from firmware_sim.cameras.scene import MarketScene
from tools.fire.licences import may_be_learned_from
from tools.fire.render.chance import happens

Backgrounds = Callable[[np.random.Generator], Picture]
"""Some place to film."""

REAL_SHARE, ALLEY_SHARE = 0.75, 0.1
_SIZE = (480, 360)
_PART_PX_MIN = 40
_RECTANGLES, _ROUND = 0.6, 0.85
"""Shares of the things: up to the first rectangles, up to the second ellipses, lines above."""

_TRIES = 30
_ALLEYS = 6
_WARM_SHARE_MAX = 0.004


@dataclass(frozen=True, slots=True)
class Places:
    """Real pictures where there are any, rendered places otherwise and now and then.

    `pictures` show no fire; `fires` do, and lend their parts without flame colour.
    """

    pictures: tuple[Path, ...] = ()
    fires: tuple[Path, ...] = ()

    def __call__(self, chance: np.random.Generator) -> Picture:
        """Some place."""
        dice = chance.random()
        if dice < REAL_SHARE and (self.pictures or self.fires):
            real = self._real(chance)
            if real is not None:
                return real
        return alley(chance) if dice > 1.0 - ALLEY_SHARE else walls(chance)

    def _real(self, chance: np.random.Generator) -> Picture | None:
        chosen = int(chance.integers(len(self.pictures) + len(self.fires)))
        path = (self.pictures + self.fires)[chosen]
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if image is None:
            return None
        picture = np.asarray(image, np.uint8)
        return picture if chosen < len(self.pictures) else without_fire(chance, picture)


def places(folder: Path) -> Places:
    """The pictures of a training folder: `labels.csv` names each with a label (fire, or anything else) and a licence.

    Pictures that a product may not learn from by their licence are left out.
    """
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if _may_be_used(row)]
    files = [(folder / row["file"], row["label"] == "fire") for row in rows]
    pictures = tuple(path for path, fire in files if not fire and path.exists())
    return Places(pictures, tuple(path for path, fire in files if fire and path.exists()))


def _may_be_used(row: dict[str, str]) -> bool:
    return may_be_learned_from(row.get("licence", "")) and row.get("kind", "image") == "image"


def without_fire(chance: np.random.Generator, picture: Picture) -> Picture | None:
    """A part of a picture of fire that has no flame colour, or nothing where there is none."""
    rows, columns = picture.shape[:2]
    warm = flame_colour(picture).flame
    for _ in range(_TRIES):
        share = chance.uniform(0.25, 0.7)
        high, wide = int(rows * share), int(columns * share)
        top, left = int(chance.integers(rows - high + 1)), int(chance.integers(columns - wide + 1))
        window = slice(top, top + high), slice(left, left + wide)
        if min(high, wide) > _PART_PX_MIN and float(warm[window].mean()) < _WARM_SHARE_MAX:
            return picture[window]
    return None


def alley(chance: np.random.Generator) -> Picture:
    """The simulator's market alley at some moment."""
    scene = _alley_scene(int(chance.integers(_ALLEYS)), "day" if happens(chance, 0.5) else "night")
    return np.asarray(scene.frame(float(chance.uniform(0.0, 60.0))), np.uint8)


@lru_cache(maxsize=2 * _ALLEYS)
def _alley_scene(seed: int, light: str) -> MarketScene:
    return MarketScene(seed, light)


def walls(chance: np.random.Generator) -> Picture:
    """A wall, a floor, and things on and before them, all with some texture."""
    width, height = _SIZE
    canvas: NDArray[np.float32] = np.empty((height, width, 3), np.float32)
    horizon = int(height * chance.uniform(0.3, 0.9))
    canvas[:horizon] = _colour(chance, 40, 230)
    canvas[horizon:] = _colour(chance, 30, 180)
    if happens(chance, 0.4):
        _tiles(chance, canvas[horizon:])
    for _ in range(int(chance.integers(3, 30))):
        _thing(chance, canvas)
    canvas *= _patches(chance, (height, width), 0.25)[:, :, None]
    canvas += 10.0 * chance.standard_normal((height, width, 1), np.float32) * np.float32(chance.uniform(0.0, 1.0))
    if happens(chance, 0.3):
        canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), float(chance.uniform(0.6, 2.0))), np.float32)
    return np.asarray(np.clip(canvas, 0.0, 255.0), np.uint8)


def _colour(chance: np.random.Generator, low: float, high: float) -> tuple[float, float, float]:
    level = chance.uniform(low, high)
    blue, green, red = np.clip(level * np.exp(chance.normal(0.0, 0.12, 3)), 0.0, 255.0)
    return float(blue), float(green), float(red)


def _thing(chance: np.random.Generator, canvas: NDArray[np.float32]) -> None:
    height, width = canvas.shape[:2]
    x, y = int(chance.integers(width)), int(chance.integers(height))
    w, h = int(chance.integers(6, 120)), int(chance.integers(6, 120))
    colour = (
        _colour(chance, 10, 245) if happens(chance, 0.7) else tuple(float(part) for part in chance.uniform(0, 255, 3))
    )
    shape = chance.random()
    if shape < _RECTANGLES:
        cv2.rectangle(canvas, (x, y), (x + w, y + h), colour, -1)
        if happens(chance, 0.5):
            for line in range(y, y + h, int(chance.integers(4, 20))):
                cv2.line(canvas, (x, line), (x + w, line), _colour(chance, 10, 200), 1)
    elif shape < _ROUND:
        cv2.ellipse(canvas, (x, y), (w // 2 + 1, h // 2 + 1), 0, 0, 360, colour, -1)
    else:
        cv2.line(
            canvas,
            (x, y),
            (int(chance.integers(width)), int(chance.integers(height))),
            colour,
            int(chance.integers(1, 6)),
        )


def _tiles(chance: np.random.Generator, floor: NDArray[np.float32]) -> None:
    height, width = floor.shape[:2]
    step, darker = int(chance.integers(14, 60)), float(chance.uniform(0.7, 0.95))
    for x in range(-width, 2 * width, step):
        middle = width // 2
        cv2.line(
            floor,
            (middle + (x - middle) // 3, 0),
            (x, height),
            tuple(float(part) * darker for part in floor[-1, -1]),
            1,
        )
    for row in np.geomspace(2, max(3, height), 8):
        floor[min(height - 1, int(row))] *= darker


def _patches(chance: np.random.Generator, shape: tuple[int, int], depth: float) -> NDArray[np.float32]:
    total = np.ones(shape, np.float32)
    for cells in (3, 9, 40):
        coarse = chance.normal(0.0, depth / np.sqrt(cells), (cells, cells)).astype(np.float32)
        total += cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return total
