"""Which incidents are asked for: conditions and orders over their table."""

from sqlalchemy import ColumnElement, and_, case

from broker.stores.incident_models import FIRE
from broker.stores.incident_states import ACTIVE, Level, State
from broker.stores.schema import incidents

_row = incidents.c
_ALARM = and_(_row.severity == FIRE, _row.level == Level.ALARM.value)


def is_open() -> ColumnElement[bool]:
    """Not closed. Said by a comparison rather than by "is not null", which the unique index would not serve."""
    return _row.open_key > ""


def is_active() -> ColumnElement[bool]:
    """Still seen by somebody."""
    return and_(is_open(), _row.state.in_([one.value for one in ACTIVE]))


def burns_unacknowledged() -> ColumnElement[bool]:
    """A fire that somebody sees and nobody takes care of."""
    return and_(is_open(), _row.state == State.RAISED.value, _ALARM)


def is_over_since(before_unix_ms: int) -> ColumnElement[bool]:
    """Cleared and unchanged since before that time, and not a fire that waits for somebody to say that they looked."""
    waits = and_(_ALARM, _row.acknowledged_unix_ms.is_(None))
    return and_(is_open(), _row.state == State.CLEARED.value, _row.updated_unix_ms <= before_unix_ms, ~waits)


def urgency() -> ColumnElement[int]:
    """0 for a fire that burns, 1 for one that is over and unseen by anybody, 2 for what else is active, then 3."""
    active = _row.state.in_([one.value for one in ACTIVE])
    unseen = and_(_row.state == State.CLEARED.value, _row.acknowledged_unix_ms.is_(None))
    return case((and_(active, _ALARM), 0), (and_(unseen, _ALARM), 1), (active, 2), else_=3)
