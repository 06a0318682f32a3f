"""Counting machines: what edges on two inputs add up to. Pure: time is handed in."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol


class Step(StrEnum):
    """What an edge completed."""

    NOTHING = "nothing"
    IN = "in"
    OUT = "out"


class CountMachine(Protocol):
    """Two inputs, 0 and 1, each active or not. Edges come in order of time."""

    def edge(self, which: int, now_s: float, *, active: bool) -> Step:
        """Input `which` became active or inactive."""
        ...

    def stuck(self, now_s: float) -> tuple[int, float] | None:
        """The input that has been active too long, and for how many seconds."""
        ...


@dataclass(slots=True)
class _Activity:
    """Since when each input is active."""

    since_s: list[float | None] = field(default_factory=lambda: [None, None])

    def change(self, which: int, active: bool, now_s: float) -> bool:
        """Note it; return whether it was news."""
        if active == (self.since_s[which] is not None):
            return False
        self.since_s[which] = now_s if active else None
        return True

    def stuck(self, now_s: float, after_s: float) -> tuple[int, float] | None:
        for which, since_s in enumerate(self.since_s):
            if since_s is not None and now_s - since_s >= after_s:
                return which, now_s - since_s
        return None


@dataclass(slots=True)
class LoopMachine:
    """A gate's two loops, input 0 in the entry and input 1 in the exit: each counts when it becomes active.

    A pulse within `gap_s_min` of the last one's end is the same vehicle (axles, a trailer, a bouncing relay).
    """

    gap_s_min: float = 0.3
    stuck_after_s: float = 600.0
    _activity: _Activity = field(default_factory=_Activity)
    _ended_s: list[float | None] = field(default_factory=lambda: [None, None])

    def edge(self, which: int, now_s: float, *, active: bool) -> Step:
        """Count a vehicle at the beginning of its pulse."""
        if not self._activity.change(which, active, now_s):
            return Step.NOTHING
        if not active:
            self._ended_s[which] = now_s
            return Step.NOTHING
        ended_s = self._ended_s[which]
        if ended_s is not None and now_s - ended_s < self.gap_s_min:
            return Step.NOTHING
        return Step.OUT if which else Step.IN

    def stuck(self, now_s: float) -> tuple[int, float] | None:
        """A loop that has been active too long."""
        return self._activity.stuck(now_s, self.stuck_after_s)


@dataclass(slots=True)
class BeamMachine:
    """Two beams across an entrance, input 0 outside and input 1 inside: who breaks both has crossed.

    The beam broken first and the beam cleared last say the way. Whoever breaks one only, or turns round between them,
    is not counted. Between two breaks of one crossing at most `crossing_s_max` may pass. A beam broken for
    `stuck_after_s` is blocked, and what was under way is forgotten. Two people side by side count as one.
    """

    crossing_s_max: float = 2.0
    stuck_after_s: float = 30.0
    _activity: _Activity = field(default_factory=_Activity)
    _first: int | None = None
    _touched: set[int] = field(default_factory=set)
    _last_s: float = 0.0
    _lone: int | None = None  # the one beam that was broken and cleared while the other stayed clear

    def edge(self, which: int, now_s: float, *, active: bool) -> Step:
        """Follow a crossing; count it when both beams are clear again."""
        if not self._activity.change(which, active, now_s):
            return Step.NOTHING
        if self._is_over(which, active, now_s):
            self._forget()
        self._last_s = now_s
        if active:
            if self._first is None:
                self._first = which
            elif which == self._lone and self._is_broken(1 - which):
                # Somebody touched this beam and turned back; who breaks it now comes from the other side.
                self._first = 1 - which
            self._touched.add(which)
            return Step.NOTHING
        return self._end(which)

    def stuck(self, now_s: float) -> tuple[int, float] | None:
        """A beam that has been broken too long."""
        found = self._activity.stuck(now_s, self.stuck_after_s)
        if found is not None:
            self._forget()
        return found

    def _is_over(self, which: int, active: bool, now_s: float) -> bool:
        """Whether what came before this edge is no part of the same crossing."""
        others_clear = all(since is None for one, since in enumerate(self._activity.since_s) if one != which)
        return active and others_clear and now_s - self._last_s > self.crossing_s_max

    def _end(self, last: int) -> Step:
        if any(since is not None for since in self._activity.since_s):
            return Step.NOTHING
        if self._first is None or len(self._touched) == 1:
            self._lone = last
            return Step.NOTHING  # one beam only: the other may follow within `crossing_s_max`
        first = self._first
        self._forget()
        if first == last:
            return Step.NOTHING
        return Step.IN if first == 0 else Step.OUT

    def _is_broken(self, which: int) -> bool:
        return self._activity.since_s[which] is not None

    def _forget(self) -> None:
        self._first = None
        self._lone = None
        self._touched.clear()
