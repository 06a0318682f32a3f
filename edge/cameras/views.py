"""Whether a camera still looks where it looked: its view against stored reference pictures. Pure."""

from collections import deque
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.glance import GRID_COLUMNS, GRID_ROWS, Grey, by_cell, smaller

VIEW_SIDE_PX = 160
VIEWS_MAX = 4
LOOK_EVERY_S = 2.0
MEDIAN_OF = 5

Floats = NDArray[np.float32]
View = Literal["unknown", "same", "unsure", "shifted", "another"]
"""`unknown`: nothing to compare yet, or no reference. `unsure`: neither clearly the same nor clearly another."""

_SAME_SHARE_MIN = 0.6
_ALIKE_SHARE_MIN = 0.25
_ANOTHER_SHARE_MAX = 0.2
_SHIFTED_SHARE_MIN, _SHIFTED_GAIN_MIN = 0.45, 0.2
_SHIFT_SHARE_MIN = 0.03
_STILL_PX_MAX = 1.5
_CELL_ALIKE_MIN = 0.4
_CELL_EDGES_MIN = 1.0
_CELLS_MIN = 8
_NEIGHBOURHOOD_PX = 8.0
_EVEN_LEVELS = 2.0
_SMALLEST_PX = 24


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Direction and strength of edges relative to what is around them, so that light does not matter."""

    across: Floats
    down: Floats
    clear: NDArray[np.bool_]

    @property
    def strength(self) -> Floats:
        return np.asarray(np.hypot(self.across, self.down), np.float32)


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a view relates to a reference: share of the cells alike in place, the shift, and the share alike after it."""

    share: float
    shift_px: float
    shifted_share: float


def edges_of(grey: Grey) -> _Edges:
    """The edges of a small grey picture."""
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), 1.0)
    across, down = cv2.Sobel(smooth, cv2.CV_32F, 1, 0) / 8, cv2.Sobel(smooth, cv2.CV_32F, 0, 1) / 8
    strength = np.asarray(np.hypot(across, down), np.float32)
    around = cv2.GaussianBlur(strength, (0, 0), _NEIGHBOURHOOD_PX) + _EVEN_LEVELS
    clear = by_cell(strength) >= _CELL_EDGES_MIN
    return _Edges(np.asarray(across / around, np.float32), np.asarray(down / around, np.float32), clear)


def compare(reference: Grey, now: Grey) -> Comparison | None:
    """Compare two small pictures of one size; None when the reference, or the picture of now, has too few edges."""
    if reference.shape != now.shape or min(now.shape) < _SMALLEST_PX:
        return None
    before, after = edges_of(reference), edges_of(now)
    if int(before.clear.sum()) < _CELLS_MIN or int(after.clear.sum()) < _CELLS_MIN:
        return None
    share = _alike(before, after, np.ones(GRID_COLUMNS * GRID_ROWS, bool))
    x, y = _shift(before.strength, after.strength)
    return Comparison(share, float(np.hypot(x, y)), _alike_after(reference, after, x, y))


def _alike(before: _Edges, after: _Edges, within: NDArray[np.bool_]) -> float:
    """The share of the cells that had edges before whose edges agree in place and direction."""
    product = by_cell(before.across * after.across + before.down * after.down)
    size = by_cell(np.square(before.strength)) * by_cell(np.square(after.strength))
    alike = product / np.sqrt(size + 1e-9) >= _CELL_ALIKE_MIN
    counted = before.clear & within
    return float(alike[counted].mean()) if int(counted.sum()) >= _CELLS_MIN // 2 else 0.0


def _shift(before: Floats, after: Floats) -> tuple[float, float]:
    """By how many pixels `after` is moved, by phase correlation."""
    window = cv2.createHanningWindow((before.shape[1], before.shape[0]), cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(before - before.mean(), after - after.mean(), window)
    return float(x), float(y)


def _alike_after(reference: Grey, after: _Edges, x: float, y: float) -> float:
    height, width = reference.shape
    if abs(x) > width / 2 or abs(y) > height / 2:
        return 0.0
    matrix = np.array([[1.0, 0.0, x], [0.0, 1.0, y]], np.float32)
    moved = cv2.warpAffine(reference, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
    inside = cv2.warpAffine(np.ones((height, width), np.float32), matrix, (width, height))
    return _alike(edges_of(np.asarray(moved, np.uint8)), after, by_cell(np.asarray(inside, np.float32)) > 1.0 - 1e-3)


class ViewWatch:
    """Looks every `LOOK_EVERY_S` and compares the median of the last `MEDIAN_OF` looks, which has no passers-by in it.

    Without a reference the view of a scene that stayed the same for `accept_after_s` becomes one. While the camera
    certainly stands still, a view that the light has changed much joins the references, `VIEWS_MAX` in all; the first
    one stays, of the others the oldest goes. So day, night and a closed stall each come to have their own.
    """

    def __init__(self, references: tuple[Grey, ...] = (), *, accept_after_s: float = 300.0) -> None:
        self.references = references
        self._accept_after_s = accept_after_s
        self._looks: deque[Grey] = deque(maxlen=MEDIAN_OF)
        self._looked_s = -LOOK_EVERY_S
        self._candidate: Grey | None = None
        self._candidate_s = 0.0
        self._accepting = False
        self.state: View = "unknown"

    def take(self, grey: Grey, now_s: float, *, clear: bool) -> bool:
        """Take a glance's picture; whether `references` has changed. `clear` is whether it can be seen well at all."""
        if now_s - self._looked_s < LOOK_EVERY_S:
            return False
        self._looked_s = now_s
        look = smaller(grey, VIEW_SIDE_PX)
        if not clear or (self._looks and self._looks[-1].shape != look.shape):
            self._looks.clear()
            self._candidate = None
            if not clear:
                return False
        self._looks.append(look)
        if len(self._looks) < MEDIAN_OF:
            return False
        now = np.asarray(np.median(np.stack(self._looks), axis=0), np.uint8)
        if self._accepting:
            self._accepting, self.references, self.state = False, (now,), "same"
            return True
        found = [one for one in (compare(reference, now) for reference in self.references) if one is not None]
        self.state = _verdict(found, now.shape[1])
        return self._learn(now, found, now_s)

    def accept_next(self) -> None:
        """Take the view of the next looks for the only reference, as soon as there are enough."""
        self._looks.clear()
        self._accepting = True

    def _learn(self, now: Grey, found: list[Comparison], now_s: float) -> bool:
        best = max(found, key=lambda one: one.share, default=None)
        known = best is not None and (best.share >= _SAME_SHARE_MIN or not _stands(best))
        if known or (self.references and best is None):
            self._candidate = None
            return False
        steady = None if self._candidate is None else compare(self._candidate, now)
        if steady is None or steady.share < _SAME_SHARE_MIN or steady.shift_px > _STILL_PX_MAX:
            self._candidate, self._candidate_s = now, now_s
            return False
        if now_s - self._candidate_s < self._accept_after_s:
            return False
        kept = self.references[:1] + self.references[1:][-(VIEWS_MAX - 2) :]
        self.references = (*kept, now)
        self._candidate = None
        return True


def _stands(one: Comparison) -> bool:
    return one.share >= _ALIKE_SHARE_MIN and (one.shift_px <= _STILL_PX_MAX or one.shifted_share <= one.share)


def _verdict(found: list[Comparison], width_px: int) -> View:
    if not found:
        return "unknown"
    best = max(found, key=lambda one: one.share)
    if best.share >= _SAME_SHARE_MIN:
        return "same"
    moved = max(found, key=lambda one: one.shifted_share)
    if moved.shift_px >= _SHIFT_SHARE_MIN * width_px and moved.shifted_share >= max(
        _SHIFTED_SHARE_MIN, best.share + _SHIFTED_GAIN_MIN
    ):
        return "shifted"
    if best.share <= _ANOTHER_SHARE_MAX:
        return "another"
    return "same" if _stands(best) else "unsure"
