"""Which open incidents people have been told of lately, and how: what storm control goes by."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Row, and_, func, or_, select, update

from broker.stores.incident_models import DRILL, FIRE, Incident
from broker.stores.incident_rows import to_incident
from broker.stores.incident_states import State
from broker.stores.message_models import STORM
from broker.stores.schema import incident_events, incidents, messages

FIRST_STEPS = ("0", "t0")
ROWS_PER_READ_MAX = 1000


@dataclass(frozen=True, slots=True)
class ToldOf:
    """An open incident that people were told of. `gathered`: in a summary, not by messages of its own."""

    market: str
    code: str
    is_fire: bool
    gathered: bool
    first_unix_ms: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A step of an incident that waits to be gathered."""

    message_id: int
    step: str
    incident: Incident


@dataclass(frozen=True, slots=True)
class Unanswered:
    """An incident that nobody has acknowledged, and when people were first told."""

    incident: Incident
    told_unix_ms: int


def told_of(connection: Connection, markets: Collection[str]) -> tuple[ToldOf, ...]:
    """The open incidents of these markets that people were told of."""
    first = func.min(messages.c.created_unix_ms)
    by = (incidents.c.market, incidents.c.code, incidents.c.severity, messages.c.channel)
    query = (
        select(*by, first.label("first"))
        .join_from(incidents, messages)
        .where(incidents.c.market.in_(markets), incidents.c.open_key.is_not(None))
        .where(or_(*(messages.c.message_key.like(f"%:{step}") for step in FIRST_STEPS)))
        .group_by(*by)
    )
    return tuple(
        ToldOf(row.market, row.code, row.severity == FIRE, row.channel == STORM, row.first)
        for row in connection.execute(query)
    )


def waiting_markets(connection: Connection, now_unix_ms: int) -> tuple[str, ...]:
    """The markets in which something is due to be gathered."""
    row = messages.c
    due = select(row.market).where(row.channel == STORM, row.state == "due", row.due_unix_ms <= now_unix_ms)
    return tuple(connection.execute(due.distinct()).scalars())


def waiting(connection: Connection, now_unix_ms: int, hold_ms: int, *, fires: bool) -> tuple[Waiting, ...]:
    """What is due to be gathered, with what would be within `hold_ms`, so that one summary has it all.

    The rows are locked until the transaction ends; another process that gathers at once gets none of them.
    """
    row = messages.c
    alike = incidents.c.severity == FIRE if fires else incidents.c.severity != FIRE
    here = (row.channel == STORM, row.state == "due", alike)
    query = select(row.market).join_from(messages, incidents).where(*here, row.due_unix_ms <= now_unix_ms)
    markets = tuple(connection.execute(query.distinct()).scalars())
    if not markets:
        return ()
    rows = (
        select(row.message_id, row.message_key, row.incident_id)
        .join_from(messages, incidents)
        .where(*here, row.due_unix_ms <= now_unix_ms + hold_ms, row.market.in_(markets))
        .order_by(row.due_unix_ms, row.message_id)
        .limit(ROWS_PER_READ_MAX)
        .with_for_update(skip_locked=True, of=messages)
    )
    found = connection.execute(rows).all()
    about = {one.incident_id: one for one in _incidents(connection, {one.incident_id for one in found})}
    return tuple(Waiting(one.message_id, one.message_key.rpartition(":")[2], about[one.incident_id]) for one in found)


def unanswered(connection: Connection, of: Collection[int] | None = None) -> tuple[Unanswered, ...]:
    """The incidents (`of` these, or of all) that people were told of and nobody has acknowledged.

    Active ones, and fires that went out so; how they were told does not matter. Drills are not repeated.
    """
    row, key = incidents.c, messages.c.message_key
    first = select(func.min(messages.c.created_unix_ms)).where(
        messages.c.incident_id == row.incident_id, or_(*(key.like(f"%:{step}") for step in FIRST_STEPS))
    )
    query = select(incidents, first.scalar_subquery().label("told_unix_ms")).where(
        row.open_key.is_not(None),
        row.acknowledged_unix_ms.is_(None),
        row.severity != DRILL,
        or_(row.state == State.RAISED, and_(row.state == State.CLEARED, row.severity == FIRE)),
    )
    if of is not None:
        query = query.where(row.incident_id.in_(of))
    found = connection.execute(query).all()
    return tuple(Unanswered(to_incident(one), one.told_unix_ms) for one in found if one.told_unix_ms is not None)


def subject_of(connection: Connection, incident: Incident) -> str:
    """The camera or other part that saw an incident last."""
    row = incident_events.c
    query = select(row.subject).where(row.incident_id == incident.incident_id, row.subject.is_not(None))
    return connection.execute(query.order_by(row.time_unix_ms.desc()).limit(1)).scalar_one_or_none() or ""


def mark_gathered(connection: Connection, ids: Sequence[int], summary: str, now_unix_ms: int) -> None:
    """These rows are told by a summary, or by messages written now."""
    values = {"state": "accepted", "provider": STORM, "provider_reference": summary, "accepted_unix_ms": now_unix_ms}
    connection.execute(update(messages).where(messages.c.message_id.in_(ids)).values(**values))


def _incidents(connection: Connection, ids: Collection[int]) -> tuple[Incident, ...]:
    rows: Sequence[Row[tuple[object, ...]]] = connection.execute(
        select(incidents).where(incidents.c.incident_id.in_(ids))
    ).all()
    return tuple(to_incident(row) for row in rows)


def repeats_written(connection: Connection, incident_id: int) -> int:
    """The newest repeat of an incident that was written; 0 before the first."""
    query = select(messages.c.message_key).where(
        messages.c.incident_id == incident_id, messages.c.message_key.like("%:r%")
    )
    steps = (key.rpartition(":r")[2] for key in connection.execute(query).scalars())
    return max((int(step) for step in steps if step.isdecimal()), default=0)
