"""Where rules stand that fire or wait: so little that reading on from there brings the rest back after a restart."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Engine, delete, select
from sqlalchemy.exc import DBAPIError

from broker.stores.database import as_retryable, transaction, upsert
from broker.stores.schema import rule_states


@dataclass(frozen=True, slots=True)
class RulePlace:
    """Which rule, about what. `device` and `subject` are the series'."""

    rule: str
    market: str
    device: str
    subject: str


@dataclass(frozen=True, slots=True)
class RuleState:
    """A rule that fires since `since_unix_ms` (then `event_id` is its event's), or waits since then."""

    place: RulePlace
    since_unix_ms: int
    event_id: str | None


class RuleStates:
    """Reads and writes where rules stand."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, market: str | None = None) -> tuple[RuleState, ...]:
        """Every rule that fires or waits, in one market or in all.

        Raises:
            StoreUnavailableError: try again later.
        """
        query = select(rule_states).order_by(rule_states.c.rule, rule_states.c.market, rule_states.c.subject)
        if market is not None:
            query = query.where(rule_states.c.market == market)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
        except DBAPIError as error:
            raise as_retryable(error) from error
        return tuple(
            RuleState(_place(row.rule, row.market, row.subject), row.since_unix_ms, row.event_id) for row in rows
        )

    def write(self, changed: Iterable[RuleState], over: Iterable[RulePlace]) -> None:
        """Keep what changed and forget what is over, in one transaction.

        Raises:
            StoreUnavailableError: nothing was written; try again.
        """
        rows = [{**_key(one.place), "since_unix_ms": one.since_unix_ms, "event_id": one.event_id} for one in changed]
        gone = [_key(place) for place in over]
        if not rows and not gone:
            return
        try:
            with transaction(self._engine) as connection:
                for key in gone:
                    here = (rule_states.c[name] == value for name, value in key.items())
                    connection.execute(delete(rule_states).where(*here))
                upsert(connection, rule_states, rows)
        except DBAPIError as error:
            raise as_retryable(error) from error


def _key(place: RulePlace) -> dict[str, str]:
    return {"rule": place.rule, "market": place.market, "subject": f"{place.device}/{place.subject}"}


def _place(rule: str, market: str, subject: str) -> RulePlace:
    device, _, name = subject.partition("/")
    return RulePlace(rule, market, device, name)
