"""A parking bay's state from its echoes: median, hysteresis, debounce, and honest faults. Pure: time is handed in."""

from collections import deque
from dataclasses import dataclass, field
from statistics import median

from contract.telemetry import BayState, Reason

FROZEN_COUNT_MIN = 20  # fewer equal echoes can be chance: clocks tick in steps
CONFIDENCE_TRIES = 10


@dataclass(frozen=True, slots=True)
class Echo:
    """One ping's answer: its distance and the raw pulse length, or neither and what happened instead."""

    distance_mm: float | None
    pulse_s: float | None = None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class BayRules:
    """When a bay is what. Between the two distances it stays what it was."""

    occupied_below_mm: float = 1200.0
    free_above_mm: float = 1500.0
    distance_mm_min: float = 20.0
    distance_mm_max: float = 4500.0
    window: int = 3
    debounce_s: float = 1.0
    misses_max: int = 5
    frozen_after_s: float = 60.0


@dataclass(frozen=True, slots=True)
class BayView:
    """What is known of a bay now."""

    state: BayState
    since_unix_ms: int
    reason: Reason | None = None
    detail: str | None = None
    confidence: float = 0.0
    distance_mm: float | None = None


@dataclass(slots=True)
class BayTracker:
    """Feeds on echoes in order of time; `view` is what they add up to.

    A new state has to hold for `debounce_s`. After `misses_max` bad echoes in a row the bay is unknown: no echo, or an
    impossible distance, whichever there was more of. A pulse length that is equal to the last bit for
    `frozen_after_s` is frozen: a living sensor's echo jitters.
    """

    rules: BayRules
    started_unix_ms: int
    view: BayView = field(init=False)
    _window: deque[float] = field(init=False)
    _tries: deque[bool] = field(init=False)
    _missed: int = 0
    _impossible: int = 0
    _candidate: BayState | None = None
    _candidate_since_s: float = 0.0
    _candidate_since_unix_ms: int = 0
    _pulse_s: float | None = None
    _pulse_since_s: float = 0.0
    _pulse_count: int = 0

    def __post_init__(self) -> None:
        self._window = deque(maxlen=self.rules.window)
        self._tries = deque(maxlen=CONFIDENCE_TRIES)
        self.view = BayView(BayState.UNKNOWN, self.started_unix_ms, Reason.STARTING)

    @property
    def dead(self) -> bool:
        """Whether the sensor has stopped answering: it is then pinged rarely."""
        return self._missed + self._impossible >= self.rules.misses_max

    def update(self, echo: Echo, now_s: float, now_unix_ms: int) -> BayView:
        """Take one echo in; return what is known now."""
        distance_mm = echo.distance_mm
        good = distance_mm is not None and self.rules.distance_mm_min <= distance_mm <= self.rules.distance_mm_max
        self._tries.append(good)
        if distance_mm is None or not good:
            return self._bad(echo, now_unix_ms)
        self._missed = self._impossible = 0
        if self._is_frozen(echo, now_s):
            return self._lose(Reason.FROZEN, "the echo has not changed by a bit", now_unix_ms)
        self._window.append(distance_mm)
        return self._decide(now_s, now_unix_ms)

    def fail(self, detail: str, now_unix_ms: int) -> BayView:
        """The pins themselves do not work."""
        self._tries.clear()
        return self._lose(Reason.SENSOR_ERROR, detail, now_unix_ms)

    def _bad(self, echo: Echo, now_unix_ms: int) -> BayView:
        if echo.distance_mm is None:
            self._missed += 1
        else:
            self._impossible += 1
        if not self.dead:
            return self.view
        if self._impossible > self._missed:
            return self._lose(Reason.IMPOSSIBLE, f"measured {echo.distance_mm or 0:.0f} mm", now_unix_ms)
        return self._lose(Reason.NO_ECHO, echo.fault or None, now_unix_ms)

    def _is_frozen(self, echo: Echo, now_s: float) -> bool:
        if echo.pulse_s is None or echo.pulse_s != self._pulse_s:
            self._pulse_s, self._pulse_since_s, self._pulse_count = echo.pulse_s, now_s, 1
            return False
        self._pulse_count += 1
        return self._pulse_count >= FROZEN_COUNT_MIN and now_s - self._pulse_since_s >= self.rules.frozen_after_s

    def _decide(self, now_s: float, now_unix_ms: int) -> BayView:
        distance_mm = median(self._window)
        side = self._side(distance_mm)
        if side is self.view.state:
            self._candidate = None
            self.view = self._seen(side, self.view.since_unix_ms, distance_mm)
            return self.view
        if side is not self._candidate:
            self._candidate, self._candidate_since_s = side, now_s
            self._candidate_since_unix_ms = now_unix_ms
        if now_s - self._candidate_since_s >= self.rules.debounce_s:
            self._candidate = None
            self.view = self._seen(side, self._candidate_since_unix_ms, distance_mm)
        return self.view

    def _side(self, distance_mm: float) -> BayState:
        if distance_mm < self.rules.occupied_below_mm:
            return BayState.OCCUPIED
        if distance_mm > self.rules.free_above_mm:
            return BayState.FREE
        if self.view.state is not BayState.UNKNOWN:
            return self.view.state
        # Nothing was known before: the nearer threshold decides, and the confidence says how little that is.
        middle_mm = (self.rules.occupied_below_mm + self.rules.free_above_mm) / 2
        return BayState.OCCUPIED if distance_mm < middle_mm else BayState.FREE

    def _seen(self, state: BayState, since_unix_ms: int, distance_mm: float) -> BayView:
        answered = sum(self._tries) / len(self._tries)
        clear = not self.rules.occupied_below_mm <= distance_mm <= self.rules.free_above_mm
        confidence = round(answered * (1.0 if clear else 0.5), 2)
        return BayView(state, since_unix_ms, confidence=confidence, distance_mm=round(distance_mm, 1))

    def _lose(self, reason: Reason, detail: str | None, now_unix_ms: int) -> BayView:
        self._window.clear()
        self._candidate = None
        since_unix_ms = self.view.since_unix_ms if self.view.reason is reason else now_unix_ms
        self.view = BayView(BayState.UNKNOWN, since_unix_ms, reason, detail)
        return self.view
