"""Candidate regions: the connected parts of a picture that are worth a look, from weak evidence.

Which flicker in the colour of flame (`candidates`), which only have its colour and may be too small or too far away to
flicker (`coloured_candidates`), and which are burnt-out spots with a warm rim, as a small flame before a face or a wall
is (`core_candidates`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Region

CANDIDATES_MAX = 4
CANDIDATE_PX_MIN = 10
COLOURED_MAX = 6
COLOURED_PX_MIN = 4
CORES_MAX = 3
SPOTS_MAX = 6

_GROW = np.ones((3, 3), np.uint8)
_JOIN = np.ones((5, 5), np.uint8)
_CORE_RIM_PX = 2
_RIM = np.ones((2 * _CORE_RIM_PX + 1, 2 * _CORE_RIM_PX + 1), np.uint8)
_SAME_SHARE_MIN = 0.3
_ACTIVE_TURNS_MIN = 0.3
_TURNS_COUNTED_MAX = 3.0
_CORE_SHARE_MAX = 0.05
_CORE_FILL_MIN = 0.25
_CORE_SAME_MIN = 0.4


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A rectangle of the shrunk picture in pixels, the region's pixels within it, and those of them that flicker."""

    x: int
    y: int
    w: int
    h: int
    area: NDArray[np.bool_]
    flickering: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """The rectangle as indices of the picture's arrays."""
        return slice(self.y, self.y + self.h), slice(self.x, self.x + self.w)

    def region(self, shape: tuple[int, ...], score: float) -> Region:
        """The same rectangle as fractions of a picture of `shape` (height, width)."""
        height, width = shape[:2]
        return Region(self.x / width, self.y / height, self.w / width, self.h / height, score)


@dataclass(frozen=True, slots=True, eq=False)
class Spot:
    """A burnt-out spot of the shrunk picture: its rectangle, its middle and its size in pixels."""

    x: int
    y: int
    w: int
    h: int
    px: int
    middle_x: float
    middle_y: float
    pixels: NDArray[np.bool_]

    def within(self, candidate: Candidate) -> bool:
        """Whether its middle lies in the region's rectangle."""
        across = candidate.x <= self.middle_x < candidate.x + candidate.w
        return across and candidate.y <= self.middle_y < candidate.y + candidate.h


def candidates(flickering: NDArray[np.bool_], px_min: int = CANDIDATE_PX_MIN) -> list[Candidate]:
    """The largest connected regions of the mask, four at most; gaps of a few pixels do not part a region.

    Regions with fewer than `px_min` flickering pixels are left out. A picture with more than four keeps the largest.
    """
    joined = cv2.morphologyEx(cv2.dilate(flickering.view(np.uint8), _GROW), cv2.MORPH_CLOSE, _JOIN)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    found = []
    for label in (np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind="stable") + 1)[:CANDIDATES_MAX]:
        x, y, w, h = (int(v) for v in boxes[label][:4])
        window = slice(y, y + h), slice(x, x + w)
        area = labels[window] == label
        inner = area & flickering[window]
        if int(inner.sum()) >= px_min:
            found.append(Candidate(x, y, w, h, area, inner))
    return found


def coloured_candidates(
    coloured: NDArray[np.bool_], turns: NDArray[np.float32], known: Sequence[Candidate]
) -> list[Candidate]:
    """Connected regions of flame colour that `known` does not hold already, the liveliest first, six at most.

    `turns` says how lively each pixel is. As flickering count those that turned at all lately; where none did, all.
    """
    joined = cv2.morphologyEx(coloured.view(np.uint8), cv2.MORPH_CLOSE, _JOIN)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    if count <= 1:
        return []
    taken = np.zeros(count, np.int64)
    for one in known:
        taken += np.bincount(labels[one.window][one.area], minlength=count)
    liveliness = np.bincount(labels[coloured], weights=np.minimum(turns[coloured], _TURNS_COUNTED_MAX), minlength=count)
    sizes = boxes[:, cv2.CC_STAT_AREA]
    open_to = (sizes >= COLOURED_PX_MIN) & (taken < _SAME_SHARE_MIN * sizes)
    open_to[0] = False
    order = sorted(np.flatnonzero(open_to), key=lambda label: (-liveliness[label], -sizes[label]))
    return [
        _coloured(np.asarray(labels, np.int32), np.asarray(boxes[label], np.int32), int(label), coloured, turns)
        for label in order[:COLOURED_MAX]
    ]


def burnt_out_spots(core: NDArray[np.bool_]) -> list[Spot]:
    """The compact connected parts of the burnt-out pixels, six at most, the largest first.

    What fills more than a twentieth of the picture, or little of its own rectangle, is none.
    """
    _, labels, boxes, middles = cv2.connectedComponentsWithStats(core.view(np.uint8))
    found: list[Spot] = []
    for label in np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind="stable") + 1:
        x, y, w, h, size = (int(v) for v in boxes[label])
        if size < COLOURED_PX_MIN or len(found) == SPOTS_MAX:
            break
        if w * h <= _CORE_SHARE_MAX * core.size and size >= _CORE_FILL_MIN * w * h:
            pixels = labels[y : y + h, x : x + w] == label
            found.append(Spot(x, y, w, h, size, float(middles[label][0]), float(middles[label][1]), pixels))
    return found


def core_candidates(
    spots: Sequence[Spot], coloured: NDArray[np.bool_], turns: NDArray[np.float32], known: Sequence[Candidate]
) -> list[Candidate]:
    """Burnt-out spots with the warm pixels around them, three at most, in the same order.

    A spot that fills most of a region in `known` is none of its own.
    """
    found: list[Candidate] = []
    for spot in spots:
        if len(found) == CORES_MAX:
            break
        if any(_same(spot, one) for one in known):
            continue
        top, left = max(0, spot.y - _CORE_RIM_PX), max(0, spot.x - _CORE_RIM_PX)
        bottom = min(coloured.shape[0], spot.y + spot.h + _CORE_RIM_PX)
        right = min(coloured.shape[1], spot.x + spot.w + _CORE_RIM_PX)
        window = slice(top, bottom), slice(left, right)
        area = np.zeros((bottom - top, right - left), np.uint8)
        area[spot.y - top :, spot.x - left :][: spot.h, : spot.w] = spot.pixels
        area = (cv2.dilate(area, _RIM) > 0) & coloured[window]
        lively = area & (turns[window] > _ACTIVE_TURNS_MIN)
        if area.any():
            found.append(Candidate(left, top, right - left, bottom - top, area, lively if lively.any() else area))
    return found


def _same(spot: Spot, other: Candidate) -> bool:
    """Whether the rectangles of the spot and of the region are much the same: intersection over union."""
    across = min(spot.x + spot.w, other.x + other.w) - max(spot.x, other.x)
    down = min(spot.y + spot.h, other.y + other.h) - max(spot.y, other.y)
    both = max(0, across) * max(0, down)
    return both > _CORE_SAME_MIN * (spot.w * spot.h + other.w * other.h - both)


def _coloured(
    labels: NDArray[np.int32],
    box: NDArray[np.int32],
    label: int,
    coloured: NDArray[np.bool_],
    turns: NDArray[np.float32],
) -> Candidate:
    x, y, w, h = (int(v) for v in box[:4])
    window = slice(y, y + h), slice(x, x + w)
    area = (labels[window] == label) & coloured[window]
    lively = area & (turns[window] > _ACTIVE_TURNS_MIN)
    return Candidate(x, y, w, h, area, lively if lively.any() else area)
