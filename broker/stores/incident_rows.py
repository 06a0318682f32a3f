"""The rows behind incidents: events as rows, rows as incidents, and which events keep an incident active."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Row, case, exists, func, select, update
from sqlalchemy.sql import ColumnElement

from broker.stores.incident_models import DRILL, FIRE, LATE, Incident, IncidentEvent, Picture, Sighting
from broker.stores.incident_states import State
from broker.stores.schema import incident_events
from contract.events import Phase

Part = tuple[str, str]
"""A device and its camera or other part."""


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


def opening_row(seen: Sighting, code: str, state: State, now_unix_ms: int) -> dict[str, object]:
    """The row of an incident that begins with this sighting, which is not counted yet."""
    return {
        "code": code,
        "market": seen.market,
        "zone": seen.zone,
        "kind": seen.kind,
        "open_key": seen.open_key,
        "state": state.value,
        "severity": seen.severity,
        "level": seen.level,
        "opened_unix_ms": seen.time_unix_ms,
        "updated_unix_ms": now_unix_ms,
        "first_seen_unix_ms": seen.first_seen_unix_ms,
        "decided_unix_ms": seen.decided_unix_ms,
        "media_position_s": seen.media_position_s,
        "score_max": seen.score,
        "detail": LATE if seen.late and seen.severity in {FIRE, DRILL} else seen.detail,
        "event_count": 0,
    }


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


@dataclass(frozen=True, slots=True)
class Sight:
    """Who sees an incident's condition: every part that ever did, with its count of reports, and those that do now."""

    reports_of: Mapping[Part, int]
    seeing: frozenset[Part]

    @property
    def names(self) -> str:
        """The parts, for the log."""
        return ", ".join(sorted({subject for _, subject in self.reports_of}))


def sight_of(connection: Connection, incident_id: int) -> Sight:
    """Who has seen it, and who sees it still.

    Each device's subject counts by its newest event only: a device that lost its memory of an alarm in a power cut
    never clears it, but its next alarm, once cleared, ends both. An event is over also when its end was counted to
    another incident, because it came before its beginning.
    """
    row, ends = incident_events.c, incident_events.alias()
    is_over = exists().where(
        ends.c.market == row.market,
        ends.c.device == row.device,
        ends.c.event_id == row.event_id,
        ends.c.phase == Phase.CLEARED.value,
    )
    events = (
        select(
            row.market,
            row.device,
            row.subject,
            row.event_id,
            func.max(row.time_unix_ms).label("seen_unix_ms"),
            func.count().label("reports"),
        )
        .where(row.incident_id == incident_id, row.phase.is_not(None))
        .group_by(row.market, row.device, row.subject, row.event_id)
    )
    counts: dict[Part, int] = {}
    newest: dict[Part, tuple[int, bool]] = {}
    for found in connection.execute(events.add_columns(is_over.correlate(incident_events).label("over"))):
        part = (found.device, found.subject or "")
        counts[part] = counts.get(part, 0) + found.reports
        # of two at the same moment the one that goes on counts
        newest[part] = max(newest.get(part, (-1, False)), (found.seen_unix_ms, not found.over))
    return Sight(counts, frozenset(part for part, (_, goes_on) in newest.items() if goes_on))


def cameras_of(connection: Connection, incident_ids: Iterable[int]) -> Mapping[int, tuple[str, ...]]:
    """The cameras (or other parts) that have seen each of these incidents."""
    row = incident_events.c
    query = (
        select(row.incident_id, row.subject)
        .where(row.incident_id.in_(tuple(incident_ids)), row.phase.is_not(None), row.subject.is_not(None))
        .distinct()
        .order_by(row.subject)
    )
    found: dict[int, list[str]] = {}
    for one in connection.execute(query):
        found.setdefault(one.incident_id, []).append(one.subject)
    return {incident_id: tuple(names) for incident_id, names in found.items()}
