"""How the embedded store lays its tables out in SQLite.

`series` numbers (market, kind, device, subject); `latest` points at each series' newest sample; every kind has one
table `samples_<kind>`, keyed by (series_id, time_unix_ms) without a rowid, with a column for each field. A column's
declared type says what the field holds. `NUMERIC` makes SQLite store whole numbers as integers, whatever they came as.
"""

import sqlite3

from broker.series.checks import FieldType

COLUMNS_MAX = 256
KEY = ("series_id", "time_unix_ms")
PREFIX = "samples_"

_DECLARED = {FieldType.NUMBER: "NUMERIC", FieldType.FLAG: "BOOLEAN", FieldType.TEXT: "TEXT"}
_TYPES = {declared: field_type for field_type, declared in _DECLARED.items()}

_SERIES = (
    "CREATE TABLE IF NOT EXISTS series (series_id INTEGER PRIMARY KEY, market TEXT NOT NULL, kind TEXT NOT NULL,"
    " device TEXT NOT NULL, subject TEXT NOT NULL, UNIQUE (market, kind, device, subject))"
)
_LATEST = "CREATE TABLE IF NOT EXISTS latest (series_id INTEGER PRIMARY KEY, time_unix_ms INTEGER NOT NULL)"

LATEST_UPSERT = (
    "INSERT INTO latest (series_id, time_unix_ms) VALUES (?, ?) ON CONFLICT (series_id) DO UPDATE"
    " SET time_unix_ms = excluded.time_unix_ms WHERE excluded.time_unix_ms > latest.time_unix_ms"
)
SERIES_INSERT = "INSERT INTO series (market, kind, device, subject) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
SERIES_FIND = "SELECT series_id FROM series WHERE market = ? AND kind = ? AND device = ? AND subject = ?"


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables that do not depend on kinds, where they are missing."""
    connection.execute(_SERIES)
    connection.execute(_LATEST)


def table_of(kind: str) -> str:
    """The quoted name of a kind's table. `kind` is an id, so it holds no quote."""
    return f'"{PREFIX}{kind}"'


def kinds(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The kinds that have a table."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    return tuple(name.removeprefix(PREFIX) for (name,) in rows if name.startswith(PREFIX))


def columns(connection: sqlite3.Connection, kind: str) -> dict[str, FieldType]:
    """The fields of a kind and what they hold; empty when the kind has no table yet."""
    rows = connection.execute(f"PRAGMA table_info({table_of(kind)})")
    return {name: _TYPES[declared] for _, name, declared, *_ in rows if name not in KEY}


def add_column(connection: sqlite3.Connection, kind: str, field: str, field_type: FieldType) -> None:
    """Give a kind a field, and its table if this is the first. `field` passed the store's checks: it holds no quote."""
    table = table_of(kind)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (series_id INTEGER NOT NULL, time_unix_ms INTEGER NOT NULL,"
        " PRIMARY KEY (series_id, time_unix_ms)) WITHOUT ROWID"
    )
    connection.execute(f'ALTER TABLE {table} ADD COLUMN "{field}" {_DECLARED[field_type]}')


def sample_upsert(kind: str, fields: tuple[str, ...]) -> str:
    """The statement that stores these fields of a sample, or overwrites them where the sample is there already."""
    names = ", ".join(f'"{field}"' for field in fields)
    marks = ", ".join("?" * (len(KEY) + len(fields)))
    changes = ", ".join(f'"{field}" = excluded."{field}"' for field in fields)
    return (
        f"INSERT INTO {table_of(kind)} (series_id, time_unix_ms, {names}) VALUES ({marks})"  # noqa: S608 - checked names
        f" ON CONFLICT (series_id, time_unix_ms) DO UPDATE SET {changes}"
    )


def latest_query(kind: str, fields: tuple[str, ...]) -> str:
    """The statement for the newest samples of one kind in a market: device, subject, time, then `fields`."""
    names = ", ".join(f'p."{field}"' for field in fields)
    return (
        f"SELECT s.device, s.subject, p.time_unix_ms, {names} FROM series s"  # noqa: S608 - names passed the checks
        " JOIN latest l ON l.series_id = s.series_id"
        f" JOIN {table_of(kind)} p ON p.series_id = s.series_id AND p.time_unix_ms = l.time_unix_ms"
        " WHERE s.market = ? AND s.kind = ? ORDER BY s.device, s.subject"
    )


def scan_query(kind: str, fields: tuple[str, ...]) -> str:
    """The statement for all samples of one kind in a market, series after series: device, subject, time, `fields`."""
    names = ", ".join(f'p."{field}"' for field in fields)
    return (
        f"SELECT s.device, s.subject, p.time_unix_ms, {names} FROM series s"  # noqa: S608 - names passed the checks
        # CROSS JOIN: SQLite keeps the order of the tables, so that each series is one range of the samples' key
        f" CROSS JOIN {table_of(kind)} p ON p.series_id = s.series_id"
        " WHERE s.market = ? AND s.kind = ? AND p.time_unix_ms >= ? AND p.time_unix_ms < ?"
        " ORDER BY s.market, s.kind, s.device, s.subject, p.time_unix_ms"
    )


def newest_query(kind: str) -> str:
    """The statement for the newest times of a kind's series: market, device, subject, time."""
    return (
        "SELECT s.market, s.device, s.subject, p.time_unix_ms FROM series s"  # noqa: S608 - a checked name
        " JOIN latest l ON l.series_id = s.series_id"
        f" JOIN {table_of(kind)} p ON p.series_id = s.series_id AND p.time_unix_ms = l.time_unix_ms"
        " WHERE s.kind = ? AND l.time_unix_ms >= ?"
    )


def old_series_query(kind: str) -> str:
    """The statement for the next series, by number, that has samples from before a time."""
    return (
        "SELECT s.series_id FROM series s WHERE s.kind = ? AND s.series_id >= ?"  # noqa: S608 - a checked name
        f" AND EXISTS (SELECT 1 FROM {table_of(kind)} p WHERE p.series_id = s.series_id AND p.time_unix_ms < ?)"
        " ORDER BY s.series_id LIMIT ?"
    )


def prune_edge_query(kind: str) -> str:
    """The statement for the time of a series' n-th oldest sample from before a time, n from 0."""
    return (
        f"SELECT time_unix_ms FROM {table_of(kind)} WHERE series_id = ? AND time_unix_ms < ?"  # noqa: S608 - checked
        " ORDER BY time_unix_ms LIMIT 1 OFFSET ?"
    )


def prune_statement(kind: str) -> str:
    """The statement that removes a series' samples from before a time."""
    return f"DELETE FROM {table_of(kind)} WHERE series_id = ? AND time_unix_ms < ?"  # noqa: S608 - a checked name


LATEST_PRUNE = "DELETE FROM latest WHERE series_id = ? AND time_unix_ms < ?"


def range_query(kind: str, field: str) -> str:
    """The statement for one field of one series over time; NULL where a sample lacks it."""
    return (
        f'SELECT time_unix_ms, "{field}" FROM {table_of(kind)} WHERE series_id = ?'  # noqa: S608 - a known column
        " AND time_unix_ms >= ? AND time_unix_ms < ? ORDER BY time_unix_ms"
    )
