"""Incidents: what is wrong where, from the first event to its end, one per market, zone and kind."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection, Engine, Row, case, func, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DataError, DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.incident_models import (
    DRILL,
    FIRE,
    LATE,
    Acknowledgement,
    Change,
    Compose,
    Effect,
    Incident,
    IncidentEvent,
    Picture,
    Sighting,
    UnknownIncidentError,
    UnstorableError,
    new_code,
)
from broker.stores.incident_rows import (
    adopt,
    event_row,
    events_of,
    is_cleared,
    is_over,
    same_event,
    still_active,
    to_event,
    to_incident,
)
from broker.stores.messages import OVER_UNTOLD, NewMessage, add_messages, cancel_due, insert_new
from broker.stores.schema import incident_events, incidents
from broker.stores.stills import keep_still
from contract.events import Phase
from runtime.clock import Clock
from runtime.errors import FatalError

__all__ = ["Acknowledgement", "Incident", "IncidentEvent", "Incidents", "UnknownIncidentError"]

WINDOW_S = 300.0
INCIDENTS_PER_READ_MAX = 1000
EVENTS_PER_READ_MAX = 500
OPEN_TRIES_MAX = 20
OVER_UNKNOWN = "over before it was known here"


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

    def reevaluate(self, compose: Compose, last: Callable[[IncidentEvent, Incident], Sighting]) -> int:
        """Write the messages that active, unacknowledged fires lack (after a restart); how many were added.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        waiting = select(incidents).where(
            incidents.c.state == "active",
            incidents.c.severity == FIRE,
            incidents.c.acknowledged_unix_ms.is_(None),
        )
        added = 0
        try:
            with transaction(self._engine) as connection:
                for row in connection.execute(waiting.limit(INCIDENTS_PER_READ_MAX)).all():
                    incident = to_incident(row)
                    events = events_of(connection, incident.incident_id, limit=1, name=FIRE)
                    if events:
                        change = Change(Effect.OPENED, last(events[0], incident), incident)
                        added += self._send(connection, incident, compose(change))
        except DBAPIError as error:
            raise as_retryable(error) from error
        return added

    def acknowledge(self, incident_id: int, who: str) -> Acknowledgement:
        """Somebody takes care of it: what is due to be sent is cancelled in the same transaction.

        The first acknowledgement stands; another one changes nothing.

        Raises:
            UnknownIncidentError: there is none.
            StoreUnavailableError: try again later.
        """
        now = self._clock.unix_ms()
        here = incidents.c.incident_id == incident_id
        values = {"acknowledged_unix_ms": now, "acknowledged_by": who[:80], "updated_unix_ms": now}
        try:
            with transaction(self._engine) as connection:
                fresh = update(incidents).where(here, incidents.c.acknowledged_unix_ms.is_(None)).values(**values)
                is_first = connection.execute(fresh).rowcount == 1
                if is_first:
                    cancel_due(connection, incident_id, f"acknowledged by {who[:80]}", now, later_only=False)
                row = connection.execute(select(incidents).where(here)).one_or_none()
        except DBAPIError as error:
            raise as_retryable(error) from error
        if row is None:
            raise UnknownIncidentError(incident_id)
        return Acknowledgement(to_incident(row), is_first)

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
        """Active incidents first (fires before all others), then the most recently changed, of one market or of all."""
        active = case((incidents.c.state == "active", 0), else_=1)
        fire = case((incidents.c.severity == FIRE, 0), else_=1)
        order = (active, case((incidents.c.state == "active", fire), else_=2), incidents.c.updated_unix_ms.desc())
        query = select(incidents).order_by(*order, incidents.c.incident_id.desc())
        if market is not None:
            query = query.where(incidents.c.market == market)
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(min(limit, INCIDENTS_PER_READ_MAX)))
            return tuple(to_incident(row) for row in rows)

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
            .where(incidents.c.state == "active", incident_events.c.name == name)
            .group_by(incident_events.c.market, incident_events.c.device, incident_events.c.event_id)
            .having(func.max(is_cleared()) == 0)
        )
        with self._engine.connect() as connection:
            return tuple((row.market, row.device, row.event_id) for row in connection.execute(query))

    # --- one event, inside the transaction

    def _record_one(self, connection: Connection, seen: Sighting | Picture, compose: Compose) -> Change:
        if not insert_new(connection, incident_events, event_row(seen)):
            return Change(Effect.DUPLICATE, seen)
        if isinstance(seen, Picture):
            return self._record_picture(connection, seen)
        effect, incident_id = self._place(connection, seen)
        if incident_id is None:
            return Change(effect, seen)
        adopt(connection, seen, incident_id)
        before = connection.execute(select(incidents).where(incidents.c.incident_id == incident_id)).one()
        values = self._values(connection, seen, before, effect)
        if effect is Effect.REPEATED and before.state == "cleared" and values["state"] == "active":
            effect = Effect.REOPENED
        if seen.phase is Phase.CLEARED and values["state"] == "cleared":
            effect = Effect.CLEARED
        connection.execute(update(incidents).where(incidents.c.incident_id == incident_id).values(**values))
        after = to_incident(connection.execute(select(incidents).where(incidents.c.incident_id == incident_id)).one())
        change = Change(effect, seen, after)
        if effect is Effect.CLEARED and (after.detail == LATE or after.severity != FIRE):
            why = OVER_UNKNOWN if after.severity == FIRE else OVER_UNTOLD
            cancel_due(connection, incident_id, why, self._clock.unix_ms(), later_only=True)
        return Change(effect, seen, after, self._send(connection, after, compose(change)))

    def _place(self, connection: Connection, seen: Sighting) -> tuple[Effect, int | None]:
        """The incident a sighting belongs to, opened if need be. The row is locked until the transaction ends."""
        for _ in range(OPEN_TRIES_MAX):
            held = select(incidents).where(incidents.c.open_key == seen.open_key).with_for_update()
            row = connection.execute(held).one_or_none()
            if row is not None and (row.state == "active" or seen.phase is Phase.CLEARED or self._again(row, seen)):
                return Effect.REPEATED, int(row.incident_id)
            if seen.phase is Phase.CLEARED or (seen.phase is Phase.ONGOING and is_over(connection, seen)):
                return Effect.NOTED, None
            if row is not None:
                close = update(incidents).where(incidents.c.incident_id == row.incident_id)
                connection.execute(close.values(open_key=None))
            opened = self._open(connection, seen)
            if opened is not None:
                return Effect.OPENED, opened
        raise FatalError(f"no free code for an incident after {OPEN_TRIES_MAX} tries")

    def _again(self, row: Row[tuple[object, ...]], seen: Sighting) -> bool:
        if seen.severity == DRILL:
            return False  # whoever tests twice wants two messages
        return bool(abs(seen.time_unix_ms - row.cleared_unix_ms) <= self._window_ms)

    def _open(self, connection: Connection, seen: Sighting) -> int | None:
        """The new incident's number; `None` if another writer was first or the code is taken."""
        insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
        row = {
            "code": self._code(),
            "market": seen.market,
            "zone": seen.zone,
            "kind": seen.kind,
            "open_key": seen.open_key,
            "state": "active",
            "severity": seen.severity,
            "opened_unix_ms": seen.time_unix_ms,
            "updated_unix_ms": self._clock.unix_ms(),
            "first_seen_unix_ms": seen.first_seen_unix_ms,
            "decided_unix_ms": seen.decided_unix_ms,
            "media_position_s": seen.media_position_s,
            "score_max": seen.score,
            "detail": LATE if seen.late and seen.severity in {FIRE, DRILL} else seen.detail,
            "event_count": 0,
        }
        statement = insert(incidents).values(**row).on_conflict_do_nothing().returning(incidents.c.incident_id)
        found = connection.execute(statement).scalar_one_or_none()
        return None if found is None else int(found)

    def _values(
        self, connection: Connection, seen: Sighting, row: Row[tuple[object, ...]], effect: Effect
    ) -> dict[str, object]:
        values: dict[str, object] = {
            "updated_unix_ms": self._clock.unix_ms(),
            "event_count": row.event_count + 1,
            "state": row.state,
        }
        scores = [one for one in (row.score_max, seen.score) if one is not None]
        if scores:
            values["score_max"] = max(scores)
        if seen.phase is Phase.ONGOING and effect is Effect.REPEATED and row.state == "active":
            return values  # the usual repeat: nothing to decide, and no history to read
        active = still_active(connection, int(row.incident_id))
        values["state"] = "active" if active else "cleared"
        if active:
            values["cleared_unix_ms"] = None
        elif row.cleared_unix_ms is None:
            values["cleared_unix_ms"] = seen.time_unix_ms
        return values

    def _send(self, connection: Connection, incident: Incident, rows: Sequence[NewMessage]) -> int:
        if not rows:
            return 0
        now = self._clock.unix_ms()
        return add_messages(connection, incident.market, incident.incident_id, incident.code, rows, now)

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
