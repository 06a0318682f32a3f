from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broker.stores.database import migrate, open_database, sqlite_url
from runtime.clock import ManualClock
from tests.broker.alerts.central import NOW_UNIX_MS, enrol


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(made)
    enrol(made)
    yield made
    made.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_UNIX_MS)
