"""The outbox on disk: SQLite, WAL, `synchronous=FULL`. What `put` returned survives kill -9 and a power cut.

Bounds: the database file never exceeds `bytes_max`; its log stays near 1 MB. Over three quarters of the bound the
oldest telemetry goes and is counted; the last quarter is kept for events and alarms, which never go. On a full disk
the log is reused in place, then a ballast file is given up, and rows can still be deleted: a full disk slows an outbox,
it never wedges it.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from contract.payload import Payload
from contract.topics import Topic
from runtime.clock import Clock, SystemClock
from runtime.errors import FatalError
from transport.disk_reserve import DiskReserve
from transport.encoding import encode
from transport.outbox_database import PAGE_BYTES, is_corrupt, is_full, move_aside, open_database
from transport.outbox_rules import NewRow, check_bound, check_channel, telemetry_bytes_max
from transport.ports import OutboxFullError, OutboxRow, OutboxStatus

log = structlog.get_logger(__name__)

RESERVE_BYTES_MAX = 1_048_576
RESERVE_RETRY_S = 10.0
ATTEMPTS_MAX = 8
EVICT_ROWS_MAX = 64
EVICT_BYTES_MIN = 16_384
LOG_PERIOD_S = 60.0


Row = tuple[Any, ...]  # the columns of whatever was asked


@dataclass(slots=True)
class _Totals:
    """What the tables hold, kept beside them so that no put has to count."""

    rows: int = 0
    bytes: int = 0
    evictable_bytes: int = 0
    dropped_count: int = 0
    evict_from_seq: int = 0


class SqliteOutbox:
    """An `Outbox` in the file `path`. Thread-safe; one process at a time.

    A file that SQLite finds corrupt, at the start or later, is moved aside (`<name>.corrupt-<unix ms>`, the two newest
    are kept) and a new one with a new epoch begins, so `epoch` may change while this runs.

    Raises:
        ValueError: `bytes_max` is under 64 KiB.
        FatalError: the file is held by another process, made by another version, or cannot be created.
    """

    def __init__(self, path: Path, *, bytes_max: int, clock: Clock | None = None) -> None:
        check_bound(bytes_max)
        self._path = path
        self._bytes_max = bytes_max
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        reserve_bytes = min(RESERVE_BYTES_MAX, bytes_max)
        self._reserve = DiskReserve(path.with_name(f"{path.name}.reserve"), reserve_bytes)
        self._reserve_tried_s = self._clock.monotonic_s()
        self._drops_logged_s = -LOG_PERIOD_S
        self._drops_logged_count = 0
        self._deletes_logged_s = -LOG_PERIOD_S
        self._closed = False
        self._epoch = ""
        self._last_seq = 0
        self._dropped_stored = 0
        self._totals = _Totals()
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise FatalError(f"{path}: the outbox cannot be opened: {error}") from error
            move_aside(path, self._clock.unix_ms(), str(error))
            self._open()
        self._hold_reserve()

    @property
    def epoch(self) -> str:
        """16 hex digits, drawn once when the file was made."""
        return self._epoch

    def put(self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool) -> int:
        """Number (`build(epoch, seq)`), store and return the seq; see `transport.ports.Outbox.put`.

        Telemetry for which there is no room at all is dropped and counted; its seq is used up, so that the gap shows.

        Raises:
            OutboxFullError: an alarm or event found no room at all, or the disk cannot be written.
            ValueError: neither telemetry nor an event.
            contract.catalog.UnknownChannelError: this payload does not travel on `topic`.
            transport.encoding.PayloadTooLargeError: it is over its channel's bound.
        """
        check_channel(topic)
        with self._lock:
            for _ in range(2):
                seq = self._last_seq + 1
                _, body = encode(topic, build(self._epoch, seq))
                row = NewRow(seq, topic, body, self._clock.unix_ms(), alarm)
                self._last_seq = seq
                try:
                    self._store(row)
                except sqlite3.DatabaseError as error:
                    if is_corrupt(error):
                        self._begin_anew(error)
                        continue
                    self._refuse(row, str(error))
                return seq
        raise OutboxFullError(f"{self._path}: the outbox was corrupt and its successor is, too")

    def pending(self, after_seq: int, limit: int, *, alarms_only: bool = False) -> Sequence[OutboxRow]:
        """Rows not yet delivered with seq above `after_seq`, oldest first."""
        wanted = "AND alarm = 1" if alarms_only else ""
        query = (
            "SELECT seq, topic, body, created_unix_ms, alarm FROM message "  # noqa: S608 - `wanted` is one of two literals
            f"WHERE seq > ? {wanted} ORDER BY seq LIMIT ?"
        )
        with self._lock:
            rows = self._read(query, (after_seq, limit))
        return [
            OutboxRow(seq, Topic.parse(topic), body, created, bool(alarm)) for seq, topic, body, created, alarm in rows
        ]

    def delivered(self, epoch: str, seqs: Sequence[int], store: str) -> int:
        """Forget what `store` has confirmed; return how many rows that ended.

        If the disk will not even take a deletion nothing is forgotten: the rows are sent, and confirmed, again.
        """
        with self._lock:
            if epoch != self._epoch or not seqs:
                return 0
            try:
                ended = self._write(lambda: self._delete_delivered(seqs, store), evict_bytes=0, may_evict=False)
                self._after_write()
            except sqlite3.DatabaseError as error:
                if is_corrupt(error):
                    self._begin_anew(error)
                self._log_failed_delete(error)
                return 0
            return ended

    def status(self) -> OutboxStatus:
        """Rows, bytes, drops, age."""
        with self._lock:
            oldest = self._read("SELECT created_unix_ms FROM message ORDER BY seq LIMIT 1", ())
            totals = self._totals
            return OutboxStatus(totals.rows, totals.bytes, totals.dropped_count, oldest[0][0] if oldest else None)

    def close(self) -> None:
        """End cleanly; what is stored stays. Closing twice is allowed."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._connection.close()

    def _open(self) -> None:
        self._connection = open_database(self._path, self._bytes_max)
        try:
            self._load()
        except BaseException:
            self._connection.close()
            raise

    def _load(self) -> None:
        self._epoch = str(self._read("SELECT value FROM meta WHERE key = 'epoch'", ())[0][0])
        dropped = int(self._read("SELECT value FROM meta WHERE key = 'dropped_count'", ())[0][0])
        self._dropped_stored = dropped
        last = self._read("SELECT seq FROM sqlite_sequence WHERE name = 'message'", ())
        self._last_seq = int(last[0][0]) if last else 0
        counted = self._read(
            "SELECT count(*), coalesce(sum(size_bytes), 0), coalesce(sum(size_bytes * evictable), 0) FROM message", ()
        )[0]
        self._totals = _Totals(int(counted[0]), int(counted[1]), int(counted[2]), dropped)

    def _read(self, query: str, values: tuple[object, ...]) -> list[Row]:
        rows: list[Row] = self._connection.execute(query, values).fetchall()
        return rows

    def _store(self, row: NewRow) -> None:
        """Insert, evicting what the bound asks for; without any room `_refuse`."""
        totals = self._totals
        kept_bytes = totals.bytes - totals.evictable_bytes
        if row.evictable:
            over = totals.evictable_bytes + row.size_bytes - telemetry_bytes_max(self._bytes_max)
            over = max(over, totals.bytes + row.size_bytes - self._bytes_max)
        else:
            over = totals.bytes + row.size_bytes - self._bytes_max
        if over > totals.evictable_bytes or kept_bytes + row.size_bytes > self._bytes_max:
            self._refuse(row, f"{kept_bytes} of {self._bytes_max} bytes are events that nobody has confirmed")
            return
        self._write(lambda: self._insert(row), evict_bytes=max(0, over))
        self._after_write()

    def _write(self, work: Callable[[], int], *, evict_bytes: int, may_evict: bool = True) -> int:
        """Do `work` in one transaction; on a full disk make room and try again, evicting more each time."""
        attempt = 0
        while True:
            try:
                with self._transaction():
                    if evict_bytes:
                        self._evict(evict_bytes)
                    return work()
            except sqlite3.OperationalError as error:
                attempt += 1
                if not is_full(error) or attempt == ATTEMPTS_MAX:
                    raise
            self._make_room(attempt)
            if may_evict and attempt > 1:
                evict_bytes = max(EVICT_BYTES_MIN, evict_bytes * 2)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        before = replace(self._totals)
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._store_dropped_count()
            self._connection.execute("COMMIT")
        except BaseException:
            self._totals = before
            if self._connection.in_transaction:  # SQLite ends some failed transactions by itself
                self._connection.execute("ROLLBACK")
            raise
        self._dropped_stored = self._totals.dropped_count

    def _store_dropped_count(self) -> None:
        if self._totals.dropped_count != self._dropped_stored:
            self._connection.execute(
                "UPDATE meta SET value = ? WHERE key = 'dropped_count'", (str(self._totals.dropped_count),)
            )

    def _insert(self, row: NewRow) -> int:
        self._connection.execute(
            "INSERT INTO message (seq, created_unix_ms, alarm, evictable, store, size_bytes, topic, body) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                row.seq,
                row.created_unix_ms,
                row.alarm,
                row.evictable,
                row.store,
                row.size_bytes,
                str(row.topic),
                row.body,
            ),
        )
        self._totals.rows += 1
        self._totals.bytes += row.size_bytes
        self._totals.evictable_bytes += row.size_bytes * row.evictable
        return row.seq

    def _evict(self, bytes_wanted: int) -> None:
        freed = 0
        while freed < bytes_wanted:
            rows = self._read(
                "SELECT seq, size_bytes FROM message WHERE seq > ? AND evictable = 1 ORDER BY seq LIMIT ?",
                (self._totals.evict_from_seq, EVICT_ROWS_MAX),
            )
            if not rows:
                return
            going = []
            for seq, size_bytes in rows:
                if freed >= bytes_wanted:
                    break
                going.append(seq)
                freed += size_bytes
            self._forget(going)
            self._totals.dropped_count += len(going)
            self._totals.evict_from_seq = going[-1]

    def _delete_delivered(self, seqs: Sequence[int], store: str) -> int:
        rows = self._read(
            "SELECT seq FROM message WHERE seq IN (SELECT value FROM json_each(?)) AND store = ?",
            (json.dumps(list(seqs)), store),
        )
        if rows:
            self._forget([seq for (seq,) in rows])
        return len(rows)

    def _forget(self, seqs: Sequence[int]) -> None:
        gone = self._read(
            "DELETE FROM message WHERE seq IN (SELECT value FROM json_each(?)) RETURNING size_bytes, evictable",
            (json.dumps(list(seqs)),),
        )
        self._totals.rows -= len(gone)
        self._totals.bytes -= sum(size_bytes for size_bytes, _ in gone)
        self._totals.evictable_bytes -= sum(size_bytes for size_bytes, evictable in gone if evictable)

    def _make_room(self, attempt: int) -> None:
        """Reuse the log in place first: it has its blocks already. Then, if it is the disk, give up the ballast."""
        if attempt > 1 and not self._at_bound():
            self._reserve.release()
        self._checkpoint()
        if attempt > 1:
            self._freeze_size()

    def _checkpoint(self) -> None:
        try:
            self._connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        except sqlite3.OperationalError as error:
            if not is_full(error):
                raise

    def _freeze_size(self) -> None:
        """Let the file not grow while the ballast is gone: what is freed inside it is used again.

        Otherwise it would eat the ballast's space, and then neither log nor file could take another page.
        """
        self._connection.execute("PRAGMA max_page_count = 1").fetchall()  # SQLite raises it to the present size

    def _at_bound(self) -> bool:
        """Whether the file itself may not grow: then the disk is not to blame."""
        pages = self._read("SELECT page_count, max_page_count FROM pragma_page_count, pragma_max_page_count", ())[0]
        return bool(pages[0] >= pages[1])

    def _hold_reserve(self) -> None:
        """Take the ballast back if there is room again; only with it may the file grow."""
        if self._reserve.hold():
            self._connection.execute(f"PRAGMA max_page_count = {self._bytes_max // PAGE_BYTES}").fetchall()
        else:
            self._freeze_size()

    def _after_write(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._reserve_tried_s >= RESERVE_RETRY_S:
            self._reserve_tried_s = now_s
            if not self._reserve.held:
                self._hold_reserve()
        self._log_drops("over its bound or the disk is full")

    def _refuse(self, row: NewRow, reason: str) -> None:
        """Telemetry is dropped and counted; anything else is the caller's to keep."""
        if not row.evictable:
            raise OutboxFullError(f"{self._path}: no room for {row.topic}: {reason}")
        self._totals.dropped_count += 1
        self._log_drops(reason)

    def _log_drops(self, reason: str) -> None:
        count = self._totals.dropped_count
        now_s = self._clock.monotonic_s()
        if count == self._drops_logged_count or now_s - self._drops_logged_s < LOG_PERIOD_S:
            return
        log.warning("outbox.dropped", path=str(self._path), reason=reason, total_count=count, up_to_seq=self._last_seq)
        self._drops_logged_s, self._drops_logged_count = now_s, count

    def _log_failed_delete(self, error: sqlite3.DatabaseError) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._deletes_logged_s >= LOG_PERIOD_S:
            self._deletes_logged_s = now_s
            log.error("outbox.delete_failed", path=str(self._path), reason=str(error))

    def _begin_anew(self, error: sqlite3.DatabaseError) -> None:
        self._connection.close()
        move_aside(self._path, self._clock.unix_ms(), str(error))
        self._open()
