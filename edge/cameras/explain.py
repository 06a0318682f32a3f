"""Why a fire was confirmed: the evidence, the score's history and three pictures. All of it bounded."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

from edge.cameras.picture import shrink
from edge.cameras.ports import Picture, Region, Strength

STILL_SIDE_PX = 320
HISTORY_S = 10.0
_PICTURE_EVERY_S = 0.5
_PICTURES_MAX = 16
_HISTORY_MAX = 160
_BEFORE_S = 1.0


class Moment(StrEnum):
    """Which moment of a fire a still shows."""

    BEFORE = "before"
    FIRST = "first"
    NOW = "now"


@dataclass(frozen=True, slots=True, eq=False)
class MomentStill:
    """A picture of at most 320 pixels and where the flame is in it (before it burns: where it will be).

    `age_s` is how long before the decision it was taken.
    """

    moment: Moment
    image: Picture
    region: Region
    age_s: float


@dataclass(frozen=True, slots=True)
class PastScore:
    """The best score of an analysed frame, `age_s` before the decision."""

    age_s: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class AlarmReasons:
    """What a decision rests on. `signs` come strongest first.

    `history` has the scores of the last ten seconds, oldest first. `stills` are before, first and now; a fire that
    burns from the first picture on has no `before`.
    """

    region: Region
    signs: tuple[Strength, ...]
    history: tuple[PastScore, ...]
    stills: tuple[MomentStill, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    time_s: float
    image: Picture


@dataclass(slots=True)
class Memory:
    """What one camera remembers in case of a fire: small pictures twice a second, and scores.

    Sixteen pictures (eight seconds) of at most 320 pixels and 160 scores: 3.7 MB at 320 x 240. Older ones go. While a
    place is suspected, the picture before it and the first one of it are kept as long as the suspicion lasts.
    """

    _pictures: deque[_Kept] = field(default_factory=lambda: deque(maxlen=_PICTURES_MAX))
    _scores: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=_HISTORY_MAX))
    _since_s: float | None = None
    _before: _Kept | None = None
    _first: _Kept | None = None

    def take(self, image: Picture, time_s: float, score: float, suspected_since_s: float | None) -> None:
        """Remember an analysed frame and since when a flame is suspected in it; None while all is quiet."""
        self._scores.append((time_s, score))
        while time_s - self._scores[0][0] > HISTORY_S:
            self._scores.popleft()
        if not self._pictures or time_s - self._pictures[-1].time_s >= _PICTURE_EVERY_S:
            self._pictures.append(_Kept(time_s, _own(image)))
        if suspected_since_s is None:
            self._since_s = self._before = self._first = None
        elif self._since_s != suspected_since_s:
            self._suspect(suspected_since_s)

    def restart(self) -> None:
        """Begin anew: what was seen before is another scene, or another time."""
        self._pictures.clear()
        self._scores.clear()
        self._since_s = self._before = self._first = None

    def reasons(self, image: Picture, time_s: float, region: Region) -> AlarmReasons:
        """Why the place `region` of `image` is taken for a fire at `time_s`."""
        now = _Kept(time_s, _own(image))
        moments = ((Moment.BEFORE, self._before), (Moment.FIRST, self._first), (Moment.NOW, now))
        return AlarmReasons(
            region=region,
            signs=tuple(sorted(region.signs, key=lambda one: one.strength, reverse=True)),
            history=tuple(PastScore(max(0.0, time_s - then_s), score) for then_s, score in self._scores),
            stills=tuple(
                MomentStill(moment, kept.image, region, max(0.0, time_s - kept.time_s))
                for moment, kept in moments
                if kept is not None
            ),
        )

    def _suspect(self, since_s: float) -> None:
        """Keep the last picture a second before `since_s` (or the oldest before it) and the first one from then on."""
        self._since_s = since_s
        earlier = [kept for kept in self._pictures if kept.time_s < since_s]
        well_before = [kept for kept in earlier if kept.time_s <= since_s - _BEFORE_S]
        kept_before = well_before[-1:] or earlier[:1]
        self._before = kept_before[0] if kept_before else None
        self._first = next((kept for kept in self._pictures if kept.time_s >= since_s), self._pictures[-1])


def _own(image: Picture) -> Picture:
    """A small copy: a camera's driver may use the frame's memory again."""
    small = shrink(image, STILL_SIDE_PX)
    return np.array(small) if small is image else small
