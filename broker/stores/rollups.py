"""How far the roll-ups have come, and which windows have to be rolled up again.

A window that late readings touched stands in `dirty_windows`. The job takes it out by a claim: what comes late while
the window is done again makes it dirty anew, and a job that dies finds its claims when it is started again.
"""

from collections.abc import Iterable, Mapping

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.schema import dirty_claims, dirty_windows, rollups

Window = tuple[str, int]
"""A market and when the window begins."""


class Rollups:
    """Reads and writes the roll-ups' tables. Every call raises `StoreUnavailableError` when it has to be made again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def done_until(self) -> Mapping[str, int]:
        """Until when each market is rolled up; a market that was never looked at is missing."""
        try:
            with self._engine.connect() as connection:
                return {row.market: row.done_until_unix_ms for row in connection.execute(select(rollups))}
        except DBAPIError as error:
            raise as_retryable(error) from error

    def begin(self, market: str, from_unix_ms: int, until_unix_ms: int) -> None:
        """These windows are about to be done for the first time: what was late for them until now is in the store."""
        row = dirty_windows.c
        late = (row.market == market, row.window_unix_ms >= from_unix_ms, row.window_unix_ms < until_unix_ms)
        try:
            with transaction(self._engine) as connection:
                connection.execute(delete(dirty_windows).where(*late))
        except DBAPIError as error:
            raise as_retryable(error) from error

    def note_done(self, market: str, until_unix_ms: int) -> None:
        """A market is rolled up until then; it never goes back."""
        try:
            with transaction(self._engine) as connection:
                insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
                statement = insert(rollups).values(market=market, done_until_unix_ms=until_unix_ms)
                fresh = statement.excluded.done_until_unix_ms
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=["market"],
                        set_={"done_until_unix_ms": fresh},
                        where=fresh > rollups.c.done_until_unix_ms,
                    )
                )
        except DBAPIError as error:
            raise as_retryable(error) from error

    def forget_others(self, markets: Iterable[str]) -> None:
        """Forget markets that are not among these: nothing would ever be done for them, and pruning waits for it."""
        known = tuple(markets)
        try:
            with transaction(self._engine) as connection:
                for table in (dirty_windows, dirty_claims, rollups):
                    connection.execute(delete(table).where(table.c.market.not_in(known)))
        except DBAPIError as error:
            raise as_retryable(error) from error

    def claim(self, limit: int) -> tuple[Window, ...]:
        """Windows to do again, in order: what was claimed and never finished, else up to `limit` dirty ones.

        Only what was done before is to be done again: a dirty window that is not done yet has its turn to come.
        """
        try:
            with transaction(self._engine) as connection:
                held = connection.execute(select(dirty_claims).order_by(*dirty_claims.c)).all()
                if held:
                    return tuple((row.market, row.window_unix_ms) for row in held)
                row = dirty_windows.c
                waiting = (
                    select(row.market, row.window_unix_ms)
                    .join(rollups, rollups.c.market == row.market)
                    .where(row.window_unix_ms < rollups.c.done_until_unix_ms)
                    .order_by(row.market, row.window_unix_ms)
                )
                taken = [(one.market, one.window_unix_ms) for one in connection.execute(waiting.limit(limit))]
                for market, window_unix_ms in taken:
                    here = (row.market == market, row.window_unix_ms == window_unix_ms)
                    connection.execute(delete(dirty_windows).where(*here))
                    connection.execute(dirty_claims.insert().values(market=market, window_unix_ms=window_unix_ms))
                return tuple(taken)
        except DBAPIError as error:
            raise as_retryable(error) from error

    def finished(self, windows: Iterable[Window]) -> None:
        """These claimed windows are done again."""
        row = dirty_claims.c
        try:
            with transaction(self._engine) as connection:
                for market, window_unix_ms in windows:
                    here = (row.market == market, row.window_unix_ms == window_unix_ms)
                    connection.execute(delete(dirty_claims).where(*here))
        except DBAPIError as error:
            raise as_retryable(error) from error

    def waiting(self) -> tuple[int, int | None]:
        """How many windows have to be done again, and when the oldest of them begins."""
        count, oldest = 0, []
        try:
            with self._engine.connect() as connection:
                for table in (dirty_windows, dirty_claims):
                    found = connection.execute(select(func.count(), func.min(table.c.window_unix_ms)))
                    number, first = found.one()
                    count += number
                    oldest += [] if first is None else [int(first)]
        except DBAPIError as error:
            raise as_retryable(error) from error
        return count, min(oldest, default=None)
