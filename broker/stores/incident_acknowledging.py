"""Acknowledging inside a transaction: written once whoever is faster, and told to those who had been told."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, String, cast, func, literal, select

from broker.stores.incident_models import Acknowledgement, ComposeAck, Incident, Told, UnknownIncidentError
from broker.stores.incident_moves import Move, standing_of, write_moves
from broker.stores.incident_rows import to_incident
from broker.stores.incident_states import Action, after
from broker.stores.message_writing import add_messages, cancel_due
from broker.stores.schema import incident_log, incidents, messages

TELL_WITHIN_S = 600.0
UNTOLD_PER_READ_MAX = 200


def acknowledge_once(connection: Connection, incident_id: int, move: Move, now_unix_ms: int) -> Acknowledgement | None:
    """Acknowledge as it stands now; `None` if somebody else has written the incident meanwhile.

    Raises:
        UnknownIncidentError: there is none.
    """
    row = connection.execute(select(incidents).where(incidents.c.incident_id == incident_id)).one_or_none()
    if row is None:
        raise UnknownIncidentError(incident_id)
    standing = standing_of(row)
    if standing.is_acknowledged or after(standing, move.action) is None:
        return Acknowledgement(to_incident(row), is_first=False)
    written = write_moves(connection, row, (move,), {}, now_unix_ms)
    if written is None:
        return None
    incident = to_incident(written)
    why = f"acknowledged by {incident.acknowledged_by}"
    cancel_due(connection, incident_id, why, now_unix_ms, later_only=False)
    return Acknowledgement(incident, is_first=True)


def untold(connection: Connection, now_unix_ms: int) -> tuple[Incident, ...]:
    """Incidents acknowledged lately of which nobody has been told by whom."""
    since_unix_ms, row = now_unix_ms - int(TELL_WITHIN_S * 1000), incidents.c
    told = select(messages.c.message_id).where(
        messages.c.incident_id == row.incident_id, messages.c.message_key.like(literal("%:") + _step())
    )
    query = select(incidents).where(
        row.updated_unix_ms >= since_unix_ms, row.acknowledged_unix_ms >= since_unix_ms, ~told.exists()
    )
    return tuple(to_incident(one) for one in connection.execute(query.limit(UNTOLD_PER_READ_MAX)))


def tell(connection: Connection, incident: Incident, compose: ComposeAck, now_unix_ms: int) -> int:
    """Write the messages by which others learn who takes care; how many will be sent. Again it changes nothing."""
    step = connection.execute(select(_step()).where(incidents.c.incident_id == incident.incident_id)).scalar_one()
    told = told_of(connection, incident.incident_id)
    rows = [replace(one, step=step) for one in compose(incident, str(incident.acknowledged_by), told)]
    return add_messages(connection, incident.market, incident.incident_id, incident.code, rows, now_unix_ms)


def told_of(connection: Connection, incident_id: int) -> Sequence[Told]:
    """Everybody to whom a message of the incident was sent or tried to be, each address once."""
    row = messages.c
    sent = (row.attempts > 0) | row.state.not_in(("due", "cancelled"))
    query = select(row.recipient_name, row.recipient, row.channel).where(row.incident_id == incident_id, sent)
    found = {(one.recipient, one.channel): one.recipient_name for one in connection.execute(query)}
    return tuple(Told(name, recipient, channel) for (recipient, channel), name in sorted(found.items()))


def _step() -> ColumnElement[str]:
    """a0 for an incident's first acknowledgement, a1 for one after its level rose, and so on."""
    log = incident_log.c
    count = select(func.count() - 1).where(
        log.incident_id == incidents.c.incident_id, log.action == Action.ACKNOWLEDGE.value
    )
    return literal("a") + cast(count.scalar_subquery().correlate(incidents), String)
