"""Burnt-out spots followed from picture to picture: what a flame that is carried does, wherever it goes.

A flame in a hand leaves every pixel before it can flicker there. In its own frame it still burns: it grows and shrinks
several times a second, while a lamp that is carried keeps its size or changes it slowly.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.cameras.candidates import Spot

MEMORY_S = 1.5
SPACING_S_MIN = 0.1
"""Sizes closer than this are passed over, so that a fast camera counts no more turns than a slow one."""

TURN_SHARE = 0.15
"""By how much a spot must shrink or grow again for it to count as a turn: more than noise at its edge does."""

_SPAN_S_MIN = 0.7
_HIDDEN_S_MAX = 0.4
_REACH_SIDES = 2.0
_TRACKS_MAX = 8
_MOMENTS_MAX = 16


@dataclass(frozen=True, slots=True)
class Carried:
    """What a spot did lately, in its own frame."""

    travel: float
    """How far it went to and fro: the larger side of the box around its way, over its own side."""
    breaths_per_s: float
    """How often its size turned from growing to shrinking or back."""


@dataclass(slots=True, eq=False)
class _Track:
    """Where a spot was and how large: seconds, x, y in pixels, pixels. The newest is last."""

    x: float
    y: float
    px: int
    last_s: float
    moments: deque[tuple[float, float, float, int]] = field(default_factory=lambda: deque(maxlen=_MOMENTS_MAX))

    def seen(self, spot: Spot, time_s: float) -> None:
        self.x, self.y, self.px, self.last_s = spot.middle_x, spot.middle_y, spot.px, time_s
        if self.moments and time_s - self.moments[-1][0] < SPACING_S_MIN:
            return
        self.moments.append((time_s, self.x, self.y, self.px))
        while time_s - self.moments[0][0] > MEMORY_S:
            self.moments.popleft()

    def carried(self) -> Carried:
        span_s = self.moments[-1][0] - self.moments[0][0]
        if span_s < _SPAN_S_MIN:
            return Carried(0.0, 0.0)
        _, xs, ys, sizes = zip(*self.moments, strict=True)
        side = math.sqrt(sorted(sizes)[len(sizes) // 2])
        return Carried(max(max(xs) - min(xs), max(ys) - min(ys)) / side, turns_of(sizes) / span_s)


class SpotsFollowed:
    """Follows eight spots at most; one that is not seen for 0.4 s is forgotten, as is the oldest of too many."""

    def __init__(self) -> None:
        self._tracks: list[_Track] = []

    def follow(self, spots: Sequence[Spot], time_s: float) -> list[Carried]:
        """What each spot did lately, in the same order; a spot belongs to the nearest earlier one within its reach."""
        free = [track for track in self._tracks if time_s - track.last_s <= _HIDDEN_S_MAX]
        near = sorted(
            (distance, index, track)
            for index, spot in enumerate(spots)
            for track, distance in enumerate(_distance(one, spot) for one in free)
            if distance <= 1.0
        )
        belongs: dict[int, _Track] = {}
        for _, index, track in near:
            if index not in belongs and free[track] not in belongs.values():
                belongs[index] = free[track]
        found = []
        for index, spot in enumerate(spots):
            one = belongs.get(index) or _Track(spot.middle_x, spot.middle_y, spot.px, time_s)
            one.seen(spot, time_s)
            found.append(one)
        self._tracks = ([track for track in free if track not in found] + found)[-_TRACKS_MAX:]
        return [one.carried() for one in found]


def turns_of(sizes: Sequence[int]) -> int:
    """How often a row of sizes turns, by `TURN_SHARE` at least, from growing to shrinking or back."""
    turns, extreme, climbing = 0, sizes[0], None
    for size in sizes[1:]:
        if climbing is None:
            if max(size, extreme) > (1.0 + TURN_SHARE) * min(size, extreme):
                climbing, extreme = size > extreme, size
        elif (size > extreme) is climbing:
            extreme = size
        elif max(size, extreme) > (1.0 + TURN_SHARE) * min(size, extreme):
            turns, climbing, extreme = turns + 1, not climbing, size
    return turns


def _distance(track: _Track, spot: Spot) -> float:
    """From one to the other in reaches: twice the side of the larger one."""
    reach = _REACH_SIDES * math.sqrt(max(track.px, spot.px))
    return math.hypot(spot.middle_x - track.x, spot.middle_y - track.y) / reach
