"""What is measured of a region of a scene: the numbers behind each kind of evidence."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.candidates import CANDIDATE_PX_MIN, Candidate
from edge.cameras.evidence import TURNS_PER_S_MIN, Evidence
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


def evidence_of(scene: Scene, view: View, candidate: Candidate) -> Evidence | None:
    """What is measured of a candidate region; None where it is no flame for sure.

    That is where it has hardly any flame colour now, or hardly flickers: the rest costs ten times as much to measure.
    """
    window, flickering = candidate.window, candidate.flickering
    turns_per_s = scene.flicker.rate(window, flickering)
    if turns_per_s <= TURNS_PER_S_MIN:
        return None
    coloured = candidate.area & view.flame[window]
    if int(coloured.sum()) < CANDIDATE_PX_MIN // 2:
        return None
    pixels = view.image[window][coloured].astype(np.float32)
    blue, green, red = pixels[:: 1 + len(pixels) // _SAMPLE_PX_MAX].T
    hues = green / np.maximum(red, 1.0)
    levels = _recent_levels(scene, candidate)
    return Evidence(
        red_high=_quantile(red, 0.9) * 255.0 / view.white,
        saturation_high=_quantile(red - blue, 0.9) * 255.0 / view.white,
        core_share=float(view.core[window][coloured].mean()),
        hue_spread=_quantile(hues, 0.9) - _quantile(hues, 0.1),
        turns_per_s=turns_per_s,
        flicker_share=_flicker_share(candidate, scene.lately[window], view.core[window]),
        unison=_unison([change[window][flickering] for change in scene.changes]),
        rigidity=_rigidity(scene.last.image, view.image, candidate),
        colour_share=int(coloured.sum()) / int(candidate.area.sum()),
        novelty=novelty(levels),
        variety=variety(levels),
        over_surroundings=_over_surroundings(view.image[:, :, 2], candidate),
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
