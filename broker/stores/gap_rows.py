"""The rows behind gap records: ranges of numbers that are missing, and who named them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, and_, func, select, update

from broker.stores.schema import sequence_gaps as table

KEYS_PER_QUERY_MAX = 500
PROBE_MS = 64


class Source(NamedTuple):
    """Whose numbers: they count from 1 within an epoch of a device."""

    market: str
    device: str
    epoch: str


class NamedBy(StrEnum):
    """Who named a range."""

    DEVICE = "device"  # in a gap record of its own, which ingest stored like every reading
    LEDGER = "ledger"  # nobody did: later numbers came, these did not
    REFUSAL = "refusal"  # it arrived, and lies in the dead letter, whole or in part


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers `first_seq` to `last_seq` of a source that are missing.

    `time_unix_ms` is the gap record's time in the series store; no two of ours about one device share it.
    `from_unix_ms` to `until_unix_ms` is when the numbers should have come, by the central clock. `missing_count` is for
    a device's own record of which numbers are here all the same: how many are not.
    """

    source: Source
    named_by: NamedBy
    first_seq: int
    last_seq: int
    cause: str
    from_unix_ms: int
    until_unix_ms: int
    found_unix_ms: int
    batches_count: int = 0
    readings_count: int = 0
    time_unix_ms: int = 0
    filled_unix_ms: int | None = None
    superseded_unix_ms: int | None = None
    missing_count: int | None = None
    is_due: bool = True


class Piece(NamedTuple):
    """A part of a range; `is_taken` if it lies in one of the ranges that the whole was split by."""

    first_seq: int
    last_seq: int
    is_taken: bool


def split(first_seq: int, last_seq: int, taken: Sequence[tuple[int, int]]) -> Iterator[Piece]:
    """Cut `first_seq` to `last_seq` at the edges of the ranges `taken` (first, last), which ascend and do not meet."""
    at = first_seq
    for first, last in taken:
        first, last = max(first, at), min(last, last_seq)  # noqa: PLW2901 - the part of it that lies inside
        if first > last:
            continue
        if at < first:
            yield Piece(at, first - 1, is_taken=False)
        yield Piece(first, last, is_taken=True)
        at = last + 1
    if at <= last_seq:
        yield Piece(at, last_seq, is_taken=False)


def merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges (first, last) in any order, overlapping or not, as ascending ones that do not meet."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return found


def of_source(source: Source) -> ColumnElement[bool]:
    """The condition that a row of `sequence_gaps` belongs to `source`."""
    return and_(table.c.market == source.market, table.c.device == source.device, table.c.epoch == source.epoch)


def add_gaps(connection: Connection, gaps: Sequence[Gap]) -> int:
    """Insert gaps of one source and one `named_by` that share `from_unix_ms`; those that are there already are left.

    Each of ours gets a record time that no other record of the device has, the first from `from_unix_ms` on that are
    free; a device's record is in the series store already. Returns how many were new.
    """
    if not gaps:
        return 0
    source, is_ours = gaps[0].source, gaps[0].named_by is not NamedBy.DEVICE
    held: set[int] = set()
    for start in range(0, len(gaps), KEYS_PER_QUERY_MAX):
        seqs = [gap.first_seq for gap in gaps[start : start + KEYS_PER_QUERY_MAX]]
        here = (of_source(source), table.c.named_by == gaps[0].named_by.value, table.c.first_seq.in_(seqs))
        held.update(connection.execute(select(table.c.first_seq).where(*here)).scalars())
    new = [gap for gap in gaps if gap.first_seq not in held]
    if new:
        if is_ours:
            first_unix_ms = _free_times(connection, source, gaps[0].from_unix_ms, len(new))
            new = [replace(gap, time_unix_ms=first_unix_ms + index) for index, gap in enumerate(new)]
        connection.execute(table.insert(), [_row(gap) for gap in new])
    return len(new)


def _free_times(connection: Connection, source: Source, from_unix_ms: int, count: int) -> int:
    """Where `count` milliseconds in a row begin that no record of the device has."""
    at, width = from_unix_ms, count
    while True:
        query = select(func.max(table.c.time_unix_ms)).where(
            table.c.market == source.market,
            table.c.device == source.device,
            table.c.time_unix_ms >= at,
            table.c.time_unix_ms < at + width,
        )
        newest = connection.execute(query).scalar_one()
        if newest is None:
            return at
        at, width = newest + 1, max(count, PROBE_MS)


def mark(
    connection: Connection, gap: Gap, taken: Sequence[tuple[int, int]], now_unix_ms: int, *, superseded: bool = False
) -> int:
    """Say that the ranges `taken` of an open gap are filled (or `superseded`); returns how many numbers that were.

    What stays missing is cut to its exact ranges, so that no record ever names a number that is stored: the first
    piece keeps the record, the others become records of their own.
    """
    pieces = list(split(gap.first_seq, gap.last_seq, taken))
    marked = [
        replace(
            gap,
            first_seq=piece.first_seq,
            last_seq=piece.last_seq,
            batches_count=gap.batches_count if len(pieces) == 1 else piece.last_seq - piece.first_seq + 1,
            filled_unix_ms=now_unix_ms if piece.is_taken and not superseded else None,
            superseded_unix_ms=now_unix_ms if piece.is_taken and superseded else None,
            is_due=True,
        )
        for piece in pieces
    ]
    connection.execute(update(table).where(_is(gap)).values(**_row(marked[0])))
    add_gaps(connection, marked[1:])
    return sum(piece.last_seq - piece.first_seq + 1 for piece in pieces if piece.is_taken)


def mark_open(
    connection: Connection,
    source: Source,
    taken: Sequence[tuple[int, int]],
    now_unix_ms: int,
    *,
    superseded: bool = False,
) -> int:
    """Mark the ranges `taken`, which ascend, in the gaps that the ledger has open; how many of their numbers it was."""
    if not taken:
        return 0
    query = (
        select(table)
        .where(of_source(source), table.c.named_by == NamedBy.LEDGER.value)
        .where(table.c.filled_unix_ms.is_(None), table.c.superseded_unix_ms.is_(None))
        .where(table.c.first_seq <= taken[-1][1], table.c.last_seq >= taken[0][0])
        .with_for_update()
    )
    numbers = 0
    for gap in [gap_of(row) for row in connection.execute(query)]:
        inside = [(first, last) for first, last in taken if first <= gap.last_seq and last >= gap.first_seq]
        if inside:
            numbers += mark(connection, gap, inside, now_unix_ms, superseded=superseded)
    return numbers


def correct(connection: Connection, gap: Gap, missing_count: int, now_unix_ms: int) -> None:
    """A device's record has been taken note of; where some of its numbers are here, its record has to say so."""
    is_wrong = missing_count < gap.batches_count
    values = {
        "missing_count": missing_count if is_wrong else None,
        "filled_unix_ms": now_unix_ms if missing_count == 0 else None,
        "is_due": is_wrong,
    }
    connection.execute(update(table).where(_is(gap)).values(**values))


def refused_among(connection: Connection, source: Source, seqs: Sequence[int]) -> frozenset[int]:
    """Those of the numbers that have a record of their own because they were refused."""
    found: set[int] = set()
    for start in range(0, len(seqs), KEYS_PER_QUERY_MAX):
        part = table.c.first_seq.in_(seqs[start : start + KEYS_PER_QUERY_MAX])
        query = select(table.c.first_seq).where(of_source(source), table.c.named_by == NamedBy.REFUSAL.value, part)
        found.update(connection.execute(query).scalars())
    return frozenset(found)


def gap_of(row: Row[tuple[object, ...]]) -> Gap:
    """A row as a gap."""
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row's columns
    return Gap(
        Source(found["market"], found["device"], found["epoch"]),
        NamedBy(found["named_by"]),
        **{name: found[name] for name in _PLAIN},
    )


_PLAIN = (
    "first_seq",
    "last_seq",
    "cause",
    "from_unix_ms",
    "until_unix_ms",
    "found_unix_ms",
    "batches_count",
    "readings_count",
    "time_unix_ms",
    "filled_unix_ms",
    "superseded_unix_ms",
    "missing_count",
    "is_due",
)


def _row(gap: Gap) -> dict[str, object]:
    names = {name: getattr(gap, name) for name in _PLAIN}
    return {**gap.source._asdict(), "named_by": gap.named_by.value, **names}


def _is(gap: Gap) -> ColumnElement[bool]:
    """The row of exactly this gap, as long as nobody has changed what it says."""
    return and_(
        of_source(gap.source),
        table.c.named_by == gap.named_by.value,
        table.c.first_seq == gap.first_seq,
        table.c.last_seq == gap.last_seq,
        table.c.filled_unix_ms.is_not_distinct_from(gap.filled_unix_ms),
        table.c.superseded_unix_ms.is_not_distinct_from(gap.superseded_unix_ms),
    )


def settle_due(connection: Connection, gap: Gap) -> None:
    """Say that `gap`, as it was read, has been acted on; a change that came meanwhile stays due."""
    connection.execute(update(table).where(_is(gap)).values(is_due=False))
