"""The gap records that ingest writes: which of them the series store does not have yet, and how long they are kept."""

from collections.abc import Sequence

from sqlalchemy import Connection, Engine, and_, delete, exists, func, or_, select

from broker.stores.database import transaction
from broker.stores.gap_rows import Gap, NamedBy, gap_of, settle_due
from broker.stores.schema import arrivals, sequence_gaps, sequences
from broker.stores.sequence_reads import of_sequence

DUE_MAX = 500
KEPT_MS = 31 * 86_400_000  # a device keeps what it could not deliver for 30 days: what fills a gap comes before this
DEVICE_GAPS_KEPT_MS = 86_400_000
GAPS_KEPT_MAX = 200_000
EPOCHS_PER_DEVICE_MAX = 100


class GapRecords:
    """Reads and prunes the gaps. Several processes may write one record: it is the same record, over itself."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def due(self, limit: int = DUE_MAX) -> tuple[Gap, ...]:
        """Gaps that the series store does not have, or not as they are now: ours, and devices' that need correcting."""
        ours = sequence_gaps.c.named_by != NamedBy.DEVICE.value
        corrected = sequence_gaps.c.missing_count.is_not(None)
        query = select(sequence_gaps).where(sequence_gaps.c.is_due, or_(ours, corrected)).limit(limit)
        with self._engine.connect() as connection:
            return tuple(gap_of(row) for row in connection.execute(query))

    def written(self, gaps: Sequence[Gap]) -> None:
        """The series store has these as they were read; one that changed meanwhile stays due."""
        with transaction(self._engine) as connection:
            for gap in gaps:
                settle_due(connection, gap)

    def newest(self, limit: int = 100) -> tuple[Gap, ...]:
        """Our newest gaps by when they were found, newest first."""
        ours = sequence_gaps.c.named_by != NamedBy.DEVICE.value
        order = (sequence_gaps.c.found_unix_ms.desc(), sequence_gaps.c.first_seq.desc())
        with self._engine.connect() as connection:
            rows = connection.execute(select(sequence_gaps).where(ours).order_by(*order).limit(limit))
            return tuple(gap_of(row) for row in rows)

    def prune(self, now_unix_ms: int) -> None:
        """Forget what no number can fill any more; call every minute.

        Gaps go `KEPT_MS` after they were found, the oldest at once when there are more than `GAPS_KEPT_MAX`; what stays
        in the series store is not touched. Sources go when they have been silent for `KEPT_MS`, and a device keeps its
        `EPOCHS_PER_DEVICE_MAX` newest: one that invents epochs costs a bounded number of rows.
        """
        with transaction(self._engine) as connection:
            _prune_gaps(connection, now_unix_ms)
            _prune_sources(connection, now_unix_ms)


def _prune_gaps(connection: Connection, now_unix_ms: int) -> None:
    gaps, source = sequence_gaps.c, sequences.c
    is_settled = exists().where(
        source.market == gaps.market,
        source.device == gaps.device,
        source.epoch == gaps.epoch,
        source.settled_seq >= gaps.last_seq,
    )
    is_devices = gaps.named_by == NamedBy.DEVICE.value
    is_spent = and_(is_devices, gaps.found_unix_ms < now_unix_ms - DEVICE_GAPS_KEPT_MS, is_settled)
    is_old = or_(gaps.found_unix_ms < now_unix_ms - KEPT_MS, is_spent)
    connection.execute(delete(sequence_gaps).where(is_old, gaps.is_due.is_(False)))
    newest_first = select(gaps.found_unix_ms).order_by(gaps.found_unix_ms.desc())
    surplus_unix_ms = connection.execute(newest_first.offset(GAPS_KEPT_MAX).limit(1)).scalar()
    if surplus_unix_ms is not None:
        connection.execute(delete(sequence_gaps).where(gaps.found_unix_ms <= surplus_unix_ms))


def _prune_sources(connection: Connection, now_unix_ms: int) -> None:
    source = sequences.c
    is_waiting = exists().where(of_sequence())
    connection.execute(delete(sequences).where(source.updated_unix_ms < now_unix_ms - KEPT_MS, ~is_waiting))
    devices = select(source.market, source.device).group_by(source.market, source.device)
    for market, device in connection.execute(devices.having(func.count() > EPOCHS_PER_DEVICE_MAX)).all():
        here = (source.market == market, source.device == device)
        newest_first = select(source.updated_unix_ms).where(*here).order_by(source.updated_unix_ms.desc())
        kept_unix_ms = connection.execute(newest_first.offset(EPOCHS_PER_DEVICE_MAX - 1).limit(1)).scalar_one()
        surplus = select(source.epoch).where(*here, source.updated_unix_ms < kept_unix_ms)
        mine = (arrivals.c.market == market, arrivals.c.device == device)
        connection.execute(delete(arrivals).where(*mine, arrivals.c.epoch.in_(surplus)))
        connection.execute(delete(sequences).where(*here, source.updated_unix_ms < kept_unix_ms))
