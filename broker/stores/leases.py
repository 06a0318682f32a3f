"""Leases: who does a work of which there is one. Written by compare-and-set, judged by each side's own clock.

No two machines have the same time, so nobody compares times here: a holder changes its row every second, and whoever
sees the same row for long enough takes it (`broker.alerts.lease`). Each change of the holder has a term of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, Engine, exists, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction
from broker.stores.schema import leases

GIVEN_BACK = 0


@dataclass(frozen=True, slots=True)
class Term:
    """A lease as it stands. `until_unix_ms` is the holder's own and says to others only that the row has changed."""

    name: str
    holder: str
    until_unix_ms: int
    term: int

    @property
    def is_given_back(self) -> bool:
        """Whether its holder has ended in good order: nobody has to wait."""
        return self.until_unix_ms == GIVEN_BACK


class Leases:
    """Reads and writes leases.

    Every method raises:
        StoreUnavailableError: try again later; whether a write was done is not known.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def read(self, name: str) -> Term | None:
        """The lease as it stands; `None` if nobody ever had it."""
        try:
            with self._engine.connect() as connection:
                row = connection.execute(select(leases).where(leases.c.name == name)).one_or_none()
        except DBAPIError as error:
            raise as_retryable(error) from error
        return None if row is None else Term(row.name, row.holder, row.until_unix_ms, row.term)

    def begin(self, name: str, holder: str, until_unix_ms: int) -> Term | None:
        """The first term of all; `None` if another was first."""
        first = Term(name, holder, until_unix_ms, 1)
        row = {"name": name, "holder": holder, "until_unix_ms": until_unix_ms, "term": first.term}
        insert = postgresql_insert if self._engine.dialect.name == "postgresql" else sqlite_insert
        statement = insert(leases).values(**row).on_conflict_do_nothing().returning(leases.c.name)
        try:
            with transaction(self._engine) as connection:
                return first if connection.execute(statement).one_or_none() is not None else None
        except DBAPIError as error:
            raise as_retryable(error) from error

    def take(self, seen: Term, holder: str, until_unix_ms: int, first: Callable[[Connection], object]) -> Term | None:
        """Another term, if the lease still stands as it was `seen`; else `None`: somebody was there meanwhile.

        `first` is what has to be done before the term begins, in the same transaction.
        """
        unchanged = leases.c.until_unix_ms == seen.until_unix_ms
        return self._change(seen, Term(seen.name, holder, until_unix_ms, seen.term + 1), unchanged, first=first)

    def renew(self, mine: Term, until_unix_ms: int) -> Term | None:
        """The same term, renewed; `None` if it is over because another has taken it."""
        # another number than before in any case: by that the others see that the holder is there
        until = until_unix_ms if until_unix_ms != mine.until_unix_ms else until_unix_ms + 1
        return self._change(mine, Term(mine.name, mine.holder, until, mine.term))

    def give_back(self, mine: Term) -> None:
        """End a term in good order: the next one may begin at once."""
        self._change(mine, Term(mine.name, mine.holder, GIVEN_BACK, mine.term))

    def _change(
        self,
        before: Term,
        after: Term,
        *more: ColumnElement[bool],
        first: Callable[[Connection], object] = lambda _connection: None,
    ) -> Term | None:
        here = (leases.c.name == before.name, leases.c.term == before.term, *more)
        values = {"holder": after.holder, "until_unix_ms": after.until_unix_ms, "term": after.term}
        try:
            with transaction(self._engine) as connection:
                changed = connection.execute(update(leases).where(*here).values(**values)).rowcount
                if changed:
                    first(connection)
        except DBAPIError as error:
            raise as_retryable(error) from error
        return after if changed else None


def is_current(term: Term) -> ColumnElement[bool]:
    """As a condition of another statement: this term is not over. What a woken holder writes under it finds nothing."""
    return exists().where(leases.c.name == term.name, leases.c.term == term.term)
