"""A stage and what acts on it: the light of a place, painted over and added to by actors, filmed by a camera."""

from collections.abc import Callable
from collections.abc import Sequence as Row
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from edge.cameras.ports import Picture, Region
from tools.fire.render.camera import Recording, camera
from tools.fire.render.chance import happens
from tools.fire.render.light import Box, Canvas, bloom, to_linear
from tools.fire.sequence import Label, Sequence

What = Literal["flame", "smoke", "lookalike", "occluder"]

SIZES = ((320, 240), (320, 240), (320, 240), (320, 180), (426, 240), (240, 320), (480, 360), (640, 360))
_MARGIN_PX = 16
_HIDDEN_SHARE = 0.7
_BOX_PX_MIN = 2.0
_MEAN_WANTED = 0.16


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that an actor shows, and its box in pixels of the stage."""

    what: What
    box: Box


Actor = Callable[[Canvas, float], list[Mark]]
"""Paints on the light of the stage, in place, at a time in seconds, and says what it showed."""


@dataclass(slots=True)
class Stage:
    """A place before anything acts: `scenery` (its light) is a margin larger than the `size` that is filmed.

    `albedo` is how much light the scenery sends back, `ambient` how much falls on it, `gain` the exposure that the
    camera will choose, known once the first picture has been composed.
    """

    size: tuple[int, int]
    scenery: Canvas
    albedo: Canvas
    ambient: float
    shutter_s: float
    gain: float = 1.0

    @property
    def width(self) -> int:
        """Pixels across, with the margin."""
        return int(self.scenery.shape[1])

    @property
    def height(self) -> int:
        """Pixels down, with the margin."""
        return int(self.scenery.shape[0])


def stage(chance: np.random.Generator, background: Picture, ambient: float | None = None) -> Stage:
    """A part of `background`, perhaps mirrored, under some light."""
    width, height = SIZES[int(chance.integers(len(SIZES)))]
    full = width + 2 * _MARGIN_PX, height + 2 * _MARGIN_PX
    albedo = to_linear(_part(chance, background, full))
    if ambient is None:
        ambient = float(np.exp(chance.uniform(np.log(0.03), np.log(1.0)))) if happens(chance, 0.6) else 1.0
    tint = np.exp(chance.normal(0.0, 0.1, 3)) if ambient < 1.0 else np.ones(3)
    scenery = albedo * (ambient * tint).astype(np.float32)
    return Stage((width, height), scenery, albedo, ambient, float(chance.choice((0.002, 0.01, 0.02, 0.04, 0.08))))


def film(chance: np.random.Generator, on: Stage, actors: Row[Actor], kind: str, label: Label) -> Sequence:
    """One to three seconds of the stage, 8 to 12 pictures a second, as some camera shows them."""
    fps, seconds = float(chance.uniform(8.0, 12.0)), float(chance.uniform(1.0, 3.0))
    look = camera(chance)
    recording, path = Recording(look, chance, on.size), _Path(chance, look.shake_px)
    skip = _skipped(chance, round(fps * seconds))
    _choose_gain(chance, on, actors)
    frames: list[Picture] = []
    seen_of: dict[What, list[tuple[Region, ...]]] = {"flame": [], "smoke": [], "lookalike": []}
    for index in range(round(fps * seconds)):
        time_s = float(skip[index]) / fps
        canvas = on.scenery.copy()
        marks = [mark for actor in actors for mark in actor(canvas, time_s)]
        bloom(canvas, path.bloom, 12.0)
        x, y = path.at(time_s)
        matrix = np.array([[1.0, 0.0, -x], [0.0, 1.0, -y]], np.float32)
        seen = np.asarray(cv2.warpAffine(canvas, matrix, on.size, flags=cv2.INTER_LINEAR), np.float32)
        frames.append(recording.picture(seen * np.float32(on.gain), time_s))
        for what, kept in seen_of.items():
            kept.append(_regions(marks, what, (x, y), on.size))
    return Sequence(np.stack(frames), fps, kind, label, *(tuple(kept) for kept in seen_of.values()))


def _part(chance: np.random.Generator, background: Picture, size: tuple[int, int]) -> Picture:
    """A random part of the background in the wanted size; small pictures are enlarged."""
    width, height = size
    rows, columns = background.shape[:2]
    share = float(chance.uniform(0.6, 1.0)) * min(columns / width, rows / height)
    wide, high = max(1, int(width * share)), max(1, int(height * share))
    left, top = int(chance.integers(columns - wide + 1)), int(chance.integers(rows - high + 1))
    how = cv2.INTER_AREA if share > 1.0 else cv2.INTER_CUBIC
    part = cv2.resize(background[top : top + high, left : left + wide], size, interpolation=how)
    return np.asarray(part[:, ::-1] if happens(chance, 0.5) else part, np.uint8)


def _skipped(chance: np.random.Generator, count: int) -> list[int]:
    """Which moment each picture shows: one clip in eight drops pictures and shows the one before again."""
    share = float(chance.uniform(0.05, 0.3)) if happens(chance, 0.12) else 0.0
    shown: list[int] = []
    for index in range(count):
        shown.append(shown[-1] if shown and happens(chance, share) else index)
    return shown


def _choose_gain(chance: np.random.Generator, on: Stage, actors: Row[Actor]) -> None:
    """Exposure as a camera chooses it: the mean of the picture, within the sensor's reach, more or less well."""
    canvas = on.scenery.copy()
    for actor in actors:
        actor(canvas, 0.0)
    mean = float(np.minimum(canvas, 3.0).mean())
    on.gain = float(np.clip(_MEAN_WANTED / max(mean, 1e-4), 0.25, np.exp(chance.uniform(0.0, np.log(8.0)))))


class _Path:
    """How the camera moves: it stands, pans a little, or trembles; never beyond the stage's margin."""

    def __init__(self, chance: np.random.Generator, shake_px: float) -> None:
        self._chance, self._shake_px = chance, shake_px
        pans = happens(chance, 0.25)
        self._pan = chance.uniform(-9.0, 9.0, 2) if pans else np.zeros(2)
        self._pace = float(chance.uniform(0.3, 1.5))
        self.bloom = float(chance.uniform(0.0, 0.25))

    def at(self, time_s: float) -> tuple[float, float]:
        """Where the picture's corner lies on the stage."""
        shaken = self._chance.normal(0.0, self._shake_px, 2) if self._shake_px else np.zeros(2)
        x, y = np.clip(self._pan * np.sin(self._pace * time_s) + shaken, -_MARGIN_PX, _MARGIN_PX) + _MARGIN_PX
        return float(x), float(y)


def _regions(marks: list[Mark], what: str, corner: tuple[float, float], size: tuple[int, int]) -> tuple[Region, ...]:
    found = []
    for index, mark in enumerate(marks):
        if mark.what != what or any(_hides(later, mark.box) for later in marks[index + 1 :]):
            continue
        left, right = (min(max(edge - corner[0], 0.0), size[0]) for edge in (mark.box[0], mark.box[2]))
        top, bottom = (min(max(edge - corner[1], 0.0), size[1]) for edge in (mark.box[1], mark.box[3]))
        if right - left >= _BOX_PX_MIN and bottom - top >= _BOX_PX_MIN:
            x, y = left / size[0], top / size[1]
            found.append(
                Region(x, y, min((right - left) / size[0], 1.0 - x), min((bottom - top) / size[1], 1.0 - y), 1.0)
            )
    return tuple(found)


def _hides(later: Mark, box: Box) -> bool:
    if later.what != "occluder":
        return False
    wide = max(0.0, min(later.box[2], box[2]) - max(later.box[0], box[0]))
    high = max(0.0, min(later.box[3], box[3]) - max(later.box[1], box[1]))
    return wide * high > _HIDDEN_SHARE * (box[2] - box[0]) * (box[3] - box[1])
