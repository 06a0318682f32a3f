"""What ingest says of itself: counters, and whether it flows."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from broker.ingest.refusal import RefusalKind
from broker.stores.dead_letters import DeadLetter
from runtime.clock import Clock

CLOCK_WARNING_EVERY_S = 600.0
DEVICES_WATCHED_MAX = 10_000

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """Counters at one time. `held_because` is the sentence of the error that holds the current batch, or empty."""

    counters: dict[str, float]
    held_because: str


@dataclass(slots=True)
class _WrongClock:
    readings_count: int = 0
    said_s: float | None = None


class Progress:
    """Counts since the start of the process; written by the consumer's thread, read by the reporter's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held_because = ""
        self._wrote_s: float | None = None
        self._lag_s: float | None = None
        self._begun_s: float | None = None
        self._clock_wrong: dict[tuple[str | None, str | None], _WrongClock] = {}
        names = (
            "messages_total",
            "readings_total",
            "dead_letters_total",
            "retries_total",
            "write_seconds_total",
            "replays_total",  # dead letters taken through the pipeline again
            "replays_refused_total",  # of those, refused again
        )
        self._counters = dict.fromkeys((*names, *(kind.counter for kind in RefusalKind)), 0.0)

    def begun(self) -> None:
        """The consumer's thread is at work on a batch."""
        self._begun_s = self._clock.monotonic_s()

    def ended(self) -> None:
        """It is not, whatever became of the batch."""
        self._begun_s = None

    def busy_s(self) -> float:
        """For how long the consumer's thread has been at one try of a batch; 0 when it waits for messages."""
        begun_s = self._begun_s
        return 0.0 if begun_s is None else self._clock.monotonic_s() - begun_s

    def committed(self, messages: int, readings: int, letters: Sequence[DeadLetter]) -> None:
        """A batch went through."""
        with self._lock:
            self._counters["messages_total"] += messages
            self._counters["readings_total"] += readings
            self._counters["dead_letters_total"] += len(letters)
            for letter in letters:
                kind = RefusalKind(letter.reason_kind)
                self._counters[kind.counter] += 1
                if kind is RefusalKind.CLOCK:
                    self._note_clock(letter)

    def _note_clock(self, letter: DeadLetter) -> None:
        """Count by device, and say it now and then; over `DEVICES_WATCHED_MAX` devices the first is forgotten."""
        device = (letter.market, letter.device)
        seen = self._clock_wrong.setdefault(device, _WrongClock())
        seen.readings_count += 1
        now_s = self._clock.monotonic_s()
        if seen.said_s is None or now_s - seen.said_s >= CLOCK_WARNING_EVERY_S:
            seen.said_s = now_s
            log.warning(
                "device.clock_wrong",
                market=letter.market,
                device=letter.device,
                readings_count=seen.readings_count,
                newest=letter.reason,
            )
        if len(self._clock_wrong) > DEVICES_WATCHED_MAX:
            del self._clock_wrong[next(iter(self._clock_wrong))]

    def replayed(self, *, refused: bool) -> None:
        """A dead letter was replayed, and perhaps refused again."""
        with self._lock:
            self._counters["replays_total"] += 1
            self._counters["replays_refused_total"] += refused

    def wrote(self, took_s: float, lag_s: float | None) -> None:
        """The store took a batch; `lag_s` is how old its newest live reading was then."""
        with self._lock:
            self._counters["write_seconds_total"] += took_s
            self._wrote_s = self._clock.monotonic_s()
            self._lag_s = lag_s if lag_s is not None else self._lag_s

    def held(self, because: str) -> None:
        """A batch could not be committed and will be tried again."""
        with self._lock:
            self._counters["retries_total"] += 1
            self._held_because = because

    def flowing(self) -> None:
        """A batch was committed: nothing is held."""
        with self._lock:
            self._held_because = ""

    def report(self) -> ProgressReport:
        """All counters; `last_write_age_s` and `lag_s` are absent until there was a write (of a live reading)."""
        with self._lock:
            counters = dict(self._counters)
            counters["clock_skew_readings_total"] = counters[RefusalKind.CLOCK.counter]
            counters["clock_skew_devices"] = float(len(self._clock_wrong))
            if self._wrote_s is not None:
                counters["last_write_age_s"] = self._clock.monotonic_s() - self._wrote_s
            if self._lag_s is not None:
                counters["lag_s"] = self._lag_s
            return ProgressReport(counters, self._held_because)
