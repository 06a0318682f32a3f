"""Removing what is long over: closed incidents with everything that hangs on them, and what never found one."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, Engine, Select, Table, delete, select, tuple_
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.incident_states import State
from broker.stores.schema import (
    acknowledge_tokens,
    incident_events,
    incident_log,
    incidents,
    messages,
    stills,
)

INCIDENTS_AT_ONCE_MAX = 50
STRAYS_AT_ONCE_MAX = 500


class IncidentRemoval:
    """Removes a little at a time, so that nobody who writes a fire waits for it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def remove_closed(self, before_unix_ms: int) -> int:
        """Remove incidents that are closed and unchanged since before that time; how many went this time.

        With them go their log, history, pictures, links and messages. What is not closed stays, however old.

        Raises:
            StoreUnavailableError: nothing was removed; try again.
        """
        row = incidents.c
        # by the last change, which has an index: it is the closing, or an acknowledgement after it
        old = (row.updated_unix_ms < before_unix_ms, row.state == State.CLOSED.value)
        try:
            with transaction(self._engine) as connection:
                query = select(row.incident_id).where(*old).limit(INCIDENTS_AT_ONCE_MAX)
                ids = connection.execute(query.with_for_update()).scalars().all()
                if ids:
                    _remove(connection, ids)
        except DBAPIError as error:
            raise as_retryable(error) from error
        return len(ids)

    def remove_strays(self, before_unix_ms: int) -> int:
        """Remove events and messages of before that time that belong to no incident; how many went this time.

        Raises:
            StoreUnavailableError: nothing was removed; try again.
        """
        event, message = incident_events.c, messages.c
        old: tuple[tuple[Table, tuple[ColumnElement[bool], ...]], ...] = (
            (incident_events, (event.incident_id.is_(None), event.time_unix_ms < before_unix_ms)),
            (messages, (message.incident_id.is_(None), message.created_unix_ms < before_unix_ms)),
        )
        try:
            with transaction(self._engine) as connection:
                return sum(_remove_some(connection, table, here) for table, here in old)
        except DBAPIError as error:
            raise as_retryable(error) from error


def _remove(connection: Connection, ids: Sequence[int]) -> None:
    events: Select[tuple[str]] = select(incident_events.c.event_id).where(incident_events.c.incident_id.in_(ids))
    connection.execute(delete(stills).where(stills.c.event_id.in_(events)))
    for table in (incident_events, incident_log, acknowledge_tokens, messages, incidents):
        connection.execute(delete(table).where(table.c.incident_id.in_(ids)))


def _remove_some(connection: Connection, table: Table, here: tuple[ColumnElement[bool], ...]) -> int:
    keys = tuple(table.primary_key)
    found = connection.execute(select(*keys).where(*here).limit(STRAYS_AT_ONCE_MAX)).all()
    if found:
        connection.execute(delete(table).where(tuple_(*keys).in_([tuple(one) for one in found])))
    return len(found)
