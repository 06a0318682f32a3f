"""Policies as they were saved: for one market, or (market "") for all that have none of their own."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, Engine, Row, delete, select

from broker.stores.database import transaction, upsert
from broker.stores.policy_models import Policy, PolicyTable
from broker.stores.schema import alert_policies, markets
from runtime.clock import Clock

log = structlog.get_logger(__name__)

ALL_MARKETS = ""
SITE_FILE = "site file"
"""Who saved what came with an enrolment; anybody else edited it in the console, and has the last word."""

BUILT_IN = PolicyTable()


@dataclass(frozen=True, slots=True)
class SavedPolicies:
    """A market's policies and where they come from: `saved_by` is empty for the built-in ones.

    `is_own`: saved for this market, not the default of all.
    """

    table: PolicyTable
    saved_by: str = ""
    saved_unix_ms: int | None = None
    is_own: bool = False


class Policies:
    """Reads and writes policies. What is saved and does not fit the model any more is passed over, and logged."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def of(self, market: str) -> SavedPolicies:
        """What counts in a market."""
        return self.of_all((market,))[market]

    def of_all(self, wanted: Collection[str]) -> Mapping[str, SavedPolicies]:
        """What counts in each of these markets."""
        query = select(alert_policies).where(alert_policies.c.market.in_((ALL_MARKETS, *wanted)))
        with self._engine.connect() as connection:
            rows = {row.market: _read(row) for row in connection.execute(query)}
        default = rows.get(ALL_MARKETS) or SavedPolicies(BUILT_IN)
        return {market: rows.get(market) or default for market in wanted}

    def save(self, market: str, kind: str, policy: Policy, who: str) -> SavedPolicies:
        """Replace one kind's policy in a market (`ALL_MARKETS`: in the default); the others stay as they count now.

        Raises:
            pydantic.ValidationError: that policy may not stand there; nothing was saved.
        """
        with transaction(self._engine) as connection:
            # Two managers who save two kinds at once wait for each other; neither loses what the other saved.
            connection.execute(select(markets.c.market).order_by(markets.c.market).with_for_update())
            rows = {row.market: _read(row) for row in connection.execute(select(alert_policies))}
            before = rows.get(market) or rows.get(ALL_MARKETS) or SavedPolicies(BUILT_IN)
            table = before.table.with_policy(kind, policy)
            _write(connection, market, table, who, self._clock.unix_ms())
        return SavedPolicies(table, who, self._clock.unix_ms(), is_own=market != ALL_MARKETS)

    def forget(self, market: str) -> bool:
        """Let the default count again in a market; whether it had policies of its own."""
        with transaction(self._engine) as connection:
            gone = connection.execute(delete(alert_policies).where(alert_policies.c.market == market))
        return gone.rowcount > 0


def enrol_policies(connection: Connection, market: str, table: PolicyTable | None, now_unix_ms: int) -> bool:
    """Keep what a site file says inside the caller's transaction; false where the console's word stands instead."""
    saved = connection.execute(select(alert_policies).where(alert_policies.c.market == market)).one_or_none()
    if saved is not None and saved.updated_by != SITE_FILE:
        return False
    if table is None:
        connection.execute(delete(alert_policies).where(alert_policies.c.market == market))
    else:
        _write(connection, market, table, SITE_FILE, now_unix_ms)
    return True


def _write(connection: Connection, market: str, table: PolicyTable, who: str, now_unix_ms: int) -> None:
    document = table.model_dump(mode="json")
    row = {"market": market, "document": document, "updated_unix_ms": now_unix_ms, "updated_by": who[:80]}
    upsert(connection, alert_policies, [row])


def _read(row: Row[tuple[object, ...]]) -> SavedPolicies | None:
    try:
        table = PolicyTable.model_validate(row.document)
    except ValidationError as error:
        log.error("policies.unreadable", market=row.market, reason=str(error)[:500])  # noqa: TRY400 — no defect here
        return None
    return SavedPolicies(table, row.updated_by, row.updated_unix_ms, row.market != ALL_MARKETS)
