"""The embedded series store: one SQLite file, written by ingest and upkeep, read by the console at the same time."""

import contextlib
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import structlog

from broker.series import embedded_layout as layout
from broker.series.buckets import Bucket, buckets_of
from broker.series.checks import SERIES_CACHED_MAX, FieldType, complaint, conflict, type_of
from broker.series.embedded_pruning import Pruning
from broker.series.freshness import ROLLED_SUFFIX
from broker.series.ports import FieldValue, Sample, Series
from broker.series.shapes import Shape, ShapedFields
from runtime.errors import FatalError, JangteoError, PartialError, Rejected, RetryableError

log = structlog.get_logger(__name__)

BUSY_TIMEOUT_S = 10.0
READERS_KEPT_MAX = 4
SPANS_PER_QUERY_MAX = 240  # what is in memory at once: four hours of one series, ten days of its roll-up
PRAGMAS = ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=2000", "cache_size=-32768")

_AGAIN = ("SQLITE_FULL", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_IOERR", "SQLITE_NOMEM", "SQLITE_PROTOCOL")
_REMEDY = {
    "SQLITE_CANTOPEN": "make its folder writable for this user",
    "SQLITE_READONLY": "make the file and its folder writable for this user",
    "SQLITE_NOTADB": "move it away, it is not a series store; a new one is made",
    "SQLITE_CORRUPT": "move it away and restore a copy; a new one is made when there is none",
}

_Fitted = tuple[tuple[str, tuple[str, ...]], tuple[FieldValue, ...]]  # (kind, fields), and the constants' values
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
        self._fitted: dict[Shape, _Fitted] = {}
        self._readers: list[sqlite3.Connection] = []
        self._pruning = Pruning()

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
            series, time_unix_ms, fields = sample
            fitted = self._fitted.get(fields.shape) if isinstance(fields, ShapedFields) else None
            wrong = None if fitted else complaint(sample) or self._fit_columns(connection, sample)
            if wrong is not None:
                rejected.append(Rejected(index, wrong))
                continue
            series_id = self._ids.get(series) or self._series_id(connection, series)
            if isinstance(fields, ShapedFields):
                place, constants = fitted or self._note_shape(fields.shape)
                rows[place].append((series_id, time_unix_ms, *fields.held, *constants))
            else:
                rows[series.kind, tuple(fields)].append((series_id, time_unix_ms, *fields.values()))
            if time_unix_ms >= newest.get(series_id, 0):
                newest[series_id] = time_unix_ms
        for (kind, names), values in rows.items():
            connection.executemany(layout.sample_upsert(kind, names), values)
        connection.executemany(layout.LATEST_UPSERT, newest.items())
        connection.execute("COMMIT")
        return rejected

    def _note_shape(self, shape: Shape) -> _Fitted:
        """Remember that samples of this shape fit: shapes are few, bounded by the contract's states and absences."""
        names = (*shape.names, *(name for name, _ in shape.constants))
        self._fitted[shape] = fitted = ((shape.kind, names), tuple(value for _, value in shape.constants))
        return fitted

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
            if layout.renew_tables(writer):
                log.warning("series.laid-out-anew", file=str(self._path))
        except sqlite3.Error:  # raised again; closing ends an open transaction, too
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
        self._fitted.clear()
        self._ids.clear()
        if self._writer is not None:
            with contextlib.suppress(sqlite3.Error):  # the connection is given up either way
                self._writer.execute("ROLLBACK")
            self._writer.close()
            self._writer = None

    def latest(self, market: str) -> Sequence[Sample]:
        """The newest sample of every series of the market; roll-ups are left out.

        Raises:
            RetryableError: the file cannot be read right now.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        found: list[Sample] = []
        with self._reader() as connection:
            if connection is None:
                return ()
            for kind in layout.kinds(connection):
                if kind.endswith(ROLLED_SUFFIX):
                    continue
                held = layout.columns(connection, kind)
                for device, subject, time_unix_ms, *values in connection.execute(
                    layout.latest_query(kind, tuple(held)), (market, kind)
                ):
                    series = Series(market, device, kind, subject)
                    found.append(Sample(series, time_unix_ms, _fields(held, values)))
        return tuple(sorted(found, key=lambda sample: sample.series))

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        """(time_unix_ms, value) from `from_unix_ms` until before `until_unix_ms`, oldest first.

        Raises:
            RetryableError: the file cannot be read right now.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        found = self._field(series, field, from_unix_ms, until_unix_ms)
        return tuple((time_unix_ms, value) for time_unix_ms, value in found if value is not None)

    def downsampled(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int, step_ms: int, hold_ms: int
    ) -> Sequence[Bucket]:
        """Means of a number or flag in steps, weighed by time; nothing is kept of a sample once it is counted.

        Raises:
            ValueError: `step_ms` or `hold_ms` is less than 1.
            RetryableError: the file cannot be read right now.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        with contextlib.closing(self._field(series, field, from_unix_ms - hold_ms, until_unix_ms)) as values:
            return buckets_of(values, from_unix_ms, until_unix_ms, step_ms, hold_ms)

    def _field(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Generator[tuple[int, FieldValue | None]]:
        """One field of a series over time, with `None` where a sample lacks it."""
        with self._snapshot() as connection:
            if connection is None:
                return
            field_type = layout.columns(connection, series.kind).get(field)
            if field_type is None:
                return
            key = (series.market, series.kind, series.device, series.subject)
            row = connection.execute(layout.SERIES_FIND, key).fetchone()
            if row is None:
                return
            over = _Over(connection, series.kind, (field,), from_unix_ms, until_unix_ms)
            for time_unix_ms, value in over.rows(row[0]):
                yield time_unix_ms, None if value is None else _value(field_type, value)

    def scan(self, market: str, kind: str, from_unix_ms: int, until_unix_ms: int) -> Generator[Sample]:
        """Every sample of a kind in a market, series after series, each oldest first, as they are read.

        Raises:
            RetryableError: the file cannot be read right now.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        with self._snapshot() as connection:
            held = {} if connection is None else layout.columns(connection, kind)
            if connection is None or not held:
                return
            over = _Over(connection, kind, tuple(held), from_unix_ms, until_unix_ms)
            for series_id, device, subject in connection.execute(layout.SERIES_OF_KIND, (market, kind)).fetchall():
                series = Series(market, device, kind, subject)
                for time_unix_ms, *values in over.rows(series_id):
                    yield Sample(series, time_unix_ms, _fields(held, values))

    def newest(self, kind: str, since_unix_ms: int) -> Mapping[Series, int]:
        """The newest time of every series of a kind that has a sample at or after `since_unix_ms`.

        Raises:
            RetryableError: the file cannot be read right now.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        with self._reader() as connection:
            if connection is None or not layout.columns(connection, kind):
                return {}
            rows = connection.execute(layout.newest_query(kind), (kind, since_unix_ms))
            return {Series(market, device, kind, subject): newest for market, device, subject, newest in rows}

    def prune(self, kinds: Sequence[str], before_unix_ms: int) -> bool:
        """Remove a few samples in one transaction (`broker.series.embedded_pruning`); true when nothing older is left.

        The numbers of the series stay: ingest holds them in memory. The file does not shrink; SQLite fills the room
        that became free before it makes the file larger.

        Raises:
            RetryableError: full disk, file locked: nothing is removed.
            FatalError: the file cannot be used; the sentence says what to do.
        """
        with self._lock:
            if not self._path.exists():
                return True
            try:
                return self._pruning.step(self._open_writer(), kinds, before_unix_ms)
            except sqlite3.Error as error:
                self._forget()
                raise self._as_ours(error) from error
            except BaseException:
                self._forget()  # no half transaction stays open behind a defect or an interrupt
                raise

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

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection | None]:
        """A reader to which the file stays as it is now, for as many queries as the block has."""
        with self._reader() as connection:
            if connection is None:
                yield None
                return
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

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


def _fields(held: Mapping[str, FieldType], values: Sequence[FieldValue | None]) -> dict[str, FieldValue]:
    pairs = zip(held.items(), values, strict=True)
    return {name: _value(field_type, one) for (name, field_type), one in pairs if one is not None}


class _Over:
    """The samples of one kind over a time, read series by series a few spans at a time."""

    def __init__(
        self, connection: sqlite3.Connection, kind: str, fields: tuple[str, ...], from_unix_ms: int, until_unix_ms: int
    ) -> None:
        self._connection = connection
        self._times = (from_unix_ms, until_unix_ms)
        span_ms = layout.span_ms(kind)
        spans = [
            row[0]
            for row in connection.execute(
                layout.spans_query(kind), (from_unix_ms // span_ms, (until_unix_ms - 1) // span_ms)
            )
        ]
        parts = [spans[begin : begin + SPANS_PER_QUERY_MAX] for begin in range(0, len(spans), SPANS_PER_QUERY_MAX)]
        self._parts = [(layout.samples_query(kind, fields, len(part)), part) for part in parts]

    def rows(self, series_id: int) -> Iterator[Any]:  # Any: a row of SQLite, (time_unix_ms, fields …)
        """(time_unix_ms, fields …) of one series, oldest first."""
        for query, spans in self._parts:
            yield from self._connection.execute(query, (*spans, series_id, *self._times)).fetchall()
