"""Incidents of before there were four states: each comes into the state that says what was known of it."""

from collections.abc import Iterator

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from broker.stores.database import MIGRATIONS, migrate, open_database, transaction
from broker.stores.incidents import Incidents
from runtime.clock import ManualClock
from tests.broker.alerts.central import MARKET, NOW_UNIX_MS

BEFORE = "0003"
OLD = text(
    "INSERT INTO incidents (code, market, zone, kind, open_key, state, severity, opened_unix_ms, updated_unix_ms,"
    " cleared_unix_ms, acknowledged_unix_ms, acknowledged_by, detail, event_count)"
    " VALUES (:code, :market, :code, 'fire', :open_key, :state, 'fire', 1, 2, :cleared, :acknowledged, :who, '', 1)"
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    one = open_database(database_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with transaction(one) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
    yield one
    one.dispose()


def test_every_old_incident_has_its_state_and_can_go_on(engine: Engine) -> None:
    def old(code: str, state: str, *, is_open: bool, acknowledged: bool) -> dict[str, object]:
        return {
            "code": code,
            "market": MARKET,
            "open_key": f"{MARKET}/{code}/fire" if is_open else None,
            "state": state,
            "cleared": 2 if state == "cleared" else None,
            "acknowledged": 2 if acknowledged else None,
            "who": "김관리" if acknowledged else None,
        }

    rows = [
        old("A", "active", is_open=True, acknowledged=False),
        old("B", "active", is_open=True, acknowledged=True),
        old("C", "cleared", is_open=True, acknowledged=False),
        old("D", "cleared", is_open=True, acknowledged=True),
        old("E", "cleared", is_open=False, acknowledged=False),
    ]
    with transaction(engine) as connection:
        for row in rows:
            connection.execute(OLD, row)
    migrate(engine)
    store = Incidents(engine, ManualClock(NOW_UNIX_MS))
    found = {one.code: one for one in store.open_and_recent(MARKET)}
    assert {code: (one.state, one.acknowledged_via) for code, one in found.items()} == {
        "A": ("raised", None),
        "B": ("acknowledged", "console"),
        "C": ("cleared", None),
        "D": ("cleared", "console"),
        "E": ("closed", None),
    }
    assert {(one.version, one.level) for one in found.values()} == {(0, "alarm")}
    assert store.acknowledge(found["A"].incident_id, "이관리", "reply").incident.state == "acknowledged"
    assert store.close_over() == 1
    assert store.get(found["D"].incident_id).state == "closed"
