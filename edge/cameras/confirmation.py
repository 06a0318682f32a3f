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


class FireState(StrEnum):
    """What a camera believes."""

    QUIET = "quiet"
    SUSPECTED = "suspected"
    CONFIRMED = "confirmed"


@dataclass(slots=True)
class _Track:
    """One place of the picture that looked like flame, and when."""

    region: Region
    first_s: float
    hits_s: deque[float] = field(default_factory=deque)


class Confirmation:
    """Confirms a fire when one place looks like flame in most frames of a window of time.

    Times decide, not frame counts: the place must have shown flame over `confirm_window_s`, in at least `confirm_share`
    of the frames analysed in that window, three at least. At most eight places are followed; the one seen longest ago
    gives way to a new one.
    """

    def __init__(self, settings: FireSettings) -> None:
        self._settings = settings
        self._tracks: list[_Track] = []
        self._analysed_s: deque[float] = deque()
        self._state = FireState.QUIET
        self._first_seen_s: float | None = None
        self._last_flame_s = 0.0

    @property
    def state(self) -> FireState:
        """The state after the last update."""
        return self._state

    @property
    def first_seen_time_s(self) -> float | None:
        """When the flame that is suspected or confirmed was first seen; None when quiet."""
        return self._first_seen_s

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
        if flames:
            self._last_flame_s = time_s
        self._decide(time_s)
        return self._state

    def _follow(self, flames: list[Region], time_s: float) -> None:
        for track in self._tracks:
            touching = [flame for flame in flames if _touch(track.region, flame)]
            if touching:
                track.region = touching[0]
                track.hits_s.append(time_s)
        known = [track.region for track in self._tracks]
        for flame in flames:
            if not any(_touch(region, flame) for region in known):
                self._tracks.append(_Track(flame, first_s=time_s, hits_s=deque([time_s])))

    def _forget(self, time_s: float) -> None:
        begin_s = time_s - self._settings.confirm_window_s
        while self._analysed_s and self._analysed_s[0] < begin_s:
            self._analysed_s.popleft()
        for track in self._tracks:
            while track.hits_s and track.hits_s[0] < begin_s:
                track.hits_s.popleft()
        alive = [track for track in self._tracks if track.hits_s]
        alive.sort(key=lambda track: track.hits_s[-1])
        self._tracks = alive[-_TRACKS_MAX:]

    def _decide(self, time_s: float) -> None:
        proven = [track for track in self._tracks if self._is_proven(track, time_s)]
        if self._state is FireState.CONFIRMED:
            if time_s - self._last_flame_s < self._settings.clear_after_s:
                return
        elif proven:
            self._state = FireState.CONFIRMED
            self._first_seen_s = min(track.first_s for track in proven)
            return
        suspected = min((track.first_s for track in self._tracks), default=None)
        self._first_seen_s = suspected
        self._state = FireState.QUIET if suspected is None else FireState.SUSPECTED

    def _is_proven(self, track: _Track, time_s: float) -> bool:
        lasted = time_s - track.first_s >= self._settings.confirm_window_s * self._settings.confirm_share
        enough = len(track.hits_s) >= max(_HITS_MIN, self._settings.confirm_share * len(self._analysed_s))
        return lasted and enough


def _touch(a: Region, b: Region) -> bool:
    across = a.x - _REACH <= b.x + b.w + _REACH and b.x - _REACH <= a.x + a.w + _REACH
    down = a.y - _REACH <= b.y + b.h + _REACH and b.y - _REACH <= a.y + a.h + _REACH
    return across and down
