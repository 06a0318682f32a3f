"""Writing an incident's transitions: the table decides, a comparison with what was read guards, the log remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, insert, select, update

from broker.stores.incident_models import LogLine
from broker.stores.incident_states import Action, Standing, State, after
from broker.stores.schema import incident_log, incidents

NAME_LENGTH_MAX = 80
DETAIL_LENGTH_MAX = 300
LOG_LINES_PER_READ_MAX = 500


class IllegalMoveError(AssertionError):
    """A defect: the caller asked for an action that has no place in the incident's state."""


@dataclass(frozen=True, slots=True)
class Move:
    """An action, and what the log says of it."""

    action: Action
    who: str = ""
    via: str = ""
    detail: str = ""


def standing_of(row: Row[tuple[object, ...]]) -> Standing:
    """Where an incident stands by its row."""
    return Standing(State(row.state), row.acknowledged_unix_ms is not None)


def write_moves(
    connection: Connection,
    row: Row[tuple[object, ...]],
    moves: Sequence[Move],
    values: Mapping[str, object],
    now_unix_ms: int,
) -> Row[tuple[object, ...]] | None:
    """Do these moves one after the other, with further `values`; the row after them, `None` if somebody was faster.

    `row` is how the caller has read the incident: if it has been written since, nothing is written now, and the caller
    reads again and decides anew.
    """
    standing, changes, lines = standing_of(row), dict(values), []
    for move in moves:
        there = after(standing, move.action)
        if there is None:
            raise IllegalMoveError(f"{move.action.value} has no place in {standing}")
        lines.append(log_row(row.incident_id, standing.state, there.state, move, now_unix_ms))
        changes |= _changes(move, standing, there, now_unix_ms)
        standing = there
    here = (
        incidents.c.incident_id == row.incident_id,
        incidents.c.state == row.state,
        incidents.c.version == row.version,
    )
    changes |= {"state": standing.state.value, "version": row.version + 1, "updated_unix_ms": now_unix_ms}
    written = connection.execute(update(incidents).where(*here).values(**changes).returning(incidents)).one_or_none()
    if written is not None and lines:
        connection.execute(insert(incident_log), lines)
    return written


def log_row(
    incident_id: int, from_state: State | None, to_state: State, move: Move, now_unix_ms: int
) -> dict[str, object]:
    """A line of the log."""
    return {
        "incident_id": incident_id,
        "time_unix_ms": now_unix_ms,
        "from_state": None if from_state is None else from_state.value,
        "to_state": to_state.value,
        "action": move.action.value,
        "who": move.who[:NAME_LENGTH_MAX],
        "via": move.via,
        "detail": move.detail[:DETAIL_LENGTH_MAX],
    }


def read_log(connection: Connection, incident_id: int) -> tuple[LogLine, ...]:
    """An incident's log, oldest first; of a very long one the newest lines."""
    names = [incident_log.c[name] for name in LogLine.__slots__]
    query = select(*names).where(incident_log.c.incident_id == incident_id).order_by(incident_log.c.log_id.desc())
    rows = connection.execute(query.limit(LOG_LINES_PER_READ_MAX)).all()
    return tuple(LogLine(**{name: getattr(row, name) for name in LogLine.__slots__}) for row in reversed(rows))


def _changes(move: Move, here: Standing, there: Standing, now_unix_ms: int) -> dict[str, object]:
    changes: dict[str, object] = {}
    if there.is_acknowledged and not here.is_acknowledged:
        changes |= {
            "acknowledged_unix_ms": now_unix_ms,
            "acknowledged_by": move.who[:NAME_LENGTH_MAX],
            "acknowledged_via": move.via,
        }
    elif here.is_acknowledged and not there.is_acknowledged:
        changes |= {"acknowledged_unix_ms": None, "acknowledged_by": None, "acknowledged_via": None}
    if there.state is State.CLOSED and here.state is not State.CLOSED:
        changes |= {"closed_unix_ms": now_unix_ms, "open_key": None}
    return changes
