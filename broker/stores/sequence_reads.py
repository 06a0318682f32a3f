"""What the ledger asks about a source: which numbers wait, which need not arrive; and how it settles a run of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Connection, and_, func, select, text
from sqlalchemy.sql import ColumnElement

from broker.stores import gap_rows
from broker.stores.gap_rows import Gap, NamedBy, Source, merged
from broker.stores.schema import arrivals, incident_events, sequence_gaps, sequences
from broker.stores.sequence_walk import Walk

IN_ORDER_MAX = 10_000
ROWS_PER_PAGE = 500
PAGES_PER_REVIEW_MAX = 20
NAMED_PER_SOURCE_MAX = 5000
NO_HORIZON = 2**63


# A reviewer that was faster has settled the same numbers or some of them: those up to `last_seq` did all arrive.
SETTLE = text(
    "UPDATE sequences SET settled_seq = :last_seq, updated_unix_ms = :updated_unix_ms WHERE market = :market"
    " AND device = :device AND epoch = :epoch AND settled_seq >= :settled_seq AND settled_seq < :last_seq"
)
FORGET = text(
    "DELETE FROM arrivals WHERE market = :market AND device = :device AND epoch = :epoch"
    " AND seq > :settled_seq AND seq <= :last_seq"
)


class Run(NamedTuple):
    """The numbers from `settled_seq` + 1 to `last_seq` of a source are all here; the newest came `updated_unix_ms`."""

    market: str
    device: str
    epoch: str
    settled_seq: int
    last_seq: int
    updated_unix_ms: int


@dataclass(frozen=True, slots=True)
class Named:
    """Ranges (first, last) that need not arrive: ascending, not meeting, all there are up to `horizon_seq`."""

    ranges: Sequence[tuple[int, int]]
    horizon_seq: int

    def count_between(self, first_seq: int, last_seq: int) -> int:
        """How many numbers from `first_seq` to `last_seq` they have."""
        return sum(max(0, min(last, last_seq) - max(first, first_seq) + 1) for first, last in self.ranges)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The arrivals above the settled number."""

    count: int
    highest_seq: int


def of_source(source: Source) -> ColumnElement[bool]:
    """The condition that an arrival is of `source`."""
    table = arrivals.c
    return and_(table.market == source.market, table.device == source.device, table.epoch == source.epoch)


def of_sequence() -> ColumnElement[bool]:
    """The condition that an arrival is of the row of `sequences` beside it."""
    return and_(
        arrivals.c.market == sequences.c.market,
        arrivals.c.device == sequences.c.device,
        arrivals.c.epoch == sequences.c.epoch,
    )


def in_order(connection: Connection) -> list[Run]:
    """For every source that has the number after its settled one: how far the numbers go on without a hole.

    At most `IN_ORDER_MAX` of them; what is left waits for the next review.
    """
    # Numbers without a hole differ from their place in the row by the same amount: the settled number.
    place = func.row_number().over(partition_by=sequences.primary_key.columns, order_by=arrivals.c.seq)
    reach = (arrivals.c.seq > sequences.c.settled_seq, arrivals.c.seq <= sequences.c.settled_seq + IN_ORDER_MAX)
    near = (
        select(
            *sequences.c,
            arrivals.c.seq,
            arrivals.c.arrived_unix_ms,
            (arrivals.c.seq - place).label("offset"),
        )
        .join_from(sequences, arrivals, and_(of_sequence(), *reach))
        .where(sequences.c.settled_seq >= 0)
        .subquery()
    )
    key = (near.c.market, near.c.device, near.c.epoch)
    query = (
        select(
            *key,
            near.c.settled_seq,
            func.max(near.c.seq),
            func.max(near.c.arrived_unix_ms),
            func.max(near.c.updated_unix_ms),
        )
        .where(near.c.offset == near.c.settled_seq)
        .group_by(*key, near.c.settled_seq)
        .order_by(*key)
    )
    return [
        Run(market, device, epoch, settled_seq, last_seq, max(arrived_unix_ms, updated_unix_ms))
        for market, device, epoch, settled_seq, last_seq, arrived_unix_ms, updated_unix_ms in connection.execute(query)
    ]


def pages(connection: Connection, source: Source, so_far: Walk) -> Iterator[Sequence[tuple[int, int]]]:
    """The arrivals after `so_far` as (seq, arrived_unix_ms), ascending, a page at a time while the walk takes them all.

    At most `PAGES_PER_REVIEW_MAX`: what is left waits for the next review.
    """
    for _ in range(PAGES_PER_REVIEW_MAX):
        query = (
            select(arrivals.c.seq, arrivals.c.arrived_unix_ms)
            .where(of_source(source), arrivals.c.seq > so_far.settled_seq)
            .order_by(arrivals.c.seq)
            .limit(ROWS_PER_PAGE)
        )
        page = connection.execute(query).all()
        if page:
            yield page
        if len(page) < ROWS_PER_PAGE or so_far.settled_seq < page[-1][0]:
            return


def named(connection: Connection, source: Source, settled_seq: int) -> Named:
    """What need not arrive above `settled_seq`: named by the device, or kept by alerts (stills come to it alone)."""
    gaps, events = sequence_gaps.c, incident_events.c
    by_device = (
        select(gaps.first_seq, gaps.last_seq)
        .where(gap_rows.of_source(source), gaps.named_by == NamedBy.DEVICE.value, gaps.last_seq > settled_seq)
        .order_by(gaps.first_seq)
        .limit(NAMED_PER_SOURCE_MAX)
    )
    by_alerts = (
        select(events.seq)
        .where(events.market == source.market, events.device == source.device, events.epoch == source.epoch)
        .where(events.seq > settled_seq)
        .order_by(events.seq)
        .limit(NAMED_PER_SOURCE_MAX)
    )
    ranges = list(connection.execute(by_device))
    seqs = list(connection.execute(by_alerts).scalars())
    horizon_seq = min(
        ranges[-1][0] if len(ranges) == NAMED_PER_SOURCE_MAX else NO_HORIZON,
        seqs[-1] if len(seqs) == NAMED_PER_SOURCE_MAX else NO_HORIZON,
    )
    return Named(merged([*ranges, *((seq, seq) for seq in seqs)]), horizon_seq)


def not_here(connection: Connection, gap: Gap) -> int:
    """How many numbers of the gap are above the settled one and have not come, neither to ingest nor to alerts."""
    source, events = gap.source, incident_events.c
    mine = and_(
        sequences.c.market == source.market, sequences.c.device == source.device, sequences.c.epoch == source.epoch
    )
    settled_seq = connection.execute(select(sequences.c.settled_seq).where(mine)).scalar() or 0
    first_seq = max(gap.first_seq, settled_seq + 1)
    if first_seq > gap.last_seq:
        return 0
    came = select(arrivals.c.seq).where(of_source(source), arrivals.c.seq.between(first_seq, gap.last_seq))
    kept = select(events.seq).where(
        events.market == source.market, events.device == source.device, events.epoch == source.epoch
    )
    here = came.union(kept.where(events.seq.between(first_seq, gap.last_seq))).subquery()
    count = connection.execute(select(func.count()).select_from(here)).scalar_one()
    return gap.last_seq - first_seq + 1 - int(count)


def waiting(connection: Connection, source: Source, settled_seq: int) -> Waiting:
    """How many arrivals wait above `settled_seq`, and the highest of them."""
    query = select(func.count(), func.max(arrivals.c.seq)).where(of_source(source), arrivals.c.seq > settled_seq)
    count, highest_seq = connection.execute(query).one()
    return Waiting(count, highest_seq or settled_seq)
