"""Messages to people: an outbox in the same database as the incidents, claimed by lease, marked forward only."""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection, Engine, Row, and_, case, func, literal, or_, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ColumnElement

from broker.stores.database import as_retryable, transaction
from broker.stores.message_models import (
    CAP_PER_HOUR,
    HEDGE_S,
    LEASE_S,
    MESSAGES_PER_READ_MAX,
    OVER_UNTOLD,
    OVERDUE_ATTEMPTS_MIN,
    OVERDUE_S,
    RANK,
    SMS,
    STORM,
    Message,
    NewMessage,
    Stuck,
    message_key,
)
from broker.stores.message_writing import add_messages, cancel_due, insert_new, new_row, release_leased
from broker.stores.schema import incidents, messages
from runtime.clock import Clock

__all__ = [
    "CAP_PER_HOUR",
    "OVER_UNTOLD",
    "RANK",
    "SMS",
    "STORM",
    "Message",
    "Messages",
    "NewMessage",
    "Stuck",
    "add_messages",
    "cancel_due",
    "insert_new",
    "message_key",
    "release_leased",
]


class Messages:
    """Reads and marks messages. They are written by `Incidents.record`, with their incident."""

    def __init__(self, engine: Engine, clock: Clock, lease_s: float = LEASE_S) -> None:
        self._engine = engine
        self._clock = clock
        self._lease_ms = int(lease_s * 1000)

    def claim(
        self,
        limit: int,
        *,
        fires_only: bool = False,
        fence: ColumnElement[bool] | None = None,
        hedged: Collection[str] = (),
    ) -> tuple[Message, ...]:
        """Take up to `limit` messages that are due, the first word of a fire first, for the length of a lease.

        A lease that ran out (its try hangs, or its process died) makes the message claimable again; the first word of
        a fire on a channel of `hedged` has a lease of only `HEDGE_S`. Two processes never get the same. With a `fence`
        that does not hold nothing is taken.

        Raises:
            StoreUnavailableError: try again later.
        """
        now = self._clock.unix_ms()
        urgency = _urgency().label("urgency")
        order = (urgency, messages.c.due_unix_ms, messages.c.message_id)
        query = select(messages.c.message_id, messages.c.channel, urgency).where(_claimable(now))
        query = query.join(incidents, isouter=True).order_by(*order).limit(limit)
        if fires_only:
            query = query.where(_of_a_fire())
        if fence is not None:
            query = query.where(fence)
        try:
            with transaction(self._engine) as connection:
                found = connection.execute(query.with_for_update(skip_locked=True, of=messages)).all()
                if not found:
                    return ()
                quick = [row.message_id for row in found if row.urgency == 0 and row.channel in hedged]
                ids = [row.message_id for row in found]
                _lease(connection, ids, now + self._lease_ms)
                _lease(connection, quick, min(now + int(HEDGE_S * 1000), now + self._lease_ms), attempts=0)
                rows = connection.execute(select(messages).where(messages.c.message_id.in_(ids))).all()
        except DBAPIError as error:
            raise as_retryable(error) from error
        place = {message_id: index for index, message_id in enumerate(ids)}
        return tuple(sorted((_message(row) for row in rows), key=lambda one: place[one.message_id]))

    def next_due_unix_ms(self) -> int | None:
        """When the next message can be claimed; `None` when there is none. A read: it never waits for a writer.

        Raises:
            StoreUnavailableError: try again later.
        """
        due = select(func.min(messages.c.due_unix_ms)).where(messages.c.state == "due", messages.c.channel != STORM)
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

    def failed(self, message_id: int, error: str, provider: str | None = None, *, attempts: int | None = None) -> bool:
        """Nobody will get it by this message; whether that moved it forward.

        With `attempts` only while that try is the newest one: an old one that comes back late says nothing.
        """
        changes: dict[str, object] = {"error": error, **({"provider": provider} if provider else {})}
        return self._forward(message_id, "failed", changes, attempts)

    def unknown(self, message_id: int, error: str, *, attempts: int | None = None) -> bool:
        """Given up after a try whose outcome is not known; whether that moved it forward. `attempts` as in `failed`."""
        return self._forward(message_id, "unknown", {"error": error}, attempts)

    def retry(self, message: Message, due_unix_ms: int, error: str) -> bool:
        """Give a claimed message back for another try, unless another try of it has begun; whether that was done.

        It is cancelled instead when its incident was acknowledged after it was written.

        Raises:
            StoreUnavailableError: try again later (the lease runs out by itself).
        """
        acknowledged = (
            select(incidents.c.acknowledged_unix_ms).where(incidents.c.incident_id == messages.c.incident_id)
        ).scalar_subquery()
        changes = {
            "state": case((acknowledged > messages.c.created_unix_ms, "cancelled"), else_="due"),
            "due_unix_ms": due_unix_ms,
            "lease_until_unix_ms": None,
            "error": error,
        }
        here = (
            messages.c.message_id == message.message_id,
            messages.c.state == "leased",
            messages.c.attempts == message.attempts,
        )
        return self._update(*here, values=changes)

    def write(self, key: str, market: str, row: NewMessage) -> bool:
        """Write a message that belongs to no incident, once for each `key`; whether it is new.

        Raises:
            StoreUnavailableError: try again later.
        """
        values = {**new_row(row, market, self._clock.unix_ms()), "message_key": key, "incident_id": None}
        try:
            with transaction(self._engine) as connection:
                return insert_new(connection, messages, values)
        except DBAPIError as error:
            raise as_retryable(error) from error

    def of_key(self, key: str) -> Message | None:
        """The message with this key.

        Raises:
            StoreUnavailableError: try again later.
        """
        try:
            with self._engine.connect() as connection:
                row = connection.execute(select(messages).where(messages.c.message_key == key)).one_or_none()
        except DBAPIError as error:
            raise as_retryable(error) from error
        return None if row is None else _message(row)

    def stuck(self, since_unix_ms: int, *, besides_kind: str, besides_key: str) -> tuple[Stuck, ...]:
        """For each market what reaches nobody: given up or refused since then, or tried in vain for `OVERDUE_S`.

        What belongs to incidents whose kind begins with `besides_kind`, and what has a key that begins with
        `besides_key`, does not count.

        Raises:
            StoreUnavailableError: try again later.
        """
        row, late_ms = messages.c, self._clock.unix_ms() - int(OVERDUE_S * 1000)
        ended = and_(row.state.in_(("failed", "unknown")), row.due_unix_ms > since_unix_ms)
        in_vain = and_(
            row.state.in_(("due", "leased")), row.attempts >= OVERDUE_ATTEMPTS_MIN, row.created_unix_ms <= late_ms
        )
        counted = or_(incidents.c.kind.is_(None), ~incidents.c.kind.startswith(besides_kind, autoescape=True))
        query = select(row.market, row.recipient_name, row.error).join(incidents, isouter=True)
        query = query.where(or_(ended, in_vain), counted, ~row.message_key.startswith(besides_key, autoescape=True))
        try:
            with self._engine.connect() as connection:
                found = connection.execute(query.order_by(row.message_id).limit(MESSAGES_PER_READ_MAX)).all()
        except DBAPIError as error:
            raise as_retryable(error) from error
        stuck: dict[str, Stuck] = {}
        for one in found:
            count = stuck[one.market].messages_count if one.market in stuck else 0
            stuck[one.market] = Stuck(one.market, count + 1, one.recipient_name, one.error or "")
        return tuple(stuck.values())

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

    def _forward(self, message_id: int, state: str, changes: dict[str, object], attempts: int | None = None) -> bool:
        lower = [name for name, rank in RANK.items() if rank < RANK[state]]
        here = [messages.c.message_id == message_id, messages.c.state.in_(lower)]
        if attempts is not None:
            here.append(messages.c.attempts == attempts)
        return self._update(*here, values={"state": state, "lease_until_unix_ms": None, **changes})

    def _update(self, *here: ColumnElement[bool], values: dict[str, object]) -> bool:
        try:
            with transaction(self._engine) as connection:
                return connection.execute(update(messages).where(*here).values(**values)).rowcount > 0
        except DBAPIError as error:
            raise as_retryable(error) from error


def _lease(connection: Connection, ids: Sequence[int], until_unix_ms: int, attempts: int = 1) -> None:
    """Lease these, counting so many tries more."""
    if ids:
        values = {
            "state": "leased",
            "lease_until_unix_ms": until_unix_ms,
            "attempts": messages.c.attempts + attempts,
        }
        connection.execute(update(messages).where(messages.c.message_id.in_(ids)).values(**values))


def _claimable(now_unix_ms: int) -> ColumnElement[bool]:
    due = and_(messages.c.state == "due", messages.c.due_unix_ms <= now_unix_ms, messages.c.channel != STORM)
    lapsed = and_(messages.c.state == "leased", messages.c.lease_until_unix_ms < now_unix_ms)
    return or_(due, lapsed)


def _of_a_fire() -> ColumnElement[bool]:
    """What belongs to a fire, or says many of them in one."""
    return or_(incidents.c.severity == "fire", messages.c.message_key.startswith("storm-fire-"))


def _urgency() -> ColumnElement[int]:
    """0 for the first word of a fire (or of a storm of fires), 1 for the rest of a fire, 2 for everything else."""
    key = messages.c.message_key
    first = and_(incidents.c.severity == "fire", key.like("%:0"))
    storm = key.startswith("storm-fire-")
    return case((or_(first, storm), literal(0)), (incidents.c.severity == "fire", literal(1)), else_=literal(2))


def _message(row: Row[tuple[object, ...]]) -> Message:
    return Message(**{name: getattr(row, name) for name in Message.__slots__})
