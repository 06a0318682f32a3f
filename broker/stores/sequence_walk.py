"""The decision behind the ledger, pure: how far a source's numbers are settled, and which of them are given up."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

BEYOND = (2**63, 2**63)


@dataclass(frozen=True, slots=True)
class Hole:
    """Numbers that are given up. They should have come between `from_unix_ms` and `until_unix_ms`."""

    first_seq: int
    last_seq: int
    from_unix_ms: int
    until_unix_ms: int


@dataclass(slots=True)
class Walk:
    """Where a walk ended: everything up to `settled_seq` arrived, is named, or is among `holes`.

    `runs` are the ranges of arrived numbers that were passed, `passed_count` of them; `updated_unix_ms` is when the
    newest of them came; `named_count` numbers did not arrive and are named elsewhere. `is_stopped`: at a hole.
    """

    settled_seq: int
    updated_unix_ms: int
    holes: list[Hole] = field(default_factory=list)
    runs: list[tuple[int, int]] = field(default_factory=list)
    named_count: int = 0
    passed_count: int = 0
    is_stopped: bool = False

    def passed(self, seq: int, arrived_unix_ms: int) -> None:
        """The next number is here."""
        if self.runs and self.runs[-1][1] == seq - 1:
            self.runs[-1] = (self.runs[-1][0], seq)
        else:
            self.runs.append((seq, seq))
        self.settled_seq = seq
        self.passed_count += 1
        self.updated_unix_ms = max(self.updated_unix_ms, arrived_unix_ms)

    def name(self, until_seq: int) -> None:
        """The next numbers up to `until_seq` are named elsewhere."""
        self.named_count += until_seq - self.settled_seq
        self.settled_seq = until_seq

    def give_up(self, until_seq: int, until_unix_ms: int) -> None:
        """The next numbers up to `until_seq` are missing for good, as far as anybody can tell."""
        from_unix_ms = min(self.updated_unix_ms, until_unix_ms)
        self.holes.append(Hole(self.settled_seq + 1, until_seq, from_unix_ms, until_unix_ms))
        self.settled_seq = until_seq


def walk(
    so_far: Walk,
    arrived: Iterable[tuple[int, int]],
    named: Sequence[tuple[int, int]],
    *,
    overdue_unix_ms: int,
    spare_count: int = 0,
) -> Walk:
    """Go on from `so_far` over the numbers that arrived, as far as nothing is open.

    Args:
        so_far: where the last walk ended; it is continued in place.
        arrived: (seq, arrived_unix_ms), ascending, all above `so_far.settled_seq`.
        named: ranges (first, last) that need not arrive: ascending, not meeting.
        overdue_unix_ms: a hole is given up if both the number after it and the newest before it came until then: a
            source that still fills its past from the front is not out of patience.
        spare_count: so many numbers are passed however young the holes before them are, because too many wait.
    """
    forced_until = so_far.passed_count + spare_count
    for seq, arrived_unix_ms in arrived:
        while so_far.settled_seq + 1 < seq:
            first, last = _first_from(named, so_far.settled_seq + 1)
            if first <= so_far.settled_seq + 1:
                so_far.name(min(last, seq - 1))
            elif max(so_far.updated_unix_ms, arrived_unix_ms) <= overdue_unix_ms or so_far.passed_count < forced_until:
                so_far.give_up(min(first, seq) - 1, arrived_unix_ms)
            else:
                so_far.is_stopped = True
                return so_far
        so_far.passed(seq, arrived_unix_ms)
    return so_far


def name_the_rest(so_far: Walk, named: Sequence[tuple[int, int]]) -> None:
    """After the last number that arrived: pass what is named right behind it."""
    while True:
        first, last = _first_from(named, so_far.settled_seq + 1)
        if first > so_far.settled_seq + 1:
            return
        so_far.name(last)


def _first_from(named: Sequence[tuple[int, int]], seq: int) -> tuple[int, int]:
    """The first named range that ends at `seq` or later; one beyond all numbers if there is none."""
    index = bisect_left(named, seq, key=lambda one: one[1])
    return named[index] if index < len(named) else BEYOND
