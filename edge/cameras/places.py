"""The places of a scene that are worth a look: followed from frame to frame, and looked at by the network in turn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.cameras.network import Looks
from edge.cameras.ports import Region

PLACES_MAX = 16
_FORGET_S = 1.0
_SMOOTHING_S = 0.5
_REACH = 0.02
_RANK_S = 0.04


@dataclass(slots=True, eq=False)
class Place:
    """One place. `flame` and `smoke` are what the network saw there lately, smoothed; None before its first look."""

    region: Region
    first_s: float
    last_s: float
    looked_s: float = -math.inf
    flame: float | None = None
    smoke: float | None = None

    def looked(self, looks: Looks, time_s: float) -> None:
        """Take what the network saw there at `time_s`."""
        if self.flame is None or self.smoke is None:
            self.flame, self.smoke = looks.flame, looks.smoke
        else:
            share = 1.0 - math.exp(-(time_s - self.looked_s) / _SMOOTHING_S)
            self.flame += (looks.flame - self.flame) * share
            self.smoke += (looks.smoke - self.smoke) * share
        self.looked_s = time_s


@dataclass(slots=True, eq=False)
class Places:
    """Sixteen places at most; one that is not seen for a second is forgotten, as is the oldest of too many."""

    _places: list[Place] = field(default_factory=list)

    def follow(self, regions: Sequence[Region], time_s: float) -> list[Place]:
        """The place of each region, in the same order; a region that belongs to none yet begins one."""
        free = [place for place in self._places if time_s - place.last_s <= _FORGET_S]
        found: list[Place] = []
        for region in regions:
            best = max(free, key=lambda place: _overlap(place.region, region), default=None)
            if best is None or _overlap(best.region, region) <= 0.0:
                found.append(Place(region, first_s=time_s, last_s=time_s))
                continue
            free.remove(best)
            best.region, best.last_s = region, time_s
            found.append(best)
        self._places = (free + found)[-PLACES_MAX:]
        return found


def in_turn(places: Sequence[Place], time_s: float, count_max: int) -> list[Place]:
    """Which places to look at now: `places` come with the most urgent first, and every look grows old.

    A rank further down waits 0.04 s longer: the urgent ones are seen more often, and none waits for a second.
    """
    waits_s = [min(time_s - place.looked_s, 60.0) for place in places]
    order = sorted(range(len(places)), key=lambda rank: (_RANK_S * rank - waits_s[rank], rank))
    return [places[rank] for rank in order[:count_max]]


def _overlap(a: Region, b: Region) -> float:
    """Intersection over union of the rectangles, each grown by a fiftieth of the picture on every side."""
    across = min(a.x + a.w, b.x + b.w) - max(a.x, b.x) + 2 * _REACH
    down = min(a.y + a.h, b.y + b.h) - max(a.y, b.y) + 2 * _REACH
    if across <= 0.0 or down <= 0.0:
        return 0.0
    both = across * down
    return both / ((a.w + 2 * _REACH) * (a.h + 2 * _REACH) + (b.w + 2 * _REACH) * (b.h + 2 * _REACH) - both)
