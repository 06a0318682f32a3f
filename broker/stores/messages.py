"""Messages to people: an outbox in the same database as the incidents, claimed by lease, marked forward only."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, Engine, Row, Table, and_, case, func, literal, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ColumnElement

from broker.stores.database import as_retryable, transaction
from broker.stores.schema import incidents, messages
from runtime.clock import Clock

CHANNEL = "sms"
LEASE_S = 8.0
CAP_PER_HOUR = 6
HOUR_MS = int(timedelta(hours=1).total_seconds() * 1000)
MESSAGES_PER_READ_MAX = 1000
OVER_UNTOLD = "over before anybody was told"

# How far along a message is: a mark never moves it back. `failed` comes before `delivered` because a receipt of
# failure for one try says nothing against a receipt of delivery for another.
RANK = {"due": 0, "leased": 0, "cancelled": 1, "unknown": 2, "accepted": 3, "failed": 4, "delivered": 5}


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be written with its incident. `step` makes it unique per incident and recipient.

    `capped` marks updates and troubles, of which a recipient gets at most `CAP_PER_HOUR` an hour; what is over the
    cap is kept as cancelled, with the reason.
    """

    step: str
    recipient_name: str
    recipient: str
    text: str
    due_unix_ms: int
    capped: bool = False


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands. `state` is due, leased, accepted, delivered, failed, unknown or cancelled."""

    message_id: int
    message_key: str
    incident_id: int | None
    market: str
    recipient_name: str
    recipient: str
    text: str
    state: str
    provider: str | None
    provider_reference: str | None
    attempts: int
    created_unix_ms: int
    due_unix_ms: int
    accepted_unix_ms: int | None
    delivered_unix_ms: int | None
    error: str | None


class Messages:
    """Reads and marks messages. They are written by `Incidents.record`, with their incident."""

    def __init__(self, engine: Engine, clock: Clock, lease_s: float = LEASE_S) -> None:
        self._engine = engine
        self._clock = clock
        self._lease_ms = int(lease_s * 1000)

    def claim(self, limit: int, *, fires_only: bool = False) -> tuple[Message, ...]:
        """Take up to `limit` messages that are due, the first word of a fire first, for the length of a lease.

        A lease that ran out (its process died) makes the message claimable again. Two processes never get the same.

        Raises:
            StoreUnavailableError: try again later.
        """
        now = self._clock.unix_ms()
        order = (_urgency(), messages.c.due_unix_ms, messages.c.message_id)
        query = select(messages.c.message_id).where(_claimable(now)).order_by(*order).limit(limit)
        query = query.join(incidents, isouter=True)
        if fires_only:
            query = query.where(incidents.c.severity == "fire")
        changes = {
            "state": "leased",
            "lease_until_unix_ms": now + self._lease_ms,
            "attempts": messages.c.attempts + 1,
        }
        try:
            with transaction(self._engine) as connection:
                ids = connection.execute(query.with_for_update(skip_locked=True, of=messages)).scalars().all()
                if not ids:
                    return ()
                here = messages.c.message_id.in_(ids)
                connection.execute(update(messages).where(here).values(**changes))
                rows = connection.execute(select(messages).where(here)).all()
        except DBAPIError as error:
            raise as_retryable(error) from error
        place = {message_id: index for index, message_id in enumerate(ids)}
        return tuple(sorted((_message(row) for row in rows), key=lambda one: place[one.message_id]))

    def next_due_unix_ms(self) -> int | None:
        """When the next message can be claimed; `None` when there is none. A read: it never waits for a writer.

        Raises:
            StoreUnavailableError: try again later.
        """
        due = select(func.min(messages.c.due_unix_ms)).where(messages.c.state == "due")
        leased = select(func.min(messages.c.lease_until_unix_ms)).where(messages.c.state == "leased")
        try:
            with self._engine.connect() as connection:
                times = [connection.execute(query).scalar_one() for query in (due, leased)]
        except DBAPIError as error:
            raise as_retryable(error) from error
        return min((int(one) for one in times if one is not None), default=None)

    def accepted(self, message_id: int, provider: str, reference: str) -> bool:
        """A provider took the message; whether that moved it forward.

        A receipt may have overtaken the provider's answer: then the state stays, and who took it when is added.
        """
        taken = {"provider": provider, "provider_reference": reference, "accepted_unix_ms": self._clock.unix_ms()}
        if self._forward(message_id, "accepted", {**taken, "error": None}):
            return True
        here = (messages.c.message_id == message_id, messages.c.accepted_unix_ms.is_(None))
        self._update(*here, values=taken)
        return False

    def delivered(self, message_id: int, provider: str) -> bool:
        """A receipt says that the phone has it; whether that moved it forward."""
        changes = {"provider": provider, "delivered_unix_ms": self._clock.unix_ms(), "error": None}
        return self._forward(message_id, "delivered", changes)

    def failed(self, message_id: int, error: str, provider: str | None = None) -> bool:
        """Nobody will get it by this message; whether that moved it forward."""
        return self._forward(message_id, "failed", {"error": error, **({"provider": provider} if provider else {})})

    def unknown(self, message_id: int, error: str) -> bool:
        """Given up after a try whose outcome is not known; whether that moved it forward."""
        return self._forward(message_id, "unknown", {"error": error})

    def retry(self, message_id: int, due_unix_ms: int, error: str) -> None:
        """Give a leased message back for another try; cancelled instead when its incident is acknowledged by now.

        Raises:
            StoreUnavailableError: try again later (the lease runs out by itself).
        """
        acknowledged = (
            select(incidents.c.acknowledged_unix_ms).where(incidents.c.incident_id == messages.c.incident_id)
        ).scalar_subquery()
        changes = {
            "state": case((acknowledged.is_not(None), "cancelled"), else_="due"),
            "due_unix_ms": due_unix_ms,
            "lease_until_unix_ms": None,
            "error": error,
        }
        here = (messages.c.message_id == message_id, messages.c.state == "leased")
        self._update(*here, values=changes)

    def newest(self, market: str | None = None, limit: int = 100) -> tuple[Message, ...]:
        """The newest `limit` (at most `MESSAGES_PER_READ_MAX`), newest first, of one market or of all."""
        query = select(messages).order_by(messages.c.message_id.desc()).limit(min(limit, MESSAGES_PER_READ_MAX))
        if market is not None:
            query = query.where(messages.c.market == market)
        with self._engine.connect() as connection:
            return tuple(_message(row) for row in connection.execute(query))

    def of_incident(self, incident_id: int) -> tuple[Message, ...]:
        """An incident's messages in the order in which they are due."""
        query = select(messages).where(messages.c.incident_id == incident_id)
        query = query.order_by(messages.c.due_unix_ms, messages.c.message_id).limit(MESSAGES_PER_READ_MAX)
        with self._engine.connect() as connection:
            return tuple(_message(row) for row in connection.execute(query))

    def _forward(self, message_id: int, state: str, changes: dict[str, object]) -> bool:
        lower = [name for name, rank in RANK.items() if rank < RANK[state]]
        here = (messages.c.message_id == message_id, messages.c.state.in_(lower))
        return self._update(*here, values={"state": state, "lease_until_unix_ms": None, **changes})

    def _update(self, *here: ColumnElement[bool], values: dict[str, object]) -> bool:
        try:
            with transaction(self._engine) as connection:
                return connection.execute(update(messages).where(*here).values(**values)).rowcount > 0
        except DBAPIError as error:
            raise as_retryable(error) from error


def add_messages(
    connection: Connection, market: str, incident_id: int, code: str, rows: Sequence[NewMessage], now_unix_ms: int
) -> int:
    """Write an incident's messages inside the caller's transaction; how many of them will be sent.

    A message whose key is there already changes nothing, but for one that was cancelled as `OVER_UNTOLD`: nobody got
    it, so it is due again as it is written now.
    """
    sent = 0
    for row in rows:
        over = row.capped and _capped_last_hour(connection, market, row.recipient, now_unix_ms) >= CAP_PER_HOUR
        values = {
            "message_key": f"{code}:{row.recipient}:{CHANNEL}:{row.step}",
            "incident_id": incident_id,
            "market": market,
            "recipient_name": row.recipient_name,
            "recipient": row.recipient,
            "text": row.text,
            "state": "cancelled" if over else "due",
            "error": f"more than {CAP_PER_HOUR} updates to this recipient within an hour" if over else None,
            "attempts": 0,
            "created_unix_ms": now_unix_ms,
            "due_unix_ms": row.due_unix_ms,
        }
        sent += _insert_or_revive(connection, values) and not over
    return sent


def cancel_due(connection: Connection, incident_id: int, why: str, now_unix_ms: int, *, later_only: bool) -> int:
    """Cancel what is still due of an incident (`later_only`: but not what is due or tried by now); how many."""
    here = [messages.c.incident_id == incident_id]
    if later_only:
        here += [messages.c.state == "due", messages.c.due_unix_ms > now_unix_ms, messages.c.attempts == 0]
    else:
        lapsed = and_(messages.c.state == "leased", messages.c.lease_until_unix_ms < now_unix_ms)
        here.append(or_(messages.c.state == "due", lapsed))
    values = {"state": "cancelled", "error": why, "lease_until_unix_ms": None}
    return connection.execute(update(messages).where(*here).values(**values)).rowcount


def insert_new(connection: Connection, table: Table, row: dict[str, object]) -> bool:
    """Insert a row unless one of its unique keys is there already; whether it was new. SQLite and PostgreSQL alike."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    # RETURNING, not a row count: psycopg has none for an insert that SQLAlchemy itself makes return its key.
    statement = insert(table).values(**row).on_conflict_do_nothing().returning(next(iter(table.primary_key)))
    return connection.execute(statement).one_or_none() is not None


def _insert_or_revive(connection: Connection, row: dict[str, object]) -> bool:
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    statement = insert(messages).values(**row)
    changes = {name: statement.excluded[name] for name in row if name != "message_key"}
    untold = and_(messages.c.state == "cancelled", messages.c.error == OVER_UNTOLD)
    written = statement.on_conflict_do_update(index_elements=[messages.c.message_key], set_=changes, where=untold)
    return connection.execute(written.returning(messages.c.message_id)).one_or_none() is not None


def _capped_last_hour(connection: Connection, market: str, recipient: str, now_unix_ms: int) -> int:
    step = messages.c.message_key
    query = select(func.count()).where(
        messages.c.market == market,
        messages.c.recipient == recipient,
        messages.c.created_unix_ms > now_unix_ms - HOUR_MS,
        messages.c.state != "cancelled",
        or_(step.like(f"%:{CHANNEL}:u%"), step.like(f"%:{CHANNEL}:t%")),
    )
    return int(connection.execute(query).scalar_one())


def _claimable(now_unix_ms: int) -> ColumnElement[bool]:
    due = and_(messages.c.state == "due", messages.c.due_unix_ms <= now_unix_ms)
    lapsed = and_(messages.c.state == "leased", messages.c.lease_until_unix_ms < now_unix_ms)
    return or_(due, lapsed)


def _urgency() -> ColumnElement[int]:
    """0 for the first word of a fire, 1 for the rest of a fire, 2 for everything else."""
    first = and_(incidents.c.severity == "fire", messages.c.message_key.like(f"%:{CHANNEL}:0"))
    return case((first, literal(0)), (incidents.c.severity == "fire", literal(1)), else_=literal(2))


def _message(row: Row[tuple[object, ...]]) -> Message:
    return Message(**{name: getattr(row, name) for name in Message.__slots__})
