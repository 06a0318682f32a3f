"""The dead letter: what could not be taken, with the reason, bounded in rows and bytes; and its way back."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, Row, delete, exists, func, or_, select, update
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.schema import dead_letters
from runtime.errors import FatalError

DEAD_LETTER_BODY_BYTES_MAX = 65_536
DEAD_LETTERS_MAX = 100_000
TOPIC_LENGTH_MAX = 400
REASON_LENGTH_MAX = 2000
REPLAYED_BY = "ingest"
AFTERWARDS = "a device that is enrolled later sends its event again by itself, a malformed event stays refused"


class UnknownLetterError(FatalError, LookupError):
    """No dead letter has this number."""

    def __init__(self, dead_letter_id: int) -> None:
        super().__init__(f"there is no dead letter {dead_letter_id}: it was never there, or replayed, or forgotten")
        self.dead_letter_id = dead_letter_id


class NotReplayableError(FatalError):
    """This dead letter can never be replayed; the sentence says why."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused message, or one refused reading of a message whose others were taken (`is_excerpt`).

    `body` is cut to `DEAD_LETTER_BODY_BYTES_MAX` bytes, `body_bytes` is its true length. `market` and `device` are
    there where the topic names them, `epoch` and `seq` where the message's delivery number could be read.
    """

    received_unix_ms: int
    part: str
    reason_kind: str
    reason: str
    topic: str
    body: bytes
    body_bytes: int
    dead_letter_id: int | None = None
    is_excerpt: bool = False
    market: str | None = None
    device: str | None = None
    epoch: str | None = None
    seq: int | None = None
    replay_requested_unix_ms: int | None = None
    replay_attempts: int = 0
    replay_error: str | None = None

    @property
    def not_replayable_because(self) -> str:
        """A sentence that says why this letter cannot be replayed, empty if it can."""
        if self.part != REPLAYED_BY:
            return f"it is {self.part}'s, which takes events from the bus alone: {AFTERWARDS}"
        if self.body_bytes > len(self.body):
            return f"only the first {len(self.body)} of its {self.body_bytes} bytes were kept"
        return ""


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which letters; what is `None` does not matter. `market` and `device` are as in the topic."""

    kind: str | None = None
    market: str | None = None
    device: str | None = None
    since_unix_ms: int | None = None
    until_unix_ms: int | None = None
    below_id: int | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As conditions on the table."""
        table = dead_letters.c
        wanted = (
            (self.kind, table.reason_kind.__eq__),
            (self.market, table.market.__eq__),
            (self.device, table.device.__eq__),
            (self.since_unix_ms, table.received_unix_ms.__ge__),
            (self.until_unix_ms, table.received_unix_ms.__lt__),
            (self.below_id, table.dead_letter_id.__lt__),
        )
        return [compare(value) for value, compare in wanted if value is not None]


@dataclass(frozen=True, slots=True)
class LetterCount:
    """How many letters of one kind a device has. `market` and `device` are missing where the topic names none."""

    market: str | None
    device: str | None
    kind: str
    letters: int
    newest_unix_ms: int


class DeadLetters:
    """Keeps dead letters; over `rows_max` the oldest go."""

    def __init__(self, engine: Engine, rows_max: int = DEAD_LETTERS_MAX) -> None:
        self._engine = engine
        self._rows_max = rows_max

    def add(self, letters: Sequence[DeadLetter]) -> None:
        """Store all of them or none.

        Raises:
            StoreUnavailableError: try again later.
        """
        if not letters:
            return
        try:
            with transaction(self._engine) as connection:
                insert_letters(connection, letters, self._rows_max)
        except DBAPIError as error:
            raise as_retryable(error) from error

    def add_once(self, letters: Sequence[DeadLetter], within_s: float) -> int:
        """Store those of which the same was not stored within `within_s` before; how many that were.

        For a part of which two hear everything at once: the letter is one, whoever is first.

        Raises:
            StoreUnavailableError: none was stored; try again later.
        """
        if not letters:
            return 0
        try:
            with transaction(self._engine) as connection:
                if connection.dialect.name == "postgresql":
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(5513)")  # one asks and stores at a time
                fresh = [one for one in letters if not _is_kept(connection, one, int(within_s * 1000))]
                if fresh:
                    insert_letters(connection, fresh, self._rows_max)
                return len(fresh)
        except DBAPIError as error:
            raise as_retryable(error) from error

    def newest(self, limit: int = 100) -> tuple[DeadLetter, ...]:
        """The newest `limit`, newest first."""
        return self.find(LetterFilter(), limit)

    def find(self, wanted: LetterFilter, limit: int = 100) -> tuple[DeadLetter, ...]:
        """The newest `limit` of those that `wanted` names, newest first."""
        query = (
            select(dead_letters).where(*wanted.conditions()).order_by(dead_letters.c.dead_letter_id.desc()).limit(limit)
        )
        with self._engine.connect() as connection:
            return tuple(_letter(row) for row in connection.execute(query))

    def get(self, dead_letter_id: int) -> DeadLetter:
        """One letter.

        Raises:
            UnknownLetterError: there is none with this number.
        """
        query = select(dead_letters).where(dead_letters.c.dead_letter_id == dead_letter_id)
        with self._engine.connect() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise UnknownLetterError(dead_letter_id)
        return _letter(row)

    def count(self) -> int:
        """How many are kept."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(dead_letters)).scalar_one())

    def counts(self, wanted: LetterFilter | None = None) -> tuple[LetterCount, ...]:
        """How many are kept of each device and kind, most first."""
        table = dead_letters.c
        letters = func.count().label("letters")
        query = (
            select(table.market, table.device, table.reason_kind, letters, func.max(table.received_unix_ms))
            .where(*(wanted or LetterFilter()).conditions())
            .group_by(table.market, table.device, table.reason_kind)
            .order_by(letters.desc(), table.market, table.device, table.reason_kind)
        )
        with self._engine.connect() as connection:
            return tuple(LetterCount(*row) for row in connection.execute(query))

    def request_replay(self, dead_letter_id: int, now_unix_ms: int) -> None:
        """Ask ingest to take a letter through its pipeline again.

        Raises:
            UnknownLetterError: there is none with this number.
            NotReplayableError: it can never be taken: its body was cut, or it is not ingest's.
        """
        letter = self.get(dead_letter_id)
        because = letter.not_replayable_because
        if because:
            raise NotReplayableError(f"dead letter {dead_letter_id} cannot be replayed: {because}")
        with transaction(self._engine) as connection:
            connection.execute(
                update(dead_letters)
                .where(dead_letters.c.dead_letter_id == dead_letter_id)
                .values(replay_requested_unix_ms=now_unix_ms)
            )

    def request_replays(self, wanted: LetterFilter, now_unix_ms: int) -> int:
        """Ask for every letter that `wanted` names and that can be replayed; how many that is."""
        replayable = (
            dead_letters.c.part == REPLAYED_BY,
            dead_letters.c.body_bytes <= DEAD_LETTER_BODY_BYTES_MAX,
        )
        ask = update(dead_letters).where(*wanted.conditions(), *replayable)
        with transaction(self._engine) as connection:
            return connection.execute(ask.values(replay_requested_unix_ms=now_unix_ms)).rowcount

    def forget_all(self, wanted: LetterFilter) -> int:
        """Delete every letter that `wanted` names; how many that was."""
        with transaction(self._engine) as connection:
            return connection.execute(delete(dead_letters).where(*wanted.conditions())).rowcount

    def forget(self, dead_letter_id: int) -> None:
        """Delete a letter for good; the gap record about its number stays.

        Raises:
            UnknownLetterError: there is none with this number.
        """
        with transaction(self._engine) as connection:
            gone = connection.execute(delete(dead_letters).where(dead_letters.c.dead_letter_id == dead_letter_id))
        if gone.rowcount == 0:
            raise UnknownLetterError(dead_letter_id)

    def claim(self, now_unix_ms: int, lease_until_unix_ms: int) -> DeadLetter | None:
        """The oldest letter whose replay is wanted, the caller's alone until the lease ends; `None`: no such."""
        table = dead_letters.c
        free = or_(table.replay_lease_until_unix_ms.is_(None), table.replay_lease_until_unix_ms <= now_unix_ms)
        query = select(dead_letters).where(table.replay_requested_unix_ms.is_not(None), free)
        with self._engine.connect() as connection:
            row = connection.execute(query.order_by(table.dead_letter_id).limit(1)).first()
        if row is None:
            return None
        wanted = (table.dead_letter_id == row.dead_letter_id, table.replay_requested_unix_ms.is_not(None))
        take = update(dead_letters).where(*wanted, free)
        with transaction(self._engine) as connection:
            taken = connection.execute(take.values(replay_lease_until_unix_ms=lease_until_unix_ms))
        return _letter(row) if taken.rowcount == 1 else None

    def replay_failed(self, letter: DeadLetter, kind: str, reason: str) -> None:
        """Keep a letter that was refused again, with the new reason; its replay is no longer wanted."""
        with transaction(self._engine) as connection:
            connection.execute(
                update(dead_letters)
                .where(dead_letters.c.dead_letter_id == letter.dead_letter_id)
                .values(
                    reason_kind=kind,
                    replay_error=reason[:REASON_LENGTH_MAX],
                    replay_attempts=dead_letters.c.replay_attempts + 1,
                    replay_requested_unix_ms=None,
                    replay_lease_until_unix_ms=None,
                )
            )


def insert_letters(connection: Connection, letters: Sequence[DeadLetter], rows_max: int = DEAD_LETTERS_MAX) -> None:
    """Insert inside the caller's transaction; over `rows_max` the oldest go."""
    connection.execute(dead_letters.insert(), [_row(one) for one in letters])
    newest = connection.execute(select(func.max(dead_letters.c.dead_letter_id))).scalar_one()
    connection.execute(delete(dead_letters).where(dead_letters.c.dead_letter_id <= newest - rows_max))


def _row(letter: DeadLetter) -> dict[str, object]:
    return {
        "received_unix_ms": letter.received_unix_ms,
        "part": letter.part,
        "reason_kind": letter.reason_kind,
        "reason": letter.reason[:REASON_LENGTH_MAX],
        "topic": letter.topic[:TOPIC_LENGTH_MAX],
        "body": letter.body[:DEAD_LETTER_BODY_BYTES_MAX],
        "body_bytes": letter.body_bytes,
        "is_excerpt": letter.is_excerpt,
        "market": letter.market,
        "device": letter.device,
        "epoch": letter.epoch,
        "seq": letter.seq,
    }


def _letter(row: Row[tuple[object, ...]]) -> DeadLetter:
    found = row._mapping  # noqa: SLF001 - SQLAlchemy's documented name for a row's columns
    return DeadLetter(**{name: found[name] for name in DeadLetter.__dataclass_fields__})


def _is_kept(connection: Connection, letter: DeadLetter, within_ms: int) -> bool:
    table = dead_letters.c
    same = (
        table.received_unix_ms >= letter.received_unix_ms - within_ms,
        table.part == letter.part,
        table.reason_kind == letter.reason_kind,
        table.topic == letter.topic[:TOPIC_LENGTH_MAX],
        table.body == letter.body[:DEAD_LETTER_BODY_BYTES_MAX],
    )
    return bool(connection.execute(select(exists().where(*same))).scalar_one())
