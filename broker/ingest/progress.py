"""What ingest says of itself: counters, and whether it flows."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from broker.ingest.refusal import RefusalKind
from runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class ProgressReport:
    """Counters at one time. `held_because` is the sentence of the error that holds the current batch, or empty."""

    counters: dict[str, float]
    held_because: str


class Progress:
    """Counts since the start of the process; written by the consumer's thread, read by the reporter's."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._held_because = ""
        self._wrote_s: float | None = None
        self._lag_s: float | None = None
        names = ("messages_total", "readings_total", "dead_letters_total", "retries_total", "write_seconds_total")
        self._counters = dict.fromkeys((*names, *(kind.counter for kind in RefusalKind)), 0.0)

    def committed(self, messages: int, readings: int, refusals: Sequence[RefusalKind]) -> None:
        """A batch went through."""
        with self._lock:
            self._counters["messages_total"] += messages
            self._counters["readings_total"] += readings
            self._counters["dead_letters_total"] += len(refusals)
            for kind in refusals:
                self._counters[kind.counter] += 1

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
            if self._wrote_s is not None:
                counters["last_write_age_s"] = self._clock.monotonic_s() - self._wrote_s
            if self._lag_s is not None:
                counters["lag_s"] = self._lag_s
            return ProgressReport(counters, self._held_because)
