"""How the embedded store lays its tables out in SQLite.

`series` numbers (market, kind, device, subject); `latest` points at each series' newest sample; every kind has one
table `samples_<kind>` with a column for each field. A column's declared type says what the field holds. `NUMERIC` makes
SQLite store whole numbers as integers, whatever they came as.

A kind's table has no rowid; its key is (_span, series_id, time_unix_ms), where a span is a minute (an hour for
roll-ups). So what is written now lies together at the table's end. Keyed by series first, each reading of 100,000
stalls would dirty a page of its own, twice: 95 MB/s for 10,000 readings/s (docs/decisions/series-store.md).
"""

import sqlite3
from collections.abc import Iterable

from broker.series.checks import FieldType
from broker.series.freshness import ROLLED_SUFFIX

COLUMNS_MAX = 256
KEY = ("_span", "series_id", "time_unix_ms")  # no field begins with an underscore
PREFIX = "samples_"
SPAN_MS = 60_000
ROLLED_SPAN_MS = 3_600_000

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


def span_ms(kind: str) -> int:
    """How much time one value of `_span` stands for."""
    return ROLLED_SPAN_MS if kind.endswith(ROLLED_SUFFIX) else SPAN_MS


def add_column(connection: sqlite3.Connection, kind: str, field: str, field_type: FieldType) -> None:
    """Give a kind a field, and its table if this is the first. `field` passed the store's checks: it holds no quote."""
    table = table_of(kind)
    connection.execute(
        f"CREATE TABLE IF NOT EXISTS {table} (_span INTEGER NOT NULL, series_id INTEGER NOT NULL,"
        " time_unix_ms INTEGER NOT NULL, PRIMARY KEY (_span, series_id, time_unix_ms)) WITHOUT ROWID"
    )
    connection.execute(f'ALTER TABLE {table} ADD COLUMN "{field}" {_DECLARED[field_type]}')


def sample_upsert(kind: str, fields: tuple[str, ...]) -> str:
    """The statement that stores (series_id, time_unix_ms, these fields), or overwrites them where they are already."""
    names = ", ".join(f'"{field}"' for field in fields)
    marks = ", ".join(f"?{number + 3}" for number in range(len(fields)))
    changes = ", ".join(f'"{field}" = excluded."{field}"' for field in fields)
    return (
        f"INSERT INTO {table_of(kind)} (_span, series_id, time_unix_ms, {names})"  # noqa: S608 - checked names
        f" VALUES (?2 / {span_ms(kind)}, ?1, ?2, {marks})"
        f" ON CONFLICT (_span, series_id, time_unix_ms) DO UPDATE SET {changes}"
    )


def latest_query(kind: str, fields: tuple[str, ...]) -> str:
    """The statement for the newest samples of one kind in a market: device, subject, time, then `fields`."""
    names = ", ".join(f'p."{field}"' for field in fields)
    return (
        f"SELECT s.device, s.subject, p.time_unix_ms, {names} FROM series s"  # noqa: S608 - names passed the checks
        f" JOIN latest l ON l.series_id = s.series_id JOIN {table_of(kind)} p ON {_newest_of(kind)}"
        " WHERE s.market = ? AND s.kind = ? ORDER BY s.device, s.subject"
    )


def newest_query(kind: str) -> str:
    """The statement for the newest times of a kind's series: market, device, subject, time."""
    return (
        "SELECT s.market, s.device, s.subject, p.time_unix_ms FROM series s"  # noqa: S608 - a checked name
        f" JOIN latest l ON l.series_id = s.series_id JOIN {table_of(kind)} p ON {_newest_of(kind)}"
        " WHERE s.kind = ? AND l.time_unix_ms >= ?"
    )


def _newest_of(kind: str) -> str:
    span = f"l.time_unix_ms / {span_ms(kind)}"
    return f"p._span = {span} AND p.series_id = s.series_id AND p.time_unix_ms = l.time_unix_ms"


SERIES_OF_KIND = "SELECT series_id, device, subject FROM series WHERE market = ? AND kind = ? ORDER BY device, subject"


def spans_query(kind: str) -> str:
    """The statement for the spans of a kind, in order, that hold any sample: from one (`?1`) to another (`?2`).

    Each step of the recursion is one look into the key: spans without samples cost nothing.
    """
    table = table_of(kind)
    return (
        f"WITH RECURSIVE held (n) AS (SELECT MIN(_span) FROM {table} WHERE _span >= ?1"  # noqa: S608 - a checked name
        f" UNION ALL SELECT (SELECT MIN(_span) FROM {table} WHERE _span > held.n) FROM held WHERE held.n <= ?2)"
        " SELECT n FROM held WHERE n <= ?2"
    )


def samples_query(kind: str, fields: Iterable[str], spans_count: int) -> str:
    """The statement for `fields` of one series over time within so many spans: time, then fields; oldest first."""
    names = ", ".join(f'"{field}"' for field in fields)
    marks = ", ".join("?" * spans_count)
    return (
        f"SELECT time_unix_ms, {names} FROM {table_of(kind)} WHERE _span IN ({marks})"  # noqa: S608 - checked names
        " AND series_id = ? AND time_unix_ms >= ? AND time_unix_ms < ? ORDER BY _span, time_unix_ms"
    )


def prune_edge_query(kind: str) -> str:
    """The statement for the key of a kind's n-th oldest sample, n from 0."""
    return (
        f"SELECT _span, series_id, time_unix_ms FROM {table_of(kind)}"  # noqa: S608 - a checked name
        " ORDER BY _span, series_id, time_unix_ms LIMIT 1 OFFSET ?"
    )


def prune_statement(kind: str) -> str:
    """The statement that removes the samples whose key is before another."""
    return (
        f"DELETE FROM {table_of(kind)}"  # noqa: S608 - a checked name
        " WHERE (_span, series_id, time_unix_ms) < (?, ?, ?)"
    )


def last_span_query(kind: str) -> str:
    """The statement for what is older than a time in the span that this time is in: series after series from one on."""
    return (
        f"SELECT series_id, time_unix_ms FROM {table_of(kind)} WHERE _span = ?"  # noqa: S608 - a checked name
        " AND series_id >= ? AND time_unix_ms < ? ORDER BY series_id, time_unix_ms LIMIT ?"
    )


def last_span_prune(kind: str) -> str:
    """The statement that removes one sample."""
    return (
        f"DELETE FROM {table_of(kind)}"  # noqa: S608 - a checked name
        " WHERE _span = ? AND series_id = ? AND time_unix_ms = ?"
    )


LATEST_PRUNE = (
    "DELETE FROM latest WHERE time_unix_ms < ? AND series_id IN (SELECT series_id FROM series WHERE kind = ?)"
)


def renew_tables(connection: sqlite3.Connection) -> bool:
    """Lay tables of before there were spans out anew, each in one transaction; whether there were any."""
    old = [kind for kind in kinds(connection) if not _has_spans(connection, kind)]
    for kind in old:
        held = columns(connection, kind)
        names = ", ".join(f'"{field}"' for field in held)
        former = f'"before_{kind}"'
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"ALTER TABLE {table_of(kind)} RENAME TO {former}")
        for field, field_type in held.items():
            add_column(connection, kind, field, field_type)
        connection.execute(
            f"INSERT INTO {table_of(kind)} (_span, series_id, time_unix_ms, {names})"  # noqa: S608 - known columns
            f" SELECT time_unix_ms / {span_ms(kind)} AS n, series_id, time_unix_ms, {names} FROM {former}"
            " ORDER BY n, series_id, time_unix_ms"
        )
        connection.execute(f"DROP TABLE {former}")
        connection.execute("COMMIT")
    return bool(old)


def _has_spans(connection: sqlite3.Connection, kind: str) -> bool:
    return any(name == KEY[0] for _, name, *_ in connection.execute(f"PRAGMA table_info({table_of(kind)})"))
