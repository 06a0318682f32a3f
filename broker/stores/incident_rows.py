"""The rows behind incidents: events as rows, rows as incidents, and which events keep an incident active."""

from sqlalchemy import Connection, Row, case, exists, func, select, update
from sqlalchemy.sql import ColumnElement

from broker.stores.incident_models import Incident, IncidentEvent, Picture, Sighting
from broker.stores.schema import incident_events
from contract.events import Phase


def event_row(seen: Sighting | Picture) -> dict[str, object]:
    """The history row of what was seen, not yet given to an incident."""
    row: dict[str, object] = {
        "market": seen.market,
        "device": seen.device,
        "epoch": seen.epoch,
        "seq": seen.seq,
        "event_id": seen.event_id,
        "time_unix_ms": seen.time_unix_ms,
    }
    if isinstance(seen, Picture):
        return {**row, "name": "still", "subject": seen.camera, "phase": None, "body": ""}
    return {**row, "name": seen.name, "subject": seen.subject, "phase": seen.phase.value, "body": seen.body}


def to_incident(row: Row[tuple[object, ...]]) -> Incident:
    """A row of the incidents' table."""
    return Incident(**{name: getattr(row, name) for name in Incident.__slots__})


def to_event(row: Row[tuple[object, ...]]) -> IncidentEvent:
    """A row of the history."""
    return IncidentEvent(**{name: getattr(row, name) for name in IncidentEvent.__slots__})


def events_of(
    connection: Connection, incident_id: int, limit: int, name: str | None = None
) -> tuple[IncidentEvent, ...]:
    """An incident's newest events (of one name), newest first."""
    query = select(incident_events).where(incident_events.c.incident_id == incident_id)
    if name is not None:
        query = query.where(incident_events.c.name == name)
    rows = connection.execute(query.order_by(incident_events.c.time_unix_ms.desc()).limit(limit))
    return tuple(to_event(row) for row in rows)


def same_event(seen: Sighting | Picture) -> tuple[ColumnElement[bool], ...]:
    """Every row with this event id from this device."""
    return (
        incident_events.c.event_id == seen.event_id,
        incident_events.c.market == seen.market,
        incident_events.c.device == seen.device,
    )


def is_cleared() -> ColumnElement[int]:
    """1 for a row that ends its event, else 0."""
    return case((incident_events.c.phase == Phase.CLEARED.value, 1), else_=0)


def is_over(connection: Connection, seen: Sighting) -> bool:
    """Whether this event was cleared already: what still comes of it came out of order."""
    query = select(exists().where(*same_event(seen), incident_events.c.phase == Phase.CLEARED.value))
    return bool(connection.execute(query).scalar_one())


def adopt(connection: Connection, seen: Sighting | Picture, incident_id: int) -> None:
    """Give the incident every row of this event, also those that came before their incident was known."""
    orphans = (*same_event(seen), incident_events.c.incident_id.is_(None))
    connection.execute(update(incident_events).where(*orphans).values(incident_id=incident_id))


def still_active(connection: Connection, incident_id: int) -> bool:
    """Whether any event of the incident is not cleared.

    Each device's subject counts by its newest event only: a device that lost its memory of an alarm in a power cut
    never clears it, but its next alarm, once cleared, ends both.
    """
    row = incident_events.c
    query = (
        select(row.device, row.subject, func.max(row.time_unix_ms).label("seen"), func.max(is_cleared()).label("over"))
        .where(row.incident_id == incident_id, row.phase.is_not(None))
        .group_by(row.device, row.subject, row.event_id)
    )
    newest: dict[tuple[str, str | None], tuple[int, int]] = {}
    for found in connection.execute(query):
        key = (found.device, found.subject)
        newest[key] = max(newest.get(key, (-1, 0)), (found.seen, -found.over))
    return any(over == 0 for _, over in newest.values())
