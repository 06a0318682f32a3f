"""Means that are weighed by time: a value counts for as long as it was the newest one, and not for ever.

A sample's values hold until the series' next sample, at most `hold_ms`; a sample that lacks a field ends what the field
was before. The time for which nothing holds is not covered: it is in no mean, and `covered_s` says so.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

MS_PER_S = 1000.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A field over a piece of time in which it is known for a while.

    `mean` is weighed by time, `min` and `max` are of every value that held for a moment, `last` is the one that held
    last. `covered_s` is for how long any held, `samples_count` how many of the values were read in this bucket: a
    bucket may live of the value before it alone. Flags count as 1 and 0.
    """

    start_unix_ms: int
    covered_s: float
    samples_count: int
    mean: float
    min: float
    max: float
    last: float


class Tally:
    """A field's values in one bucket while they are gathered."""

    __slots__ = ("count", "held_ms", "last", "max", "min", "weighed")

    def __init__(self) -> None:
        self.weighed = 0.0
        self.held_ms = 0
        self.count = 0
        self.min = float("inf")
        self.max = float("-inf")
        self.last = 0.0

    def add(self, value: float, held_ms: int, *, begins: bool) -> None:
        """A value that held for `held_ms`; `begins` when it was read in this bucket."""
        self.weighed += value * held_ms
        self.held_ms += held_ms
        self.count += begins
        self.last = value
        if value < self.min:  # noqa: PLR1730 - a call of min costs more than all the rest here
            self.min = value
        if value > self.max:  # noqa: PLR1730 - the same
            self.max = value

    @property
    def mean(self) -> float:
        """Weighed by time; never outside `min` and `max`, whatever rounding does."""
        return min(max(self.weighed / self.held_ms, self.min), self.max)


def pieces(
    samples: Iterable[tuple[int, T]], from_unix_ms: int, until_unix_ms: int, step_ms: int, hold_ms: int
) -> Iterator[tuple[int, T, int, bool]]:
    """(bucket, sample, how many ms it holds in that bucket, whether it begins there) of one series' samples in order.

    Buckets are numbered from `from_unix_ms`. For the first ones to be right, `samples` begin `hold_ms` earlier.

    Raises:
        ValueError: a step or hold of less than a millisecond, or samples that are not in order.
    """
    if step_ms < 1 or hold_ms < 1:
        raise ValueError(f"step_ms {step_ms} and hold_ms {hold_ms} have to be at least 1")
    before: tuple[int, T] | None = None
    for time_unix_ms, sample in samples:
        if before is not None:
            if time_unix_ms <= before[0]:
                raise ValueError(f"the sample at {time_unix_ms} comes after the one at {before[0]}")
            end = min(time_unix_ms, before[0] + hold_ms, until_unix_ms)
            yield from _cut(before[0], before[1], end, from_unix_ms, step_ms)
        before = (time_unix_ms, sample)
    if before is not None:
        yield from _cut(before[0], before[1], min(before[0] + hold_ms, until_unix_ms), from_unix_ms, step_ms)


def _cut(begin: int, sample: T, end: int, from_unix_ms: int, step_ms: int) -> Iterator[tuple[int, T, int, bool]]:
    """What holds from `begin` to `end`, cut where buckets meet."""
    here = max(begin, from_unix_ms)
    while here < end:
        bucket = (here - from_unix_ms) // step_ms
        edge = min(end, from_unix_ms + (bucket + 1) * step_ms)
        yield bucket, sample, edge - here, here == begin
        here = edge


def buckets_of(
    values: Iterable[tuple[int, object]], from_unix_ms: int, until_unix_ms: int, step_ms: int, hold_ms: int
) -> tuple[Bucket, ...]:
    """The buckets of one field; a value that is no number or flag (`None`, a text) ends the one before it.

    A bucket in which nothing is known is left out.
    """
    tallies: dict[int, Tally] = {}
    for bucket, value, held_ms, begins in pieces(values, from_unix_ms, until_unix_ms, step_ms, hold_ms):
        if isinstance(value, int | float):
            tally = tallies.get(bucket)
            if tally is None:
                tally = tallies[bucket] = Tally()
            tally.add(float(value), held_ms, begins=begins)
    return tuple(_bucket(from_unix_ms + number * step_ms, tally) for number, tally in tallies.items())


def _bucket(start_unix_ms: int, tally: Tally) -> Bucket:
    return Bucket(
        start_unix_ms,
        tally.held_ms / MS_PER_S,
        tally.count,
        tally.mean,
        tally.min,
        tally.max,
        tally.last,
    )


def field_of(samples: Iterable[tuple[int, Mapping[str, object]]], field: str) -> Iterator[tuple[int, object]]:
    """One field of a series' samples: `None` where a sample lacks it."""
    for time_unix_ms, fields in samples:
        yield time_unix_ms, fields.get(field)
