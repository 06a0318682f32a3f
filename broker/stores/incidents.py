"""Incidents: what is wrong where, from the first event to its end, one per market, zone and kind."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DataError, DBAPIError

from broker.stores.database import StoreUnavailableError, as_retryable, transaction
from broker.stores.incident_acknowledging import acknowledge_once, tell, untold
from broker.stores.incident_models import (
    DRILL,
    FIRE,
    LATE,
    LOG_SUCCEEDED,
    LOG_WINDOW,
    Acknowledgement,
    Change,
    Compose,
    ComposeAck,
    Effect,
    Incident,
    IncidentEvent,
    LogLine,
    Picture,
    Sighting,
    UnknownIncidentError,
    UnstorableError,
    new_code,
)
from broker.stores.incident_moves import Move, log_row, read_log, write_moves
from broker.stores.incident_queries import burns_unacknowledged, is_active, is_over_since, urgency
from broker.stores.incident_rows import (
    adopt,
    cameras_of,
    event_row,
    events_of,
    is_cleared,
    is_over,
    opening_row,
    same_event,
    sight_of,
    to_event,
    to_incident,
)
from broker.stores.incident_states import BEGINS, Action, State
from broker.stores.incident_turns import Turn, is_usual, turn_of
from broker.stores.message_models import OVER_UNTOLD, NewMessage
from broker.stores.message_writing import add_messages, cancel_due, insert_new
from broker.stores.schema import incident_events, incident_log, incidents
from broker.stores.stills import keep_still
from broker.stores.told import mark_told
from contract.events import Phase
from runtime.clock import Clock
from runtime.errors import FatalError

__all__ = ["Acknowledgement", "Incident", "IncidentEvent", "Incidents", "UnknownIncidentError", "Via"]

WINDOW_S = 300.0
INCIDENTS_PER_READ_MAX = 1000
EVENTS_PER_READ_MAX = 500
TRIES_MAX = 20
CLOSED_AT_ONCE_MAX = 500
REEVALUATED_AT_ONCE_MAX = 20
OVER_UNKNOWN = "over before it was known here"

Via = Literal["console", "link", "reply", "button"]
"""How somebody acknowledged."""


class Incidents:
    """Reads and writes incidents."""

    def __init__(
        self, engine: Engine, clock: Clock, window_s: float = WINDOW_S, code: Callable[[], str] = new_code
    ) -> None:
        self._engine = engine
        self._clock = clock
        self._window_ms = int(window_s * 1000)
        self._code = code

    def record(self, seen: Sequence[Sighting | Picture], compose: Compose) -> tuple[Change, ...]:
        """Write what was seen, in order, with the messages that it sends, all in one transaction.

        A resend (same market, device, epoch and seq) changes nothing. Rising again within `window_s` of the clearing
        reopens the same incident, later (and of a drill always) it is a new one. Two writers at once make one incident.

        Raises:
            StoreUnavailableError: nothing was written; try again.
            UnstorableError: the database cannot hold a value, ever; nothing was written.
        """
        try:
            with transaction(self._engine) as connection:
                return tuple(self._record_one(connection, one, compose) for one in seen)
        except DataError as error:
            raise UnstorableError(f"the central state cannot hold a value: {error.orig}") from error
        except DBAPIError as error:
            raise as_retryable(error) from error

    def reevaluate(
        self, composers: Callable[[Collection[str]], Compose], last: Callable[[IncidentEvent, Incident], Sighting]
    ) -> int:
        """Write the messages that fires lack which burn and nobody has acknowledged (after a start); how many.

        A few fires at a time: others write between them. `composers` makes what composes for some markets.

        Raises:
            StoreUnavailableError: not all was looked at; what was written stays. Try again.
        """
        added, row = 0, incidents.c
        try:
            with self._engine.connect() as connection:
                oldest_first = select(row.incident_id, row.market).order_by(row.incident_id)
                found = connection.execute(oldest_first.where(burns_unacknowledged())).all()
            for start in range(0, len(found), REEVALUATED_AT_ONCE_MAX):
                chunk = found[start : start + REEVALUATED_AT_ONCE_MAX]
                compose = composers({one.market for one in chunk})
                here = row.incident_id.in_([one.incident_id for one in chunk])
                query = select(incidents).where(here, burns_unacknowledged()).with_for_update()
                with transaction(self._engine) as connection:
                    for one in connection.execute(query).all():
                        added += self._look_again(connection, to_incident(one), compose, last)
        except DBAPIError as error:
            raise as_retryable(error) from error
        return added

    def acknowledge(self, incident_id: int, who: str, via: Via) -> Acknowledgement:
        """Somebody takes care of it: what is due to be sent is cancelled in the same transaction.

        The first acknowledgement stands; another one changes nothing. What is cleared already is closed by it.

        Raises:
            UnknownIncidentError: there is none.
            StoreUnavailableError: nothing was written; try again.
        """
        move = Move(Action.ACKNOWLEDGE, who, via)
        for _ in range(TRIES_MAX):
            try:
                with transaction(self._engine) as connection:
                    done = acknowledge_once(connection, incident_id, move, self._clock.unix_ms())
            except DBAPIError as error:
                raise as_retryable(error) from error
            if done is not None:
                return done
        raise StoreUnavailableError(f"incident {incident_id} is written by others all the time")

    def acknowledged_untold(self) -> tuple[Incident, ...]:
        """Incidents acknowledged in the last ten minutes of which the others have not been told by whom.

        Raises:
            StoreUnavailableError: try again later.
        """
        try:
            with self._engine.connect() as connection:
                return untold(connection, self._clock.unix_ms())
        except DBAPIError as error:
            raise as_retryable(error) from error

    def tell_acknowledged(self, waiting: Iterable[Incident], compose: ComposeAck) -> int:
        """Write the messages by which the others learn who takes care of these; how many will be sent.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        try:
            with transaction(self._engine) as connection:
                return sum(tell(connection, one, compose, self._clock.unix_ms()) for one in waiting)
        except DBAPIError as error:
            raise as_retryable(error) from error

    def close_over(self) -> int:
        """Close what has been cleared for longer than the window and waits for nobody; how many.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        now = self._clock.unix_ms()
        try:
            with transaction(self._engine) as connection:
                # what somebody is writing just now is not over, and two who wait for each other never meet here
                query = select(incidents).where(is_over_since(now - self._window_ms)).limit(CLOSED_AT_ONCE_MAX)
                found = connection.execute(query.with_for_update(skip_locked=True)).all()
                closing = (Move(Action.CLOSE, detail=LOG_WINDOW),)
                return sum(write_moves(connection, one, closing, {}, now) is not None for one in found)
        except DBAPIError as error:
            raise as_retryable(error) from error

    def get(self, incident_id: int) -> Incident:
        """One incident.

        Raises:
            UnknownIncidentError: there is none.
        """
        with self._engine.connect() as connection:
            row = connection.execute(select(incidents).where(incidents.c.incident_id == incident_id)).one_or_none()
        if row is None:
            raise UnknownIncidentError(incident_id)
        return to_incident(row)

    def open_and_recent(self, market: str | None = None, limit: int = 50) -> tuple[Incident, ...]:
        """Of one market or of all, what matters most first.

        Fires that burn, fires that are over while nobody has said that they looked, what else is active, and then the
        most recently changed.
        """
        row = incidents.c
        query = select(incidents).order_by(urgency(), row.updated_unix_ms.desc(), row.incident_id.desc())
        if market is not None:
            query = query.where(row.market == market)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(min(limit, INCIDENTS_PER_READ_MAX)))
            return tuple(to_incident(one) for one in rows)

    def changed_since(self, unix_ms: int, limit: int = 200) -> tuple[Incident, ...]:
        """What changed at or after `unix_ms` by this side's clock, oldest change first; the newest may come again."""
        query = select(incidents).where(incidents.c.updated_unix_ms >= unix_ms)
        query = query.order_by(incidents.c.updated_unix_ms, incidents.c.incident_id)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(min(limit, INCIDENTS_PER_READ_MAX)))
            return tuple(to_incident(row) for row in rows)

    def events(self, incident_id: int, limit: int = 100) -> tuple[IncidentEvent, ...]:
        """The newest `limit` events of an incident, newest first."""
        with self._engine.connect() as connection:
            return events_of(connection, incident_id, min(limit, EVENTS_PER_READ_MAX))

    def log(self, incident_id: int) -> tuple[LogLine, ...]:
        """An incident's transitions, oldest first."""
        with self._engine.connect() as connection:
            return read_log(connection, incident_id)

    def cameras(self, incident_ids: Iterable[int]) -> Mapping[int, tuple[str, ...]]:
        """Which cameras (or other parts) have seen each of these incidents; one that nobody has seen is missing."""
        with self._engine.connect() as connection:
            return cameras_of(connection, incident_ids)

    def of_event(self, market: str, device: str, event_id: str) -> Incident | None:
        """The incident that a device's event belongs to, once it is recorded."""
        row = incident_events.c
        mine = (row.market == market, row.device == device, row.event_id == event_id)
        query = select(incidents).join(incident_events).where(*mine, row.phase.is_not(None)).limit(1)
        with self._engine.connect() as connection:
            found = connection.execute(query).first()
        return None if found is None else to_incident(found)

    def newest_event(self, market: str, device: str, subject: str, name: str) -> IncidentEvent | None:
        """The newest recorded event of this name from a device's camera or other part."""
        row = incident_events.c
        mine = (row.market == market, row.device == device, row.subject == subject, row.name == name)
        query = select(incident_events).where(*mine).order_by(row.time_unix_ms.desc()).limit(1)
        with self._engine.connect() as connection:
            found = connection.execute(query).first()
        return None if found is None else to_event(found)

    def open_sightings(self, name: str) -> tuple[tuple[str, str, str], ...]:
        """(market, device, event id) of every event called `name` that keeps an incident active."""
        query = (
            select(incident_events.c.market, incident_events.c.device, incident_events.c.event_id)
            .join(incidents)
            .where(is_active(), incident_events.c.name == name)
            .group_by(incident_events.c.market, incident_events.c.device, incident_events.c.event_id)
            .having(func.max(is_cleared()) == 0)
        )
        with self._engine.connect() as connection:
            return tuple((row.market, row.device, row.event_id) for row in connection.execute(query))

    # --- inside the transaction

    def _look_again(
        self,
        connection: Connection,
        incident: Incident,
        compose: Compose,
        last: Callable[[IncidentEvent, Incident], Sighting],
    ) -> int:
        events = events_of(connection, incident.incident_id, limit=1, name=FIRE)
        if not events:
            return 0
        return self._send(connection, incident, compose(Change(Effect.OPENED, last(events[0], incident), incident)))

    def _record_one(self, connection: Connection, seen: Sighting | Picture, compose: Compose) -> Change:
        if not insert_new(connection, incident_events, event_row(seen)):
            return Change(Effect.DUPLICATE, seen)
        if isinstance(seen, Picture):
            return self._record_picture(connection, seen)
        for _ in range(TRIES_MAX):
            row, effect = self._held(connection, seen.open_key), Effect.REPEATED
            if row is not None and not self._goes_on(row, seen):
                if _is_straggler(connection, seen):
                    return Change(Effect.NOTED, seen)
                write_moves(connection, row, (Move(Action.CLOSE, detail=LOG_SUCCEEDED),), {}, self._clock.unix_ms())
                continue
            if row is None:
                if _is_straggler(connection, seen):
                    return Change(Effect.NOTED, seen)
                row, effect = self._open(connection, seen), Effect.OPENED
            change = None if row is None else self._go_on(connection, row, seen, effect)
            if change is not None:
                return self._with_messages(connection, change, compose)
        raise FatalError(f"no incident could be written in {TRIES_MAX} tries: every code drawn was taken")

    def _held(self, connection: Connection, open_key: str) -> Row[tuple[object, ...]] | None:
        """The open incident, locked until the transaction ends: who sees it is read and decided by one at a time."""
        return connection.execute(select(incidents).where(incidents.c.open_key == open_key).with_for_update()).first()

    def _goes_on(self, row: Row[tuple[object, ...]], seen: Sighting) -> bool:
        """Whether a sighting belongs to this open incident; else the incident is over and another one begins."""
        if row.state != State.CLEARED or seen.phase is Phase.CLEARED:
            return True
        if seen.severity == DRILL:
            return False  # whoever tests twice wants two messages
        return bool(abs(seen.time_unix_ms - row.cleared_unix_ms) <= self._window_ms)

    def _open(self, connection: Connection, seen: Sighting) -> Row[tuple[object, ...]] | None:
        """A new incident; `None` if another writer was first or the code is taken."""
        insert_into = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
        now, begun = self._clock.unix_ms(), BEGINS[Action.RAISE].state
        row = opening_row(seen, self._code(), begun, now)
        statement = insert_into(incidents).values(**row).on_conflict_do_nothing().returning(incidents)
        found = connection.execute(statement).one_or_none()
        if found is not None:
            line = log_row(found.incident_id, None, begun, Move(Action.RAISE, detail=seen.subject), now)
            connection.execute(insert(incident_log).values(**line))
        return found

    def _go_on(
        self, connection: Connection, row: Row[tuple[object, ...]], seen: Sighting, effect: Effect
    ) -> Change | None:
        """What the sighting makes of the incident; `None` if somebody else has written it meanwhile."""
        adopt(connection, seen, row.incident_id)
        values: dict[str, object] = {"event_count": row.event_count + 1}
        scores = [one for one in (row.score_max, seen.score) if one is not None]
        if scores:
            values["score_max"] = max(scores)
        if effect is Effect.REPEATED and is_usual(row, seen):
            turn = Turn(effect)
        else:
            turn = turn_of(row, seen, effect, sight_of(connection, row.incident_id))
        written = write_moves(connection, row, turn.moves, {**values, **turn.values}, self._clock.unix_ms())
        return None if written is None else Change(turn.effect, seen, to_incident(written), cameras=turn.cameras)

    def _with_messages(self, connection: Connection, change: Change, compose: Compose) -> Change:
        """Write what the change sends, and cancel what it makes untrue."""
        incident = change.incident
        assert incident is not None  # noqa: S101 — `_go_on` gives every change its incident
        if change.effect is Effect.CLEARED and (incident.detail == LATE or not incident.is_alarm):
            why = OVER_UNKNOWN if incident.is_alarm else OVER_UNTOLD
            cancel_due(connection, incident.incident_id, why, self._clock.unix_ms(), later_only=True)
        return replace(change, messages_due=self._send(connection, incident, compose(change)))

    def _send(self, connection: Connection, incident: Incident, rows: Sequence[NewMessage]) -> int:
        if not rows:
            return 0
        now = self._clock.unix_ms()
        added = add_messages(connection, incident.market, incident.incident_id, incident.code, rows, now)
        # what the device on the spot has told by its own modem is not told again
        if incident.severity == FIRE:
            mark_told(connection, incident.incident_id)
        return added

    def _record_picture(self, connection: Connection, seen: Picture) -> Change:
        keep_still(connection, seen)
        owner = select(func.max(incident_events.c.incident_id)).where(*same_event(seen))
        incident_id = connection.execute(owner).scalar_one()
        if incident_id is None:
            return Change(Effect.NOTED, seen)
        adopt(connection, seen, int(incident_id))
        touch = update(incidents).where(incidents.c.incident_id == incident_id)
        connection.execute(touch.values(updated_unix_ms=self._clock.unix_ms()))
        return Change(Effect.NOTED, seen)


def _is_straggler(connection: Connection, seen: Sighting) -> bool:
    """Whether it tells only of what is over: that opens nothing."""
    return seen.phase is Phase.CLEARED or (seen.phase is Phase.ONGOING and is_over(connection, seen))
