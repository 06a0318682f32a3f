"""The ledger of delivery numbers: what arrived is settled in order, what is missing for long is named.

Any number of processes may review at once: every step is guarded by what it was decided on.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sqlalchemy import Connection, Engine, delete, exists, func, select, update
from sqlalchemy.exc import DBAPIError

from broker.stores import sequence_reads as reads
from broker.stores.database import as_retryable, transaction
from broker.stores.gap_rows import Gap, NamedBy, Source, add_gaps, correct, gap_of, mark_open, merged, refused_among
from broker.stores.schema import arrivals, sequence_gaps, sequences
from broker.stores.sequence_log import take_log
from broker.stores.sequence_walk import Walk, name_the_rest, walk
from contract.telemetry import GapCause
from runtime.clock import Clock

PATIENCE_S = 600.0
ARRIVALS_PER_SOURCE_MAX = 20_000
SOURCES_PER_READ = 50
ROWS_PER_TRANSACTION = 2500
SOURCES_LATE_MAX = 1000
DEVICE_GAPS_PER_REVIEW_MAX = 500

NOT_BEGUN = -1  # settled_seq of a source that sent before there was a ledger: it begins with what comes


@dataclass(slots=True)
class Review:
    """What a review found: numbers given up, filled after all, named by their devices, and still awaited."""

    given_up_count: int = 0
    filled_count: int = 0
    named_count: int = 0
    awaited_count: int = 0


@dataclass(frozen=True, slots=True)
class _Standing:
    """A source of which numbers have come that are not settled."""

    source: Source
    settled_seq: int
    updated_unix_ms: int


class Sequences:
    """Reviews the numbers that `Deliveries` keeps.

    A number is settled when it and all before it arrived, or are named: by a gap record of the device, by alerts, which
    alone keeps some events, or as a gap found here. A hole becomes a gap when nothing has moved in front of it for
    `patience_s`; at once, the oldest first, while a source has more than `arrivals_max` numbers waiting behind holes.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        *,
        patience_s: float = PATIENCE_S,
        arrivals_max: int = ARRIVALS_PER_SOURCE_MAX,
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._patience_ms = int(patience_s * 1000)
        self._arrivals_max = arrivals_max

    def review(self) -> Review:
        """Settle what can be settled; call every few seconds.

        Raises:
            StoreUnavailableError: what was done so far stays done; call again later.
        """
        found = Review()
        try:
            take_log(self._engine)
            self._begin_unwatched()
            self._take_late(found)
            self._apply_device_gaps(found)
            self._settle_in_order()
            standing = self._standing()
            for start in range(0, len(standing), SOURCES_PER_READ):
                self._settle(standing[start : start + SOURCES_PER_READ], found)
        except DBAPIError as error:
            raise as_retryable(error) from error
        return found

    def _begin_unwatched(self) -> None:
        """A source that sent before there was a ledger begins with the lowest number that has come since."""
        lowest = select(func.min(arrivals.c.seq)).where(reads.of_sequence()).scalar_subquery()
        where = (sequences.c.settled_seq == NOT_BEGUN, exists().where(reads.of_sequence()))
        with self._engine.connect() as connection:
            if connection.execute(select(sequences.c.epoch).where(*where).limit(1)).first() is None:
                return
        with transaction(self._engine) as connection:
            connection.execute(update(sequences).where(*where).values(settled_seq=lowest - 1))

    def _take_late(self, found: Review) -> None:
        """Numbers that came after they were settled: a resend changes nothing, one that was given up fills its gap."""
        late = exists().where(reads.of_sequence(), arrivals.c.seq <= sequences.c.settled_seq)
        query = select(sequences).where(late).order_by(*sequences.primary_key.columns).limit(SOURCES_LATE_MAX)
        with self._engine.connect() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            source, now = Source(row.market, row.device, row.epoch), self._clock.unix_ms()
            with transaction(self._engine) as connection:
                gone = delete(arrivals).where(reads.of_source(source), arrivals.c.seq <= row.settled_seq)
                seqs = sorted(connection.execute(gone.returning(arrivals.c.seq)).scalars())
                refused = refused_among(connection, source, seqs)
                filled = merged((seq, seq) for seq in seqs if seq not in refused)
                found.filled_count += mark_open(connection, source, filled, now)
                mark_open(connection, source, merged((seq, seq) for seq in refused), now, superseded=True)

    def _apply_device_gaps(self, found: Review) -> None:
        """What a device names itself is no longer ours to name: its own record says why.

        It may name what is here: rows that it dropped after it had sent them, and that the broker still had. Its record
        is corrected then.
        """
        table = sequence_gaps.c
        new = (table.is_due, table.named_by == NamedBy.DEVICE.value, table.missing_count.is_(None))
        query = select(sequence_gaps).where(*new)
        with self._engine.connect() as connection:
            gaps = [gap_of(row) for row in connection.execute(query.limit(DEVICE_GAPS_PER_REVIEW_MAX))]
        for gap in gaps:
            with transaction(self._engine) as connection:
                taken = [(gap.first_seq, gap.last_seq)]
                now = self._clock.unix_ms()
                given_up = mark_open(connection, gap.source, taken, now, superseded=True)
                found.named_count += given_up
                correct(connection, gap, given_up + reads.not_here(connection, gap), now)

    def _settle_in_order(self) -> None:
        """The usual case, in bulk: nothing is missing in front."""
        with self._engine.connect() as connection:
            in_order = reads.in_order(connection)
        for group in _small_groups(in_order):
            with transaction(self._engine) as connection:
                connection.execute(reads.SETTLE, [one._asdict() for one in group])
                connection.execute(reads.FORGET, [one._asdict() for one in group])

    def _standing(self) -> list[_Standing]:
        """The sources that have numbers above the settled one still: something is missing in front of them."""
        begun = exists().where(reads.of_sequence(), arrivals.c.seq > sequences.c.settled_seq)
        query = select(sequences).where(sequences.c.settled_seq != NOT_BEGUN, begun)
        with self._engine.connect() as connection:
            rows = connection.execute(query.order_by(*sequences.primary_key.columns)).all()
        return [
            _Standing(Source(row.market, row.device, row.epoch), row.settled_seq, row.updated_unix_ms) for row in rows
        ]

    def _settle(self, standing: Sequence[_Standing], found: Review) -> None:
        with self._engine.connect() as connection:
            walks = [(one, self._walk_over_holes(connection, one, found)) for one in standing]
        for one, walked in walks:
            if walked.settled_seq > one.settled_seq:
                with transaction(self._engine) as connection:
                    if _advance(connection, one, walked):
                        self._give_up(connection, one.source, walked, found)
                        found.named_count += walked.named_count

    def _walk_over_holes(self, connection: Connection, one: _Standing, found: Review) -> Walk:
        """Hold what is missing against what is named and against the patience."""
        source, so_far = one.source, Walk(one.settled_seq, one.updated_unix_ms)
        named = reads.named(connection, source, so_far.settled_seq)
        waiting = reads.waiting(connection, source, so_far.settled_seq)
        overdue_unix_ms = self._clock.unix_ms() - self._patience_ms
        spare = max(0, waiting.count - self._arrivals_max)
        for page in reads.pages(connection, source, so_far):
            within = takewhile(lambda row: row[0] <= named.horizon_seq, page)
            left = spare - so_far.passed_count
            walk(so_far, within, named.ranges, overdue_unix_ms=overdue_unix_ms, spare_count=left)
        name_the_rest(so_far, named.ranges)
        if so_far.settled_seq < waiting.highest_seq:
            here = waiting.count - so_far.passed_count
            elsewhere = named.count_between(so_far.settled_seq + 1, waiting.highest_seq)
            found.awaited_count += max(0, waiting.highest_seq - so_far.settled_seq - here - elsewhere)
        return so_far

    def _give_up(self, connection: Connection, source: Source, walked: Walk, found: Review) -> None:
        for hole in walked.holes:
            numbers = hole.last_seq - hole.first_seq + 1
            gap = Gap(
                source=source,
                named_by=NamedBy.LEDGER,
                first_seq=hole.first_seq,
                last_seq=hole.last_seq,
                cause=GapCause.NOT_ARRIVED.value,
                from_unix_ms=hole.from_unix_ms,
                until_unix_ms=hole.until_unix_ms,
                found_unix_ms=self._clock.unix_ms(),
                batches_count=numbers,
            )
            add_gaps(connection, [gap])
            found.given_up_count += numbers


def _advance(connection: Connection, one: _Standing, walked: Walk) -> bool:
    """Settle up to where the walk came and forget the arrivals that it passed; false if another was faster."""
    mine = (
        sequences.c.market == one.source.market,
        sequences.c.device == one.source.device,
        sequences.c.epoch == one.source.epoch,
        sequences.c.settled_seq == one.settled_seq,
    )
    new = {"settled_seq": walked.settled_seq, "updated_unix_ms": walked.updated_unix_ms}
    if connection.execute(update(sequences).where(*mine).values(**new)).rowcount == 0:
        return False
    for first, last in walked.runs:  # only what was seen: what arrives in a hole meanwhile has to be found as late
        connection.execute(delete(arrivals).where(reads.of_source(one.source), arrivals.c.seq.between(first, last)))
    return True


def _small_groups(moves: Sequence[reads.Run]) -> Iterator[list[reads.Run]]:
    """In groups that touch about `ROWS_PER_TRANSACTION` rows: alerts writes the same database."""
    group: list[reads.Run] = []
    rows = 0
    for one in moves:
        group.append(one)
        rows += one.last_seq - one.settled_seq
        if rows >= ROWS_PER_TRANSACTION:
            yield group
            group, rows = [], 0
    if group:
        yield group
