"""The central state's engine: SQLite by default, PostgreSQL in production; migrated by Alembic at start."""

import sqlite3
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from runtime.backoff import Backoff
from runtime.errors import RetryableError, SettingsError

log = structlog.get_logger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_TIMEOUT_S = 10.0
WAL_RETRY_S = 0.02
SQLITE_BEGIN = "sqlite_begin"
EXPECTED_URL = "expected sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME"


class StoreUnavailableError(RetryableError):
    """The central state cannot be reached or is locked: keep the data and try again."""


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


def open_database(url: str) -> Engine:
    """An engine for `url`; connects on first use.

    SQLite runs in WAL with `synchronous=FULL`: what is committed survives a power cut, and readers never wait for the
    writer.

    Raises:
        SettingsError: `url` is neither a SQLite nor a PostgreSQL URL.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(f"database URL: {error}: {EXPECTED_URL}") from error
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S, "check_same_thread": False})
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin)
        return engine
    if parsed.get_backend_name() == "postgresql":
        return create_engine(parsed, pool_pre_ping=True, connect_args={"connect_timeout": 5})
    raise SettingsError(f"database URL: {parsed.get_backend_name()} is not supported: {EXPECTED_URL}")


def _set_up_sqlite(connection: object, _record: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)  # noqa: S101 — narrows the driver's type; the engine is SQLite's
    connection.isolation_level = None  # SQLAlchemy's own BEGIN below decides when a transaction starts
    _use_wal(connection)
    for pragma in ("synchronous=FULL", "foreign_keys=ON", "wal_autocheckpoint=400"):
        connection.execute(f"PRAGMA {pragma}")


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch a new file to WAL. SQLite does not wait for another process that does the same at the same moment."""
    deadline_s = time.monotonic() + BUSY_TIMEOUT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:  # another process is at it: again until the deadline
            if time.monotonic() > deadline_s:
                raise
            time.sleep(WAL_RETRY_S)


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN {connection.get_execution_options().get(SQLITE_BEGIN, 'DEFERRED')}")


def transaction(engine: Engine) -> AbstractContextManager[Connection]:
    """A transaction that writes; reads go through `engine.connect()`.

    In SQLite a deferred transaction that reads and then writes can meet "database is locked" without waiting; an
    immediate one waits its turn, and readers never wait for it.
    """
    return engine.execution_options(**{SQLITE_BEGIN: "IMMEDIATE"}).begin()


def upsert(connection: Connection, table: Table, rows: Sequence[Mapping[str, object]]) -> None:
    """Insert rows, or overwrite those whose primary key is there already; SQLite and PostgreSQL alike."""
    insert = postgresql_insert if connection.dialect.name == "postgresql" else sqlite_insert
    keys = [column.name for column in table.primary_key]
    for row in rows:
        statement = insert(table).values(**row)
        changes = {name: value for name, value in row.items() if name not in keys}
        connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changes))


def migrate(engine: Engine) -> None:
    """Bring the tables to the newest revision; safe to call from several processes at once.

    Raises:
        StoreUnavailableError: the database cannot be reached.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with transaction(engine) as connection:
            if engine.dialect.name == "postgresql":
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(5512)")  # one migrating process at a time
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except OperationalError as error:
        raise StoreUnavailableError(f"the central state at {engine.url!r} cannot be reached: {error.orig}") from error


def migrate_when_there(engine: Engine, stop: threading.Event) -> bool:
    """`migrate`, waiting for the database if need be; false when stopped before that."""
    backoff = Backoff()
    while not stop.is_set():
        try:
            migrate(engine)
        except StoreUnavailableError as error:
            delay_s = backoff.next_delay_s()
            log.warning("database.unavailable", reason=str(error), retry_in_s=round(delay_s, 1))
            stop.wait(delay_s)
        else:
            return True
    return False


def as_retryable(error: DBAPIError) -> StoreUnavailableError:
    """The retryable error that stands for a database error during an operation."""
    return StoreUnavailableError(f"the central state did not answer: {error.orig}")
