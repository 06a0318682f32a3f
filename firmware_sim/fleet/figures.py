"""What a fleet counts: readings, lag, what was lost. Memory does not grow with time."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

_STEP = math.log(1.02)  # a bucket is 2 % wide: the error of a percentile
_BUCKETS = 900  # up to 15 hours
_MASK = (1 << 64) - 1


@dataclass(slots=True)
class Lags:
    """A histogram of delays in milliseconds, right to 2 %. `max_ms` is the longest, exactly."""

    counts: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    count: int = 0
    max_ms: float = 0.0

    def add(self, lag_ms: float, count: int = 1) -> None:
        """Note that `count` readings took `lag_ms`. A negative one, of clocks that differ, counts as none."""
        index = int(math.log1p(max(0.0, lag_ms)) / _STEP)
        self.counts[min(index, _BUCKETS - 1)] += count
        self.count += count
        self.max_ms = max(self.max_ms, lag_ms)

    def merge(self, other: "Lags") -> None:
        """Add another's counts."""
        self.counts = [one + two for one, two in zip(self.counts, other.counts, strict=True)]
        self.count += other.count
        self.max_ms = max(self.max_ms, other.max_ms)

    def percentile_ms(self, share: float) -> float | None:
        """The delay that `share` (0 to 1) of them did not exceed; `None` where there are none."""
        if self.count == 0:
            return None
        wanted, seen = share * self.count, 0
        for index, count in enumerate(self.counts):
            seen += count
            if count and seen >= wanted:
                return min(math.expm1((index + 1) * _STEP), self.max_ms)
        return self.max_ms


@dataclass(slots=True)
class Tally:
    """The times of a series, as three numbers that tell sets of times apart: count, sum, sum of squares (mod 2^64)."""

    count: int = 0
    total: int = 0
    squares: int = 0

    def add(self, unix_ms: int) -> None:
        """Note a time."""
        self.count += 1
        self.total = self.total + unix_ms & _MASK
        self.squares = self.squares + unix_ms * unix_ms & _MASK

    @classmethod
    def of(cls, times: Iterable[int]) -> "Tally":
        """The tally of some times."""
        tally = cls()
        for one in times:
            tally.add(one)
        return tally


@dataclass(slots=True)
class Counters:
    """What the fleet did so far. Readings, except where the name says otherwise."""

    made: int = 0
    sent: int = 0
    receipted: int = 0
    dropped: int = 0
    resent_batches: int = 0
    refused_batches: int = 0
    strange_receipts: int = 0
    connections: int = 0
    disconnections: int = 0
    rounds_missed: int = 0
    lags: Lags = field(default_factory=Lags)
    late: Lags = field(default_factory=Lags)
    """How late the generator itself was: if this is long, the machine was too busy to make the load."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is on its way: readings without a receipt, and the age of the oldest."""

    readings: int
    oldest_s: float
    connected: int
