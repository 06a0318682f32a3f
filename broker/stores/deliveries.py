"""What a batch leaves in the central state once its readings are stored: all of it or nothing, in one transaction."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, select, update
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.dead_letters import DeadLetter, insert_letters
from broker.stores.gap_rows import Gap, NamedBy, Source, add_gaps, of_source
from broker.stores.schema import dead_letters, sequence_gaps

Arrival = tuple[str, str, str, int, int]
"""market, device, epoch, seq, arrived_unix_ms."""

# Bare statements: a hundred thousand rows a second pass here, and building each as an expression costs more than it.
_ARRIVALS = {
    "sqlite": "INSERT INTO arrival_log (market, device, epoch, seq, arrived_unix_ms) VALUES (?, ?, ?, ?, ?)",
    "postgresql": (
        "INSERT INTO arrival_log (market, device, epoch, seq, arrived_unix_ms) SELECT * FROM"
        " unnest(%s::varchar[], %s::varchar[], %s::varchar[], %s::bigint[], %s::bigint[])"
    ),
}
_DIRTY = {
    "sqlite": "INSERT OR IGNORE INTO dirty_windows VALUES (?, ?)",
    "postgresql": "INSERT INTO dirty_windows VALUES (%s, %s) ON CONFLICT DO NOTHING",
}


@dataclass(frozen=True, slots=True)
class Delivery:
    """A batch whose readings are in the series store.

    `arrivals` are the delivery numbers that came; `gaps` what was refused of them, and what devices named as missing;
    `letters` its dead letters; `dirty_windows` the (market, beginning of a 5-minute window) that late readings touched.
    """

    arrivals: Sequence[Arrival]
    gaps: Sequence[Gap] = ()
    letters: Sequence[DeadLetter] = ()
    dirty_windows: Collection[tuple[str, int]] = ()


class Deliveries:
    """Writes deliveries. Several processes may, at once and with the same numbers: the ledger settles each once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._dialect = engine.dialect.name

    def record(self, delivery: Delivery) -> None:
        """Keep all of it; on the disk when it returns.

        Raises:
            StoreUnavailableError: nothing is kept: call again with the same.
        """
        try:
            with transaction(self._engine) as connection:
                if delivery.arrivals:
                    self._arrive(connection, delivery.arrivals)
                for gaps in _groups(delivery.gaps):
                    add_gaps(connection, gaps)
                if delivery.letters:
                    insert_letters(connection, delivery.letters)
                if delivery.dirty_windows:
                    connection.exec_driver_sql(_DIRTY[self._dialect], sorted(delivery.dirty_windows))
        except DBAPIError as error:
            raise as_retryable(error) from error

    def _arrive(self, connection: Connection, arrivals: Sequence[Arrival]) -> None:
        if self._dialect == "sqlite":
            connection.exec_driver_sql(_ARRIVALS[self._dialect], list(arrivals))
        else:
            columns = tuple(list(column) for column in zip(*arrivals, strict=True))
            connection.exec_driver_sql(_ARRIVALS[self._dialect], columns)

    def replayed(self, letter: DeadLetter, dirty_windows: Collection[tuple[str, int]], now_unix_ms: int) -> None:
        """Delete a letter whose content is stored now, and say in its number's gap record that it is filled.

        A number with several letters (several readings of one message) is filled with the last of them.

        Raises:
            StoreUnavailableError: nothing changed: the letter may be replayed again, to the same effect.
        """
        try:
            with transaction(self._engine) as connection:
                connection.execute(delete(dead_letters).where(dead_letters.c.dead_letter_id == letter.dead_letter_id))
                _fill_if_last(connection, letter, now_unix_ms)
                if dirty_windows:
                    connection.exec_driver_sql(_DIRTY[self._dialect], sorted(dirty_windows))
        except DBAPIError as error:
            raise as_retryable(error) from error


def _fill_if_last(connection: Connection, letter: DeadLetter, now_unix_ms: int) -> None:
    if letter.market is None or letter.device is None or letter.epoch is None or letter.seq is None:
        return
    source = Source(letter.market, letter.device, letter.epoch)
    table = dead_letters.c
    other = select(table.dead_letter_id).where(
        table.part == letter.part,
        table.market == source.market,
        table.device == source.device,
        table.epoch == source.epoch,
        table.seq == letter.seq,
    )
    if connection.execute(other.limit(1)).first() is not None:
        return
    gap = sequence_gaps.c
    connection.execute(
        update(sequence_gaps)
        .where(of_source(source), gap.named_by == NamedBy.REFUSAL.value, gap.first_seq == letter.seq)
        .where(gap.filled_unix_ms.is_(None))
        .values(filled_unix_ms=now_unix_ms, is_due=True)
    )


def _groups(gaps: Sequence[Gap]) -> Iterable[list[Gap]]:
    """The gaps in groups as `add_gaps` takes them."""
    groups: dict[tuple[Source, NamedBy, int], list[Gap]] = defaultdict(list)
    for gap in gaps:
        groups[gap.source, gap.named_by, gap.from_unix_ms].append(gap)
    return groups.values()
