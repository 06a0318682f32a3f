"""Gap records in the making: which numbers an outbox has lost, as few ranges as can be said exactly.

A range is coalesced with another one only where no number lies between them, so that none inside it was delivered.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contract.telemetry import GapCause, GapReading
from transport.outbox_bodies import is_since_boot

RANGES_MAX = 500
BYTES_PER_RANGE = 4096  # how much outbox there must be for each open range
READINGS_PER_ROW = 40  # fits, with its envelope, under the 20 KB that the trial broker accepts
TIMES_KEPT_MAX = 256
NEAR_MS = 60_000


@dataclass(frozen=True, slots=True)
class GapRange:
    """An open gap: not yet a message. With `boot_id` its times are milliseconds since that boot.

    `first_seq` and `last_seq` are absent where readings never got a number, or too many ranges were open.
    """

    epoch: str
    first_seq: int | None
    last_seq: int | None
    from_unix_ms: int
    until_unix_ms: int
    batches_count: int
    readings_count: int
    cause: GapCause
    boot_id: str | None = None

    @classmethod
    def from_row(cls, row: Sequence[Any]) -> "GapRange":
        """The range in a row of columns named and ordered like the fields."""
        epoch, first_seq, last_seq, from_unix_ms, until_unix_ms, batches_count, readings_count, cause, boot_id = row
        counts = (batches_count, readings_count)
        return cls(epoch, first_seq, last_seq, from_unix_ms, until_unix_ms, *counts, GapCause(cause), boot_id)

    def settled(self, offset_ms: int) -> "GapRange":
        """The same with true times."""
        return replace(
            self,
            from_unix_ms=_true(self.from_unix_ms, offset_ms),
            until_unix_ms=_true(self.until_unix_ms, offset_ms),
            boot_id=None,
        )


@dataclass(frozen=True, slots=True)
class LedgerState:
    """What a ledger was, to go back to when a transaction fails."""

    ranges: dict[int, GapRange]
    unsaved: frozenset[int]
    next_id: int


class GapLedger:
    """The open ranges of one outbox, each under an id of its own. Not thread-safe.

    Bounded: over `ranges_max` the two oldest of one cause become one without numbers: counts and times stay true, and
    ingest, which sees that the numbers do not come, names them by itself.
    """

    def __init__(self, ranges_max: int = RANGES_MAX, ranges: Iterable[tuple[int, GapRange]] = ()) -> None:
        self._ranges_max = ranges_max
        self._ranges = dict(ranges)
        self._unsaved: set[int] = set()
        self._next_id = max(self._ranges, default=0) + 1

    @property
    def ranges(self) -> Sequence[GapRange]:
        """All open ranges, oldest first."""
        return tuple(self._ranges.values())

    @property
    def count(self) -> int:
        """How many ranges are open."""
        return len(self._ranges)

    def last_seq(self, epoch: str) -> int:
        """The highest number of `epoch` that is in an open range, 0 if there is none."""
        return max((one.last_seq or 0 for one in self._ranges.values() if one.epoch == epoch), default=0)

    def state(self) -> LedgerState:
        """Everything, to come back to."""
        return LedgerState(dict(self._ranges), frozenset(self._unsaved), self._next_id)

    def restore(self, state: LedgerState) -> None:
        """Be again what `state` says."""
        self._ranges, self._unsaved, self._next_id = dict(state.ranges), set(state.unsaved), state.next_id

    def unsaved(self) -> Iterator[tuple[int, GapRange | None]]:
        """What a file does not have yet: ids with their range now, or `None` where there is none any more."""
        for gap_id in sorted(self._unsaved):
            yield gap_id, self._ranges.get(gap_id)

    @property
    def is_saved(self) -> bool:
        """Whether a file has everything."""
        return not self._unsaved

    def mark_saved(self) -> None:
        """The file has everything now."""
        self._unsaved.clear()

    def take_again(self, noted: Mapping[int, GapRange | None]) -> None:
        """Have what was unsaved when it was noted: ranges under their ids, `None` where there was none any more."""
        for gap_id, one in noted.items():
            if one is not None:
                self._put(gap_id, one)
            elif gap_id in self._ranges:
                self._drop(gap_id)
        self._next_id = max(self._next_id, max(noted, default=0) + 1)

    def add(self, lost: GapRange) -> None:
        """Take a loss, into the range that it continues if there is one."""
        neighbours = [gap_id for gap_id, one in reversed(self._ranges.items()) if _touch(one, lost)]
        for gap_id in neighbours:
            lost = _joined(self._ranges[gap_id], lost)
        gap_id = min(neighbours, default=self._next_id)
        self._next_id = max(self._next_id, gap_id + 1)
        self._put(gap_id, lost)
        for other in neighbours:
            if other != gap_id:
                self._drop(other)
        while len(self._ranges) > self._ranges_max:
            self._melt_oldest()

    def settle(self, boot_id: str, offset_ms: int) -> None:
        """Boot `boot_id` began at the true time `offset_ms`."""
        for gap_id, one in list(self._ranges.items()):
            if one.boot_id == boot_id:
                self._put(gap_id, one.settled(offset_ms))

    def settle_between(self, from_unix_ms: int, until_unix_ms: int, waiting_boot_id: str | None) -> None:
        """No boot but `waiting_boot_id` ever gets a time any more: what is known of them lies between these two."""
        for gap_id, one in list(self._ranges.items()):
            if one.boot_id not in {None, waiting_boot_id}:
                times = replace(one, from_unix_ms=from_unix_ms, until_unix_ms=until_unix_ms, boot_id=None)
                self._put(gap_id, times)

    def take_ready(self) -> Sequence[GapRange]:
        """Remove and return every range that has a true time."""
        ready = {gap_id: one for gap_id, one in self._ranges.items() if one.boot_id is None}
        for gap_id in ready:
            self._drop(gap_id)
        return tuple(ready.values())

    def _put(self, gap_id: int, one: GapRange) -> None:
        self._ranges[gap_id] = one
        self._unsaved.add(gap_id)

    def _drop(self, gap_id: int) -> None:
        del self._ranges[gap_id]
        self._unsaved.add(gap_id)

    def _melt_oldest(self) -> None:
        for alike in _LIKENESSES:
            first_with: dict[Hashable, int] = {}
            for gap_id, one in self._ranges.items():
                older = first_with.setdefault(alike(one), gap_id)
                if older != gap_id:
                    self._put(older, _melted(self._ranges[older], one))
                    self._drop(gap_id)
                    return


def ranges_max_for(bytes_max: int) -> int:
    """How many ranges an outbox of this size may hold open."""
    return max(8, min(RANGES_MAX, bytes_max // BYTES_PER_RANGE))


def gap_readings(ranges: Sequence[GapRange], device: str, times_used: Sequence[int]) -> list[GapReading]:
    """Ranges as readings, each at a millisecond of its own: two at one time would be one in the database.

    `times_used` are the times of the last `TIMES_KEPT_MAX` gap records of this device.
    """
    taken, found = set(times_used), []
    for one in ranges:
        time_unix_ms = one.from_unix_ms
        while time_unix_ms in taken:
            time_unix_ms += 1
        taken.add(time_unix_ms)
        reading = GapReading(
            time_unix_ms=time_unix_ms,
            device=device,
            gap_epoch=one.epoch,
            first_seq=one.first_seq,
            last_seq=one.last_seq,
            from_unix_ms=one.from_unix_ms,
            until_unix_ms=one.until_unix_ms,
            batches_count=one.batches_count,
            readings_count=one.readings_count,
            cause=one.cause,
        )
        found.append(reading)
    return found


def _true(unix_ms: int, offset_ms: int) -> int:
    return max(0, unix_ms + offset_ms) if is_since_boot(unix_ms) else unix_ms


def _touch(one: GapRange, other: GapRange) -> bool:
    if _of_one_kind(one) != _of_one_kind(other):
        return False
    if one.first_seq is None or one.last_seq is None or other.first_seq is None or other.last_seq is None:
        numberless = one.first_seq is None and other.first_seq is None
        apart_ms = max(one.from_unix_ms, other.from_unix_ms) - min(one.until_unix_ms, other.until_unix_ms)
        return numberless and apart_ms <= NEAR_MS
    return one.last_seq + 1 == other.first_seq or other.last_seq + 1 == one.first_seq


def _joined(one: GapRange, other: GapRange) -> GapRange:
    joined = _melted(one, other)
    if one.first_seq is None or one.last_seq is None or other.first_seq is None or other.last_seq is None:
        return joined
    first_seq, last_seq = min(one.first_seq, other.first_seq), max(one.last_seq, other.last_seq)
    return replace(joined, first_seq=first_seq, last_seq=last_seq)


def _melted(one: GapRange, other: GapRange) -> GapRange:
    """Both as one range without numbers. Where only one has true times they are the times of both."""
    timed = [each for each in (one, other) if each.boot_id is None] or [one, other]
    return GapRange(
        epoch=other.epoch,
        first_seq=None,
        last_seq=None,
        from_unix_ms=min(each.from_unix_ms for each in timed),
        until_unix_ms=max(each.until_unix_ms for each in timed),
        batches_count=one.batches_count + other.batches_count,
        readings_count=one.readings_count + other.readings_count,
        cause=other.cause,
        boot_id=timed[-1].boot_id,
    )


def _of_one_kind(one: GapRange) -> Hashable:
    return one.epoch, one.cause, one.boot_id


_LIKENESSES: tuple[Callable[[GapRange], Hashable], ...] = (
    _of_one_kind,
    lambda one: (one.cause, one.boot_id),
    lambda one: one.boot_id is None,
    lambda _one: None,
)
"""Which two become one, tried in this order: only thousands of boots without a clock get past the second."""
