"""Texts that people send us: each kept once with what became of it and the answer to it, in one transaction."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, delete, exists, func, select
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.message_models import NewMessage, message_key
from broker.stores.message_writing import insert_new, new_row
from broker.stores.schema import incidents, messages, recipients, replies
from runtime.clock import Clock

TEXT_LENGTH_MAX = 500
SENDER_LENGTH_MAX = 40
REFERENCE_LENGTH_MAX = 120
CODES_SHOWN_MAX = 4
KEPT_S = 365 * 86_400
HOUR_S = 3600
MS_PER_S = 1000

ACKNOWLEDGED, ALREADY, UNKNOWN_CODE, UNKNOWN_SENDER, LIMITED = (
    "acknowledged",
    "already",
    "unknown-code",
    "unknown-sender",
    "limited",
)
FUTILE = (ALREADY, UNKNOWN_CODE)
"""What changed nothing: somebody who sends on and on is answered a few times an hour only."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody on a market's roster."""

    market: str
    name: str
    phone: str
    language: str


@dataclass(frozen=True, slots=True)
class Meant:
    """An incident that a code names."""

    incident_id: int
    market: str
    code: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The text back. `about` is the incident that it speaks of, if it speaks of one."""

    person: Person
    text: str
    about: Meant | None = None


class Replies:
    """Reads rosters and codes for a reply, and keeps it. What is older than a year goes."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def is_known(self, provider: str, reference: str) -> bool:
        """Whether this reply was kept before: its provider told us twice.

        Raises:
            StoreUnavailableError: try again later.
        """
        same = (replies.c.provider == provider, replies.c.reference == _reference(reference))
        with self._reading() as connection:
            return bool(connection.execute(select(exists().where(*same))).scalar_one())

    def people(self, phone: str) -> Sequence[Person]:
        """Who this number (as rosters store it) is, in each market whose roster has it.

        Raises:
            StoreUnavailableError: try again later.
        """
        row = recipients.c
        query = select(row.market, row.name, row.phone, row.language).where(row.phone == phone).order_by(row.market)
        with self._reading() as connection:
            return tuple(Person(one.market, one.name, one.phone, one.language) for one in connection.execute(query))

    def meant(self, codes: Collection[str], markets: Collection[str]) -> Sequence[Meant]:
        """The incidents of these markets with one of these codes, oldest first.

        Raises:
            StoreUnavailableError: try again later.
        """
        row = incidents.c
        query = select(row.incident_id, row.market, row.code).where(row.code.in_(codes), row.market.in_(markets))
        with self._reading() as connection:
            found = connection.execute(query.order_by(row.incident_id))
            return tuple(Meant(one.incident_id, one.market, one.code) for one in found)

    def unacknowledged(self, markets: Collection[str]) -> Sequence[str]:
        """The codes that somebody of these markets could have meant, fires first, then the newest; a few.

        Raises:
            StoreUnavailableError: try again later.
        """
        row = incidents.c
        here = (row.market.in_(markets), row.acknowledged_unix_ms.is_(None), row.state != "closed")
        query = select(row.code).where(*here).order_by(row.severity != "fire", row.incident_id.desc())
        with self._reading() as connection:
            return tuple(connection.execute(query.limit(CODES_SHOWN_MAX)).scalars())

    def futile_last_hour(self, phone: str) -> int:
        """How many replies of this number within the last hour changed nothing.

        Raises:
            StoreUnavailableError: try again later.
        """
        since = self._clock.unix_ms() - HOUR_S * MS_PER_S
        row = replies.c
        here = (row.received_unix_ms > since, row.sender == phone, row.outcome.in_(FUTILE))
        with self._reading() as connection:
            return int(connection.execute(select(func.count()).select_from(replies).where(*here)).scalar_one())

    def keep(self, provider: str, reference: str, sender: str, text: str, outcome: str, answer: Answer | None) -> bool:
        """Keep a reply with its answer, which is due at once; whether it was new.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        now = self._clock.unix_ms()
        row: dict[str, object] = {
            "provider": provider,
            "reference": _reference(reference),
            "sender": _storable(sender)[:SENDER_LENGTH_MAX],
            "text": _storable(text)[:TEXT_LENGTH_MAX],
            "received_unix_ms": now,
            "outcome": outcome,
        }
        try:
            with transaction(self._engine) as connection:
                if not insert_new(connection, replies, row):
                    return False
                if answer is not None:
                    insert_new(connection, messages, _message(answer, f"{provider}/{reference}", now))
                connection.execute(delete(replies).where(replies.c.received_unix_ms < now - KEPT_S * MS_PER_S))
        except DBAPIError as error:
            raise as_retryable(error) from error
        return True

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as error:
            raise as_retryable(error) from error


def _message(answer: Answer, reply: str, now_unix_ms: int) -> dict[str, object]:
    person, about = answer.person, answer.about
    mark = hashlib.sha256(reply.encode()).hexdigest()[:12]
    step = f"no-{mark}" if about is None else f"ok-{mark}"
    row = NewMessage(step, person.name, person.phone, answer.text, now_unix_ms)
    return {
        **new_row(row, person.market, now_unix_ms),
        "message_key": message_key("reply" if about is None else about.code, person.phone, row.channel, step),
        "incident_id": None if about is None else about.incident_id,
    }


def _reference(text: str) -> str:
    """A provider's reference as it is stored; a long one as its hash."""
    plain = _storable(text)
    return plain if len(plain) <= REFERENCE_LENGTH_MAX else hashlib.sha256(plain.encode()).hexdigest()


def _storable(text: str) -> str:
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")
