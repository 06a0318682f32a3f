"""One camera's scene: the present view, and what is remembered of the ones before it, at the small size."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.flame_colour import flame_colour
from edge.cameras.flicker import FlickerMeter
from edge.cameras.picture import check_picture, shrink, without_areas
from edge.cameras.ports import Frame, Picture
from edge.cameras.repetition import RecentMoments
from edge.cameras.settings import IgnoredArea
from edge.cameras.zones import covered

GAP_S_MAX = 1.5
"""A longer pause between two frames is a new beginning: flicker cannot be told across it."""

_COLOUR_MEMORY_S = 0.5
_COLOUR_LATELY_MIN = 0.2
_FLICKER_TURNS_MIN = 1.3
_CHANGES_MAX = 6
_CUT_LEVELS_MIN = 40
_CUT_SHARE_MIN = 0.6
_THUMBNAIL_SIZE = (32, 24)
_WHITE_STEP_PX = 4
_WHITE_MIN = 160.0
_WHITE_SHARE = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One shrunk picture and what is derived from it alone.

    `white` is the brightest level that it uses. `flame` leaves the ignored areas and the frame's masks out.
    """

    image: Picture
    green: NDArray[np.int16]
    flame: NDArray[np.bool_]
    core: NDArray[np.bool_]
    thumbnail: NDArray[np.int16]
    white: float
    time_s: float


@dataclass(slots=True, eq=False)
class Scene:
    """What is remembered of one scene: its last view, flicker, last moments, and where it lately had flame colour.

    Six differences and sixteen pictures in grey, about 2 MB at 320 x 240.
    """

    last: View
    flicker: FlickerMeter
    lately: NDArray[np.float32]
    moments: RecentMoments
    changes: deque[NDArray[np.int16]] = field(default_factory=lambda: deque(maxlen=_CHANGES_MAX))

    def take(self, view: View) -> None:
        """Go on to the next view; `last` stays until its evidence has been measured."""
        elapsed_s = view.time_s - self.last.time_s
        self.flicker.update(view.green, view.flame & self.last.flame, elapsed_s)
        self.lately += (view.flame - self.lately) * np.float32(1.0 - np.exp(-elapsed_s / _COLOUR_MEMORY_S))
        self.changes.append(view.green - self.last.green)
        self.moments.take(np.ascontiguousarray(view.image[:, :, 1]), view.time_s)

    def coloured(self) -> NDArray[np.bool_]:
        """The pixels that lately had flame colour."""
        return self.lately > _COLOUR_LATELY_MIN

    def flickering(self) -> NDArray[np.bool_]:
        """The pixels that lately had flame colour and flicker."""
        return self.coloured() & (self.flicker.turns > _FLICKER_TURNS_MIN)


def view_of(frame: Frame, side_px: int, ignored: Sequence[IgnoredArea] = ()) -> View:
    """The view of a frame shrunk to `side_px`. Raises `ValueError` for an image not height x width x 3 of uint8."""
    check_picture(frame.image)
    image = np.asarray(cv2.GaussianBlur(shrink(frame.image, side_px), (3, 3), 0), np.uint8)
    colour = flame_colour(image)
    flame = without_areas(colour.flame, ignored)
    if frame.masks:
        flame &= ~covered(frame.masks, *flame.shape)
    thumbnail = cv2.resize(image, _THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA).astype(np.int16)
    return View(image, image[:, :, 1].astype(np.int16), flame, colour.core, thumbnail, _white(image), frame.time_s)


def begun(view: View) -> Scene:
    """A scene that begins with `view`."""
    moments = RecentMoments(np.ascontiguousarray(view.image[:, :, 1]), view.time_s)
    return Scene(view, FlickerMeter(view.green), view.flame.astype(np.float32), moments)


def continues(last: View, view: View) -> bool:
    """Whether `view` shows the scene of `last` a moment later, rather than a cut, a restart or a jump of exposure."""
    if last.image.shape != view.image.shape or not 0.0 < view.time_s - last.time_s <= GAP_S_MAX:
        return False
    changed = np.abs(view.thumbnail - last.thumbnail).max(axis=2) >= _CUT_LEVELS_MIN
    return float(changed.mean()) < _CUT_SHARE_MIN


def _white(image: Picture) -> float:
    """The brightest level the picture uses, so that a camera that exposes darkly is judged like one that does not."""
    some = image[::_WHITE_STEP_PX, ::_WHITE_STEP_PX]
    brightest = np.sort(np.maximum(np.maximum(some[:, :, 0], some[:, :, 1]), some[:, :, 2]), axis=None)
    return max(_WHITE_MIN, float(brightest[round(_WHITE_SHARE * (brightest.size - 1))]))
