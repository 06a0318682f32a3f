"""Stills: the pictures of fires, three a fire, for as long as they may be kept."""

from collections.abc import Iterable

from sqlalchemy import Connection, Engine, Row, Select, and_, delete, exists, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ColumnElement

from broker.stores.database import as_retryable, transaction
from broker.stores.incident_models import Picture, Still, StillNote
from broker.stores.schema import incident_events, incidents, markets, stills

MOMENTS = ("before", "first", "now")
REMOVED_AT_ONCE_MAX = 200


class Stills:
    """Reads and removes stills. They are written by `Incidents.record`, with their event."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, incident_id: int, moment: str = "now") -> Still | None:
        """The newest picture of an incident and moment, if one came and is still kept."""
        query = select(stills).where(stills.c.event_id.in_(_events_of(incident_id)), stills.c.moment == moment)
        with self._engine.connect() as connection:
            row = connection.execute(query.order_by(stills.c.time_unix_ms.desc()).limit(1)).one_or_none()
        return None if row is None else Still(**{name: getattr(row, name) for name in Still.__slots__})

    def of_incident(self, incident_id: int) -> tuple[StillNote, ...]:
        """Which pictures of an incident `get` has, in the order of their moments; none is read."""
        columns = [stills.c[name] for name in StillNote.__slots__]
        query = select(*columns).where(stills.c.event_id.in_(_events_of(incident_id))).order_by(stills.c.time_unix_ms)
        with self._engine.connect() as connection:
            newest = {row.moment: _note(row) for row in connection.execute(query)}
        return tuple(newest[moment] for moment in MOMENTS if moment in newest)

    def with_still(self, incident_ids: Iterable[int]) -> frozenset[int]:
        """Those of these incidents of which there is a picture of now; no picture is read."""
        row = incident_events.c
        query = (
            select(row.incident_id)
            .join(stills, stills.c.event_id == row.event_id)
            .where(row.incident_id.in_(tuple(incident_ids)), stills.c.moment == "now")
            .distinct()
        )
        with self._engine.connect() as connection:
            return frozenset(connection.execute(query).scalars())

    def remove_older_than(self, before_unix_ms: int) -> int:
        """Remove pictures taken before that time, some at a time; how many went.

        Raises:
            StoreUnavailableError: try again later.
        """
        return self._remove(stills.c.time_unix_ms < before_unix_ms)

    def remove_unreplaced(self, before_unix_ms: int) -> int:
        """Where the market asks for privacy: remove originals whose incident was over before that time; how many went.

        An original that never found its incident goes by its own time.

        Raises:
            StoreUnavailableError: try again later.
        """
        row = incident_events.c
        asked = exists().where(markets.c.market == stills.c.market, markets.c.private_stills)
        mine = and_(row.event_id == stills.c.event_id, row.market == stills.c.market, row.incident_id.is_not(None))
        incident = select(incidents.c.incident_id).join(incident_events, row.incident_id == incidents.c.incident_id)
        is_over = and_(incidents.c.state.in_(("cleared", "closed")), incidents.c.cleared_unix_ms < before_unix_ms)
        over, lost = exists(incident.where(mine, is_over)), and_(~exists(incident.where(mine)), _taken(before_unix_ms))
        return self._remove(~stills.c.private, asked, or_(over, lost))

    def _remove(self, *here: ColumnElement[bool]) -> int:
        keys = (stills.c.event_id, stills.c.moment)
        try:
            with transaction(self._engine) as connection:
                found = connection.execute(select(*keys).where(*here).limit(REMOVED_AT_ONCE_MAX)).all()
                if found:
                    chosen = [(row.event_id, row.moment) for row in found]
                    connection.execute(delete(stills).where(tuple_(*keys).in_(chosen)))
        except DBAPIError as error:
            raise as_retryable(error) from error
        return len(found)


def keep_still(connection: Connection, seen: Picture) -> None:
    """Write a picture inside the caller's transaction: the first of its moment stays, a private one replaces it."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    row = {
        "event_id": seen.event_id,
        "moment": seen.moment,
        "market": seen.market,
        "camera": seen.camera,
        "time_unix_ms": seen.time_unix_ms,
        "private": seen.private,
        "jpeg": seen.jpeg,
    }
    statement = insert(stills).values(**row)
    if not seen.private:
        connection.execute(statement.on_conflict_do_nothing())
        return
    keys = [stills.c.event_id, stills.c.moment]
    # the time stays the original's: how long it is kept counts from there
    changes = {name: statement.excluded[name] for name in ("private", "jpeg")}
    own = and_(stills.c.market == seen.market, stills.c.camera == seen.camera)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes, where=own))


def _events_of(incident_id: int) -> Select[tuple[str]]:
    return select(incident_events.c.event_id).where(incident_events.c.incident_id == incident_id)


def _taken(before_unix_ms: int) -> ColumnElement[bool]:
    return stills.c.time_unix_ms < before_unix_ms


def _note(row: Row[tuple[object, ...]]) -> StillNote:
    return StillNote(**{name: getattr(row, name) for name in StillNote.__slots__})
