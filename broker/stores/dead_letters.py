"""The dead letter: what could not be taken, with the reason, bounded in rows and bytes."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.schema import dead_letters

DEAD_LETTER_BODY_BYTES_MAX = 65_536
DEAD_LETTERS_MAX = 100_000
TOPIC_LENGTH_MAX = 400


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One refused message. `body` is cut to `DEAD_LETTER_BODY_BYTES_MAX` bytes, `body_bytes` is its true length."""

    received_unix_ms: int
    part: str
    reason_kind: str
    reason: str
    topic: str
    body: bytes
    body_bytes: int
    dead_letter_id: int | None = None


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
                connection.execute(dead_letters.insert(), [_row(one) for one in letters])
                newest = connection.execute(select(func.max(dead_letters.c.dead_letter_id))).scalar_one()
                connection.execute(delete(dead_letters).where(dead_letters.c.dead_letter_id <= newest - self._rows_max))
        except DBAPIError as error:
            raise as_retryable(error) from error

    def newest(self, limit: int = 100) -> tuple[DeadLetter, ...]:
        """The newest `limit`, newest first."""
        query = select(dead_letters).order_by(dead_letters.c.dead_letter_id.desc()).limit(limit)
        with self._engine.connect() as connection:
            return tuple(
                DeadLetter(
                    row.received_unix_ms,
                    row.part,
                    row.reason_kind,
                    row.reason,
                    row.topic,
                    row.body,
                    row.body_bytes,
                    row.dead_letter_id,
                )
                for row in connection.execute(query)
            )

    def count(self) -> int:
        """How many are kept."""
        with self._engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(dead_letters)).scalar_one())


def _row(letter: DeadLetter) -> dict[str, object]:
    return {
        "received_unix_ms": letter.received_unix_ms,
        "part": letter.part,
        "reason_kind": letter.reason_kind,
        "reason": letter.reason[:2000],
        "topic": letter.topic[:TOPIC_LENGTH_MAX],
        "body": letter.body[:DEAD_LETTER_BODY_BYTES_MAX],
        "body_bytes": letter.body_bytes,
    }
