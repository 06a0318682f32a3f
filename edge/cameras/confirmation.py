"""Confirmation over time: one flickering frame is no fire. Pure functions of the injected time."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from edge.cameras.ports import Detection, Region
from edge.cameras.settings import FireSettings

_HITS_MIN = 3
_TRACKS_MAX = 8
_REACH = 0.03
"""Two regions belong together when their rectangles, grown by this share of the picture on each side, overlap."""

_SURE_SCORE = 0.9
_SURE_WINDOW_SHARE = 0.5
_STEPS = 4
_HOLD_SHARE = 0.6
"""A confirmed fire holds while anything reaches this share of `score_min`: it is easier to stay than to be raised."""


class FireState(StrEnum):
    """What a camera believes."""

    QUIET = "quiet"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"


@dataclass(frozen=True, slots=True)
class Step:
    """One way to be proven: `score_min` in most of the frames of `window_s`."""

    window_s: float
    score_min: float


def steps_of(settings: FireSettings) -> tuple[Step, ...]:
    """From the shortest window, for which a place must be sure, to the whole one, for which `score_min` is enough."""
    sure = max(_SURE_SCORE, settings.score_min)
    shares = [index / (_STEPS - 1) for index in range(_STEPS)]
    return tuple(
        Step(
            window_s=settings.confirm_window_s * (_SURE_WINDOW_SHARE + (1.0 - _SURE_WINDOW_SHARE) * share),
            score_min=sure + (settings.score_min - sure) * share,
        )
        for share in shares
    )


def plain_step(settings: FireSettings) -> tuple[Step, ...]:
    """The whole window alone, however sure a place is: what the first detector used."""
    return (Step(settings.confirm_window_s, settings.score_min),)


@dataclass(slots=True)
class _Track:
    """One place of the picture that looked like flame, and when."""

    region: Region
    first_s: float
    hits: deque[tuple[float, float]] = field(default_factory=deque)


class Confirmation:
    """Confirms a fire when one place looks like flame in most frames of a window of time.

    Times decide, not frame counts: the place must have shown flame over `confirm_window_s`, in at least `confirm_share`
    of the frames analysed in that window, three at least. The surer it is, the shorter the window: a higher score never
    delays. At most eight places are followed; the one seen longest ago gives way to a new one.
    """

    def __init__(self, settings: FireSettings, steps: tuple[Step, ...] | None = None) -> None:
        self._settings = settings
        self._steps = steps_of(settings) if steps is None else steps
        self._tracks: list[_Track] = []
        self._analysed_s: deque[float] = deque()
        self._state = FireState.QUIET
        self._first_seen_s: float | None = None
        self._region: Region | None = None
        self._last_flame_s = 0.0

    @property
    def state(self) -> FireState:
        """The state after the last update."""
        return self._state

    @property
    def first_seen_time_s(self) -> float | None:
        """When the flame that is suspected or confirmed was first seen; None when quiet."""
        return self._first_seen_s

    @property
    def region(self) -> Region | None:
        """Where the fire was confirmed; None until one is."""
        return self._region if self._state is FireState.CONFIRMED else None

    def restart(self, time_s: float) -> None:
        """Go on after a jump of media time to `time_s`: suspicions end, a confirmed fire stays until it clears."""
        self._tracks.clear()
        self._analysed_s.clear()
        self._last_flame_s = time_s

    def update(self, detection: Detection, time_s: float) -> FireState:
        """Take what was detected at `time_s` (not before the last update's) and say what to believe."""
        flames = [region for region in detection.regions if region.score >= self._settings.score_min]
        self._analysed_s.append(time_s)
        self._follow(flames, time_s)
        self._forget(time_s)
        if any(region.score >= _HOLD_SHARE * self._settings.score_min for region in detection.regions):
            self._last_flame_s = time_s
        self._decide(time_s)
        return self._state

    def _follow(self, flames: list[Region], time_s: float) -> None:
        for track in self._tracks:
            touching = [flame for flame in flames if _touch(track.region, flame)]
            if touching:
                best = max(touching, key=lambda flame: flame.score)
                track.region = best
                track.hits.append((time_s, best.score))
        known = [track.region for track in self._tracks]
        for flame in flames:
            if not any(_touch(region, flame) for region in known):
                self._tracks.append(_Track(flame, first_s=time_s, hits=deque([(time_s, flame.score)])))

    def _forget(self, time_s: float) -> None:
        begin_s = time_s - self._settings.confirm_window_s
        while self._analysed_s and self._analysed_s[0] < begin_s:
            self._analysed_s.popleft()
        for track in self._tracks:
            while track.hits and track.hits[0][0] < begin_s:
                track.hits.popleft()
        alive = [track for track in self._tracks if track.hits]
        alive.sort(key=lambda track: track.hits[-1][0])
        self._tracks = alive[-_TRACKS_MAX:]

    def _decide(self, time_s: float) -> None:
        if self._state is FireState.CONFIRMED:
            if time_s - self._last_flame_s < self._settings.clear_after_s:
                return
        else:
            proven = [
                track for track in self._tracks if any(self._is_proven(track, step, time_s) for step in self._steps)
            ]
            if proven:
                self._state = FireState.CONFIRMED
                self._first_seen_s = min(track.first_s for track in proven)
                self._region = max(proven, key=lambda track: track.hits[-1][1]).region
                return
        suspected = min((track.first_s for track in self._tracks), default=None)
        self._first_seen_s = suspected
        self._state = FireState.QUIET if suspected is None else FireState.SUSPECTED

    def _is_proven(self, track: _Track, step: Step, time_s: float) -> bool:
        begin_s, share = time_s - step.window_s, self._settings.confirm_share
        hits_s = [hit_s for hit_s, score in track.hits if score >= step.score_min and hit_s >= begin_s]
        analysed = sum(analysed_s >= begin_s for analysed_s in self._analysed_s)
        if len(hits_s) < max(_HITS_MIN, share * analysed):
            return False
        return time_s - hits_s[0] >= step.window_s * share


def _touch(a: Region, b: Region) -> bool:
    across = a.x - _REACH <= b.x + b.w + _REACH and b.x - _REACH <= a.x + a.w + _REACH
    down = a.y - _REACH <= b.y + b.h + _REACH and b.y - _REACH <= a.y + a.h + _REACH
    return across and down
