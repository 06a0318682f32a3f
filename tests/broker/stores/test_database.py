"""Opening and migrating the central state."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, inspect
from sqlalchemy.exc import DBAPIError, OperationalError

from broker.stores.database import (
    StoreUnavailableError,
    as_retryable,
    migrate,
    open_database,
    sqlite_url,
    transaction,
)
from broker.stores.schema import markets, metadata
from runtime.errors import RetryableError, SettingsError

ROOT = Path(__file__).resolve().parents[3]
_MIGRATE = "import sys; from broker.stores.database import migrate, open_database; migrate(open_database(sys.argv[1]))"


def market(name: str) -> dict[str, str]:
    return {"market": name, "name_ko": "시장", "name_en": "Market"}


def test_migrations_make_exactly_the_tables_of_the_schema(engine: Engine) -> None:
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)
    assert differences == []
    assert set(metadata.tables) <= set(inspect(engine).get_table_names())


def test_migrating_again_keeps_what_is_there(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(markets.insert(), [market("jungang")])
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(markets.select()).one().market == "jungang"


def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", _MIGRATE, database_url], cwd=ROOT) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]


def add_and_fail(engine: Engine) -> None:
    with transaction(engine) as connection:
        connection.execute(markets.insert(), [market("jungang")])
        raise RuntimeError("after the insert")


def test_a_failed_transaction_leaves_nothing(engine: Engine) -> None:
    with pytest.raises(RuntimeError, match="after the insert"):
        add_and_fail(engine)
    with engine.connect() as connection:
        assert connection.execute(markets.select()).all() == []


def test_a_reader_does_not_wait_for_a_writer(engine: Engine) -> None:
    with transaction(engine) as writing:
        writing.execute(markets.insert(), [market("jungang")])
        with engine.connect() as reading:
            assert reading.execute(markets.select()).all() == []


def test_two_writers_that_read_first_take_turns(engine: Engine) -> None:
    failures: list[DBAPIError] = []

    def add(names: list[str]) -> None:
        for name in names:
            try:
                with transaction(engine) as connection:
                    connection.execute(markets.select()).all()
                    connection.execute(markets.insert(), [market(name)])
            except DBAPIError as error:
                failures.append(error)

    threads = [threading.Thread(target=add, args=([f"m{n}-{k}" for k in range(10)],)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with engine.connect() as connection:
        assert len(connection.execute(markets.select()).all()) == 30


def test_a_transaction_is_durable_in_sqlite(tmp_path: Path) -> None:
    engine = open_database(sqlite_url(tmp_path / "central.db"))
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar_one() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar_one() == 1
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://localhost/x", "nothing", "sqlite"])
def test_a_url_that_is_neither_says_what_would_be_right(url: str) -> None:
    with pytest.raises(SettingsError, match=r"expected sqlite:///FILE or postgresql\+psycopg://"):
        open_database(url)


def test_a_postgresql_that_is_not_there_is_retryable_and_keeps_its_password_to_itself(free_port: int) -> None:
    engine = open_database(f"postgresql+psycopg://user:secret-password@127.0.0.1:{free_port}/x")
    with pytest.raises(StoreUnavailableError, match="cannot be reached") as caught:
        migrate(engine)
    assert "secret-password" not in str(caught.value)
    engine.dispose()


def test_a_database_error_becomes_retryable() -> None:
    error = as_retryable(OperationalError("SELECT 1", None, ConnectionError("connection lost")))
    assert isinstance(error, RetryableError)
    assert "connection lost" in str(error)
