"""The central state, once in SQLite and once in a real PostgreSQL: every test of a store runs on both."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broker.stores.database import migrate, open_database, sqlite_url
from runtime.clock import ManualClock


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_url(tmp_path / "central.db")
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    one = open_database(database_url)
    migrate(one)
    yield one
    one.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
