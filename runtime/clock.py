"""Time, injected: the real clock, and one for tests and simulations that only moves when told."""

import time
from typing import Literal, Protocol


class Clock(Protocol):
    """Wall time for stamps, monotonic time for durations."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards; only differences mean anything."""
        ...


class KnownTime:
    """What a clock says of itself that is right from the start: the answers of a device's clock that was set.

    `edge.ports.Timekeeper` says what each means.
    """

    source: Literal["trusted"] = "trusted"
    boot_id: str | None = None
    skew_ms: int | None = None

    def settled(self, unix_ms: int) -> int:
        """Every time that it handed out was true already."""
        return unix_ms

    def from_wall(self, unix_ms: int) -> int:
        """It is the wall clock."""
        return unix_ms


class SystemClock(KnownTime):
    """The machine's clock."""

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Seconds from `time.monotonic`."""
        return time.monotonic()


class ManualClock(KnownTime):
    """A clock that stands still until `advance` moves it."""

    def __init__(self, unix_ms: int = 1_767_225_600_000, monotonic_s: float = 0.0) -> None:
        self._unix_ms = float(unix_ms)
        self._monotonic_s = monotonic_s

    def unix_ms(self) -> int:
        """Milliseconds since 1970-01-01T00:00:00Z."""
        return int(self._unix_ms)

    def monotonic_s(self) -> float:
        """Seconds since this clock was made, as far as `advance` moved it."""
        return self._monotonic_s

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass on both scales."""
        self._monotonic_s += seconds
        self._unix_ms += seconds * 1000.0

    def jump(self, seconds: float) -> None:
        """Set the wall clock ahead or back, as a time server does; durations do not notice."""
        self._unix_ms += seconds * 1000.0
