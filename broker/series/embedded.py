"""The embedded series store: one SQLite file, written by ingest, read by the console at the same time."""

import contextlib
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from broker.series import embedded_layout as layout
from broker.series.checks import SERIES_CACHED_MAX, FieldType, complaint, conflict, type_of
from broker.series.ports import FieldValue, Sample, Series
from runtime.errors import FatalError, JangteoError, PartialError, Rejected, RetryableError

BUSY_TIMEOUT_S = 10.0
READERS_KEPT_MAX = 4
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=2000", "cache_size=-32768")

_AGAIN = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_PROTOCOL")
_REMEDY = {
    "SQLITE_CANTOPEN": "make its folder writable for this user",
    "SQLITE_READONLY": "make the file and its folder writable for this user",
    "SQLITE_NOTADB": "move it away, it is not a series store; a new one is made",
    "SQLITE_CORRUPT": "move it away and restore a copy; a new one is made when there is none",
}

_Rows = dict[tuple[str, tuple[str, ...]], list[tuple[FieldValue, ...]]]


class EmbeddedSeriesStore:
    """Series in the SQLite file `path`.

    The file is made by the first `write`. A process that only reads opens it read-only, sees what was committed before
    its query, and finds nothing while the file does not exist. What `write` returned from survives a power cut
    (`synchronous=FULL`). Rewriting a sample overwrites the fields it names.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._columns: dict[str, dict[str, FieldType]] = {}
        self._ids: dict[Series, int] = {}
        self._readers: list[sqlite3.Connection] = []

    def write(self, samples: Sequence[Sample]) -> None:
        """Store all in one transaction; on the disk when it returns.

        Raises:
            RetryableError: full disk, file locked: nothing is stored.
            PartialError: `rejected` names what will never be taken; the others are stored.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        with self._lock:
            try:
                rejected = self._write(samples)
            except sqlite3.Error as error:
                self._forget()
                raise self._as_ours(error) from error
            except BaseException:
                self._forget()  # no half transaction stays open behind a defect or an interrupt
                raise
        if rejected:
            raise PartialError(rejected)

    def _write(self, samples: Sequence[Sample]) -> list[Rejected]:
        connection = self._open_writer()
        rejected: list[Rejected] = []
        rows: _Rows = defaultdict(list)
        newest: dict[int, int] = {}
        connection.execute("BEGIN IMMEDIATE")
        for index, sample in enumerate(samples):
            wrong = complaint(sample) or self._fit_columns(connection, sample)
            if wrong is not None:
                rejected.append(Rejected(index, wrong))
                continue
            series_id = self._series_id(connection, sample.series)
            time_unix_ms = sample.time_unix_ms
            rows[sample.series.kind, tuple(sample.fields)].append((series_id, time_unix_ms, *sample.fields.values()))
            if time_unix_ms >= newest.get(series_id, 0):
                newest[series_id] = time_unix_ms
        for (kind, fields), values in rows.items():
            connection.executemany(layout.sample_upsert(kind, fields), values)
        connection.executemany(layout.LATEST_UPSERT, newest.items())
        connection.execute("COMMIT")
        return rejected

    def _open_writer(self) -> sqlite3.Connection:
        if self._writer is not None:
            return self._writer
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FatalError(f"{self._path}: its folder cannot be made: {error.strerror}") from error
        writer = sqlite3.connect(self._path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        try:
            for pragma in PRAGMAS:
                writer.execute(f"PRAGMA {pragma}")
            layout.create_tables(writer)
        except sqlite3.Error:
            writer.close()
            raise
        self._writer = writer
        return writer

    def _fit_columns(self, connection: sqlite3.Connection, sample: Sample) -> str | None:
        """Give the sample's kind the columns it lacks; a sentence when the sample does not fit them."""
        kind = sample.series.kind
        held = self._columns.get(kind)
        if held is None or not sample.fields.keys() <= held.keys():
            held = self._columns[kind] = layout.columns(connection, kind)
        missing: dict[str, FieldType] = {}
        for field, value in sample.fields.items():
            field_type = held.get(field)
            if field_type is None:
                missing[field] = type_of(value)
            elif field_type is not type_of(value):
                return conflict(kind, field, field_type, value)
        if missing and len(held) + len(missing) > layout.COLUMNS_MAX:
            return f"kind {kind!r} has {len(held)} fields already, at most {layout.COLUMNS_MAX}"
        for field, field_type in missing.items():
            layout.add_column(connection, kind, field, field_type)
            held[field] = field_type
        return None

    def _series_id(self, connection: sqlite3.Connection, series: Series) -> int:
        known = self._ids.get(series)
        if known is not None:
            return known
        key = (series.market, series.kind, series.device, series.subject)
        connection.execute(layout.SERIES_INSERT, key)
        series_id = int(connection.execute(layout.SERIES_FIND, key).fetchone()[0])
        if len(self._ids) >= SERIES_CACHED_MAX:
            self._ids.clear()
        self._ids[series] = series_id
        return series_id

    def _forget(self) -> None:
        """Drop the writing connection, and with it the open transaction and what was noted inside it."""
        self._columns.clear()
        self._ids.clear()
        if self._writer is not None:
            with contextlib.suppress(sqlite3.Error):  # the connection is given up either way
                self._writer.execute("ROLLBACK")
            self._writer.close()
            self._writer = None

    def latest(self, market: str) -> Sequence[Sample]:
        """The newest sample of every series of the market.

        Raises:
            RetryableError: the file cannot be read right now.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        found: list[Sample] = []
        with self._reader() as connection:
            if connection is None:
                return ()
            for kind in layout.kinds(connection):
                held = layout.columns(connection, kind)
                for device, subject, time_unix_ms, *values in connection.execute(
                    layout.latest_query(kind, tuple(held)), (market, kind)
                ):
                    pairs = zip(held.items(), values, strict=True)
                    fields = {name: _value(field_type, one) for (name, field_type), one in pairs if one is not None}
                    found.append(Sample(Series(market, device, kind, subject), time_unix_ms, fields))
        return tuple(sorted(found, key=lambda sample: sample.series))

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        """(time_unix_ms, value) from `from_unix_ms` until before `until_unix_ms`, oldest first.

        Raises:
            RetryableError: the file cannot be read right now.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        with self._reader() as connection:
            if connection is None or series.kind not in layout.kinds(connection):
                return ()
            field_type = layout.columns(connection, series.kind).get(field)
            key = (series.market, series.kind, series.device, series.subject)
            row = connection.execute(layout.SERIES_FIND, key).fetchone()
            if field_type is None or row is None:
                return ()
            query = layout.range_query(series.kind, field)
            rows = connection.execute(query, (row[0], from_unix_ms, until_unix_ms))
            return tuple((time_unix_ms, _value(field_type, value)) for time_unix_ms, value in rows)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[sqlite3.Connection | None]:
        """A connection for one query, `None` while there is no file; at most `READERS_KEPT_MAX` are kept open."""
        connection: sqlite3.Connection | None = None
        try:
            connection = self._take_reader()
            yield connection
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
                connection = None
            raise self._as_ours(error) from error
        finally:
            if connection is not None:
                self._give_back(connection)

    def _take_reader(self) -> sqlite3.Connection | None:
        with contextlib.suppress(IndexError):  # none is idle: open another
            return self._readers.pop()
        if not self._path.exists():
            return None
        uri = f"{self._path.absolute().as_uri()}?mode=ro"
        return sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        if len(self._readers) < READERS_KEPT_MAX:
            self._readers.append(connection)
        else:
            connection.close()

    def close(self) -> None:
        """Close the file. A later call opens it again."""
        with self._lock:
            self._forget()
        while self._readers:
            self._readers.pop().close()

    def _as_ours(self, error: sqlite3.Error) -> JangteoError:
        name = getattr(error, "sqlite_errorname", None) or "SQLITE_ERROR"
        if name.startswith(_AGAIN):
            return RetryableError(f"{self._path}: {error}")
        remedy = next((text for code, text in _REMEDY.items() if name.startswith(code)), f"see {name} of SQLite")
        return FatalError(f"{self._path}: {error}: {remedy}")


def _value(field_type: FieldType, stored: FieldValue) -> FieldValue:
    return bool(stored) if field_type is FieldType.FLAG else stored
