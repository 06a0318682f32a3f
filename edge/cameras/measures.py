"""What is measured of a region of a scene: the numbers behind each kind of evidence."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.candidates import CANDIDATE_PX_MIN, Candidate
from edge.cameras.evidence import (
    CHANGES_PATTERN,
    FLICKERS_WITHIN,
    NEVER_REPEATS,
    NOT_IN_UNISON,
    NOT_RIGID,
    TURNS_PER_S_MIN,
    Appearance,
    Evidence,
    appearances,
)
from edge.cameras.ports import Picture
from edge.cameras.repetition import novelty, variety
from edge.cameras.scene import Scene, View

_COLOUR_MOSTLY_MIN = 0.5
_SHIFT_ACROSS_PX_MAX = 16
_SHIFT_DOWN_PX_MAX = 4
_SAMPLE_PX_MAX = 1500
_REPEAT_SAMPLE_PX_MAX = 400
_LARGE_PX = 5000
_RIM_PX = 4
_RING = np.ones((2 * _RIM_PX + 1, 2 * _RIM_PX + 1), np.uint8)


def appearance_of(view: View, candidate: Candidate) -> Appearance | None:
    """What one picture shows of a candidate region; None where it has hardly any flame colour now."""
    window = candidate.window
    coloured = candidate.area & view.flame[window]
    count = np.count_nonzero(coloured)
    if count < CANDIDATE_PX_MIN // 2:
        return None
    pixels = view.image[window][coloured].astype(np.float32)
    blue, green, red = pixels[:: 1 + len(pixels) // _SAMPLE_PX_MAX].T
    hues = green / np.maximum(red, 1.0)
    return Appearance(
        red_high=_quantile(red, 0.9) * 255.0 / view.white,
        saturation_high=_quantile(red - blue, 0.9) * 255.0 / view.white,
        core_share=np.count_nonzero(view.core[window] & coloured) / count,
        hue_spread=_quantile(hues, 0.9) - _quantile(hues, 0.1),
        colour_share=count / np.count_nonzero(candidate.area),
        over_surroundings=_over_surroundings(view.image[:, :, 2], candidate),
    )


@dataclass(frozen=True, slots=True)
class _Promise:
    """The kinds of evidence that cost little to measure, none of them absent."""

    appearance: Appearance
    turns_per_s: float
    flicker_share: float
    unison: float


def evidence_of(scene: Scene, view: View, candidate: Candidate) -> Evidence | None:
    """What is measured of a candidate region; None where it is no flame for sure.

    That is where any kind of evidence is not there at all. The cheap kinds are measured first: most regions lack one,
    and the whole costs ten times as much.
    """
    return evidences_of(scene, view, [candidate], 1)[0]


def evidences_of(scene: Scene, view: View, candidates: Sequence[Candidate], whole_max: int) -> list[Evidence | None]:
    """What is measured of each candidate region, see `evidence_of`, of `whole_max` of them in whole.

    The first come first: for what comes after so many that have all the cheap kinds, None.
    """
    found: list[Evidence | None] = []
    left = whole_max
    for candidate in candidates:
        promise = _promise(scene, view, candidate) if left > 0 else None
        left -= promise is not None
        found.append(_whole(scene, view, candidate, promise) if promise else None)
    return found


def _promise(scene: Scene, view: View, candidate: Candidate) -> _Promise | None:
    window, flickering = candidate.window, candidate.flickering
    turns_per_s = scene.flicker.rate(window, flickering)
    if turns_per_s <= TURNS_PER_S_MIN:
        return None
    appearance = appearance_of(view, candidate)
    if appearance is None or min(appearances(appearance).values()) <= 0.0:
        return None
    flicker_share = _flicker_share(candidate, scene.lately[window], view.core[window])
    unison = _unison([change[window][flickering] for change in scene.changes])
    if FLICKERS_WITHIN.of(flicker_share) <= 0.0 or NOT_IN_UNISON.of(unison) <= 0.0:
        return None
    return _Promise(appearance, turns_per_s, flicker_share, unison)


def _whole(scene: Scene, view: View, candidate: Candidate, promise: _Promise) -> Evidence | None:
    levels = _recent_levels(scene, candidate)
    new, varied = novelty(levels), variety(levels)
    if NEVER_REPEATS.of(new) <= 0.0 or CHANGES_PATTERN.of(varied) <= 0.0:
        return None
    rigidity = _rigidity(scene.last.image, view.image, candidate)
    if NOT_RIGID.of(rigidity) <= 0.0:
        return None
    return Evidence(
        **asdict(promise.appearance),
        turns_per_s=promise.turns_per_s,
        flicker_share=promise.flicker_share,
        unison=promise.unison,
        rigidity=rigidity,
        novelty=new,
        variety=varied,
    )


def _quantile(values: NDArray[np.float32], share: float) -> float:
    """The value that `share` of the values do not exceed; numpy's own costs five times as much for so few."""
    place = round(share * (len(values) - 1))
    return float(np.partition(values, place)[place])


def _recent_levels(scene: Scene, candidate: Candidate) -> NDArray[np.float32]:
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
    rim = cv2.dilate(area, _RING) - area
    if not rim.any():
        return 255.0
    place = np.ascontiguousarray(red[top:bottom, left:right])
    return float(cv2.mean(place, area)[0]) - float(cv2.mean(place, rim)[0])


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
    A large region is compared at half its size, which costs a fourteenth.
    """
    height, width = now.shape[:2]
    top, left = max(0, candidate.y - _SHIFT_DOWN_PX_MAX), max(0, candidate.x - _SHIFT_ACROSS_PX_MAX)
    bottom = min(height, candidate.y + candidate.h + _SHIFT_DOWN_PX_MAX)
    right = min(width, candidate.x + candidate.w + _SHIFT_ACROSS_PX_MAX)
    place, template = now[top:bottom, left:right], before[candidate.window]
    down, across = candidate.y - top, candidate.x - left
    if candidate.w * candidate.h > _LARGE_PX:
        # The window's odd first row and column are left out, so that both halves lie on the same grid.
        place, template = _halved(place[down % 2 :, across % 2 :]), _halved(template)
        down, across = down // 2, across // 2
    differences = cv2.matchTemplate(place, template, cv2.TM_SQDIFF)
    unshifted = float(differences[down, across])
    return float(differences.min()) / unshifted if unshifted > 0.0 else 0.0


def _halved(image: Picture) -> Picture:
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    return np.asarray(
        cv2.resize(image[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA), np.uint8
    )
