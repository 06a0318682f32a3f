"""The first detector: flame colour and flicker, region by region, without learned weights."""

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.candidates import CANDIDATE_PX_MIN, Candidate, candidates
from edge.cameras.evidence import Evidence, flame_score
from edge.cameras.flame_colour import flame_colour
from edge.cameras.flicker import FlickerMeter
from edge.cameras.picture import check_picture, shrink, without_areas
from edge.cameras.ports import Detection, Frame, Picture, Region
from edge.cameras.repetition import RecentMoments, novelty, variety
from edge.cameras.settings import FireSettings

GAP_S_MAX = 1.5
"""A longer pause between two frames is a new beginning: flicker cannot be told across it."""

_COLOUR_MEMORY_S = 0.5
_COLOUR_LATELY_MIN = 0.2
_COLOUR_MOSTLY_MIN = 0.5
_FLICKER_TURNS_MIN = 1.3
_CHANGES_MAX = 6
_SHIFT_ACROSS_PX_MAX = 16
_SHIFT_DOWN_PX_MAX = 4
_SAMPLE_PX_MAX = 4000
_CUT_LEVELS_MIN = 40
_CUT_SHARE_MIN = 0.6
_THUMBNAIL_SIZE = (32, 24)
_REPEAT_SAMPLE_PX_MAX = 400
_RIM_PX = 4
_RING = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)
_WHITE_STEP_PX = 4
_WHITE_MIN = 160.0


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """One shrunk picture and what is derived from it alone."""

    image: Picture
    green: NDArray[np.int16]
    flame: NDArray[np.bool_]
    core: NDArray[np.bool_]
    thumbnail: NDArray[np.int16]
    white: float
    time_s: float


@dataclass(slots=True, eq=False)
class _Scene:
    """What is remembered of one scene: its last view, flicker, last moments, and where it lately had flame colour."""

    last: _View
    flicker: FlickerMeter
    lately: NDArray[np.float32]
    moments: RecentMoments
    changes: deque[NDArray[np.int16]] = field(default_factory=lambda: deque(maxlen=_CHANGES_MAX))

    def take(self, view: _View) -> None:
        """Go on to the next view; `last` stays until its evidence has been measured."""
        elapsed_s = view.time_s - self.last.time_s
        self.flicker.update(view.green, view.flame & self.last.flame, elapsed_s)
        self.lately += (view.flame - self.lately) * np.float32(1.0 - np.exp(-elapsed_s / _COLOUR_MEMORY_S))
        self.changes.append(view.green - self.last.green)
        self.moments.take(np.ascontiguousarray(view.image[:, :, 1]), view.time_s)

    def flickering(self) -> NDArray[np.bool_]:
        """The pixels that lately had flame colour and flicker."""
        return (self.lately > _COLOUR_LATELY_MIN) & (self.flicker.turns > _FLICKER_TURNS_MIN)


class ColourFlickerDetector:
    """Flame colour, then per-pixel flicker within it, then the evidence of each flickering region.

    One object serves one camera. It needs four analysed frames a second and says nothing in the first half second
    after a start or a cut. It remembers six differences and sixteen pictures in grey, about 2 MB at 320 x 240.
    """

    def __init__(self, settings: FireSettings) -> None:
        self._settings = settings
        self._scene: _Scene | None = None

    def reset(self) -> None:
        """Forget earlier frames: the next one shows another scene."""
        self._scene = None

    def analyse(self, frame: Frame) -> Detection:
        """The flames in `frame`. Raises `ValueError` for an image that is not height x width x 3 of uint8."""
        check_picture(frame.image)
        view = self._view(frame)
        scene = self._scene
        if scene is None or not _continues(scene.last, view):
            self._scene = _begun(view)
            return Detection(score=0.0)
        scene.take(view)
        regions = [_region(scene, view, candidate) for candidate in candidates(scene.flickering())]
        scene.last = view
        flames = sorted((r for r in regions if r.score > 0.0), key=lambda region: region.score, reverse=True)
        return Detection(score=flames[0].score if flames else 0.0, regions=tuple(flames))

    def _view(self, frame: Frame) -> _View:
        image = shrink(frame.image, self._settings.picture_side_px)
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0), np.uint8)
        colour = flame_colour(image)
        flame = without_areas(colour.flame, self._settings.ignored_areas)
        thumbnail = cv2.resize(image, _THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA).astype(np.int16)
        return _View(image, image[:, :, 1].astype(np.int16), flame, colour.core, thumbnail, _white(image), frame.time_s)


def _begun(view: _View) -> _Scene:
    moments = RecentMoments(np.ascontiguousarray(view.image[:, :, 1]), view.time_s)
    return _Scene(view, FlickerMeter(view.green), view.flame.astype(np.float32), moments)


def _white(image: Picture) -> float:
    """The brightest level the picture uses, so that a camera that exposes darkly is judged like one that does not."""
    brightest = image[::_WHITE_STEP_PX, ::_WHITE_STEP_PX].max(axis=2)
    return max(_WHITE_MIN, float(np.percentile(brightest, 99)))


def _continues(last: _View, view: _View) -> bool:
    """Whether `view` shows the scene of `last` a moment later, rather than a cut, a restart or a jump of exposure."""
    if last.image.shape != view.image.shape or not 0.0 < view.time_s - last.time_s <= GAP_S_MAX:
        return False
    changed = np.abs(view.thumbnail - last.thumbnail).max(axis=2) >= _CUT_LEVELS_MIN
    return float(changed.mean()) < _CUT_SHARE_MIN


def _region(scene: _Scene, view: _View, candidate: Candidate) -> Region:
    score = 0.0
    coloured = candidate.area & view.flame[candidate.window]
    if int(coloured.sum()) >= CANDIDATE_PX_MIN // 2:
        score = flame_score(_evidence(scene, view, candidate, coloured))
    height, width = view.flame.shape
    return Region(candidate.x / width, candidate.y / height, candidate.w / width, candidate.h / height, score)


def _evidence(scene: _Scene, view: _View, candidate: Candidate, coloured: NDArray[np.bool_]) -> Evidence:
    window, flickering = candidate.window, candidate.flickering
    pixels = view.image[window][coloured].astype(np.float32)
    blue, green, red = pixels[:: 1 + len(pixels) // _SAMPLE_PX_MAX].T
    hue_low, hue_high = np.percentile(green / np.maximum(red, 1.0), (10, 90))
    levels = _recent_levels(scene, candidate)
    return Evidence(
        red_high=float(np.percentile(red, 90)) * 255.0 / view.white,
        saturation_high=float(np.percentile(red - blue, 90)) * 255.0 / view.white,
        core_share=float(view.core[window][coloured].mean()),
        hue_spread=float(hue_high - hue_low),
        turns_per_s=float(scene.flicker.turns[window][flickering].mean()),
        flicker_share=_flicker_share(candidate, scene.lately[window], view.core[window]),
        unison=_unison([change[window][flickering] for change in scene.changes]),
        rigidity=_rigidity(scene.last.image, view.image, candidate),
        colour_share=int(coloured.sum()) / int(candidate.area.sum()),
        novelty=novelty(levels),
        variety=variety(levels),
        over_surroundings=_over_surroundings(view.image[:, :, 2], candidate),
    )


def _recent_levels(scene: _Scene, candidate: Candidate) -> NDArray[np.float32]:
    """Moments x pixels of the flickering pixels, some hundreds of them however large the region is."""
    rows, columns = np.nonzero(candidate.flickering)
    step = 1 + len(rows) // _REPEAT_SAMPLE_PX_MAX
    return scene.moments.levels(rows[::step] + candidate.y, columns[::step] + candidate.x)


def _over_surroundings(red: NDArray[np.uint8], candidate: Candidate) -> float:
    """Mean red of the region over that of the rim around it; 255 where the region fills the picture."""
    height, width = red.shape
    top, left = max(0, candidate.y - _RIM_PX), max(0, candidate.x - _RIM_PX)
    bottom = min(height, candidate.y + candidate.h + _RIM_PX)
    right = min(width, candidate.x + candidate.w + _RIM_PX)
    area = np.zeros((bottom - top, right - left), np.uint8)
    area[candidate.y - top :, candidate.x - left :][: candidate.h, : candidate.w] = candidate.area
    rim = (cv2.dilate(area, _RING) > 0) & (area == 0)
    place = red[top:bottom, left:right]
    return float(place[area > 0].mean()) - float(place[rim].mean()) if rim.any() else 255.0


def _flicker_share(candidate: Candidate, lately: NDArray[np.float32], core: NDArray[np.bool_]) -> float:
    """A burnt-out core cannot flicker however it burns, so it counts on neither side."""
    could = (candidate.area & (lately > _COLOUR_MOSTLY_MIN) & ~core) | candidate.flickering
    return int(candidate.flickering.sum()) / int(could.sum())


def _unison(changes: list[NDArray[np.int16]]) -> float:
    """Sum of the net changes over the sum of all changes: 1 when every pixel went the same way."""
    net = sum(abs(int(change.sum(dtype=np.int64))) for change in changes)
    gross = sum(int(np.abs(change).sum(dtype=np.int64)) for change in changes)
    return net / gross if gross else 1.0


def _rigidity(before: Picture, now: Picture, candidate: Candidate) -> float:
    """Squared difference at the best small shift over that at none.

    Wider across than down: text runs across a sign by up to sixteen pixels between two frames, people and cars too.
    """
    height, width = now.shape[:2]
    top, left = max(0, candidate.y - _SHIFT_DOWN_PX_MAX), max(0, candidate.x - _SHIFT_ACROSS_PX_MAX)
    bottom = min(height, candidate.y + candidate.h + _SHIFT_DOWN_PX_MAX)
    right = min(width, candidate.x + candidate.w + _SHIFT_ACROSS_PX_MAX)
    differences = cv2.matchTemplate(now[top:bottom, left:right], before[candidate.window], cv2.TM_SQDIFF)
    unshifted = float(differences[candidate.y - top, candidate.x - left])
    return float(differences.min()) / unshifted if unshifted > 0.0 else 0.0
