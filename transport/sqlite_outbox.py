"""The outbox on disk: SQLite, WAL, `synchronous=FULL`. What `put` returned survives kill -9 and a power cut.

Bounds: the database file never exceeds `bytes_max`; its log stays near 1 MB. Over three quarters of the bound, or older
than `age_s_max`, the oldest telemetry goes, counted and named by a gap record in the same transaction; the last quarter
is kept for events, alarms and gap records, which never go. What a full disk means is `transport.outbox_file`'s.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import structlog

from contract.payload import Payload
from contract.telemetry import GapBatch, GapCause
from contract.topics import Topic
from runtime.clock import Clock, SystemClock
from runtime.errors import FatalError
from transport.outbox_book import OutboxBook
from transport.outbox_database import is_corrupt, move_aside
from transport.outbox_eviction import aged, evict, evict_for_the_disk
from transport.outbox_file import ATTEMPTS_MAX, OutboxFile
from transport.outbox_gaps import READINGS_PER_ROW, GapRange, gap_readings, ranges_max_for
from transport.outbox_note import OutboxNote
from transport.outbox_reading import first_seq_since, given, oldest_unix_ms
from transport.outbox_rules import (
    AGE_S_MAX,
    SWEEP_ROWS_MAX,
    AgeClock,
    Gone,
    NewRow,
    check_bounds,
    check_channel,
    new_row,
    room_for,
    sweep_period_s,
)
from transport.outbox_salvage import Salvage, put_again
from transport.outbox_tables import StoredRow
from transport.ports import OutboxFullError, OutboxRow, OutboxStatus

log = structlog.get_logger(__name__)

LOG_PERIOD_S = 60.0
SEQ_END = 2**53 + 1


class SqliteOutbox:
    """An `Outbox` in the file `path`. Thread-safe; one process at a time.

    A file that SQLite finds corrupt, at the start or later, is moved aside (`<name>.corrupt-<unix ms>`, the two newest
    are kept) and a new one with a new epoch begins, so `epoch` may change while this runs. What can still be read of
    the old one is put into the new one under new numbers; a gap record names the old ones.

    Raises:
        ValueError: `bytes_max` is under 64 KiB, or `age_s_max` is not above 0.
        FatalError: the file is held by another process, made by another version, or cannot be created.
    """

    def __init__(self, path: Path, *, bytes_max: int, age_s_max: float = AGE_S_MAX, clock: Clock | None = None) -> None:
        check_bounds(bytes_max, age_s_max)
        self._path = path
        self._bytes_max = bytes_max
        self._age_ms_max = int(age_s_max * 1000)
        self._clock: Clock = clock or SystemClock()
        self._age_clock = AgeClock(self._clock)
        self._sweep_period_s = sweep_period_s(age_s_max)
        self._swept_s = self._clock.monotonic_s() - self._sweep_period_s
        self._lock = threading.Lock()
        self._logged_s: dict[str, float] = {}
        self._drops_logged_count = 0
        self._closed = False
        self._note_file = OutboxNote(path.with_name(f"{path.name}.note"))
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if not is_corrupt(error):
                raise FatalError(f"{path}: the outbox cannot be opened: {error}") from error
            self._begin_anew(error, None)

    @property
    def epoch(self) -> str:
        """16 hex digits, drawn once when the file was made."""
        return self._book.tables.epoch

    def put(
        self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool, boot_id: str | None = None
    ) -> int:
        """Number (`build(epoch, seq)`), store and return the seq; see `transport.ports.Outbox.put`.

        Raises:
            OutboxFullError: an alarm or event found no room at all, or the disk cannot be written.
            ValueError: neither telemetry nor an event.
            contract.catalog.UnknownChannelError: this payload does not travel on `topic`.
            transport.encoding.PayloadTooLargeError: it is over its channel's bound.
        """
        check_channel(topic)
        with self._lock:
            self._sweep()
            self._book.boot_now = boot_id
            for _ in range(2):
                seq = self._book.last_seq + 1
                payload = build(self.epoch, seq)
                row = new_row(topic, payload, seq, alarm=alarm, clock=self._clock, boot_id=boot_id)
                try:
                    self._store(row)
                except sqlite3.DatabaseError as error:
                    if is_corrupt(error):
                        self._begin_anew(error, self._book)
                        continue
                    self._refuse(row, GapCause.DISK_FULL, str(error))
                return seq
        raise OutboxFullError(f"{self._path}: the outbox was corrupt and its successor is, too")

    def pending(
        self, after_seq: int, limit: int, *, before_seq: int | None = None, alarms_only: bool = False
    ) -> Sequence[OutboxRow]:
        """Rows not yet delivered between the two numbers, oldest first; none without a true time."""
        end_seq = SEQ_END if before_seq is None else before_seq
        found: list[StoredRow] = []
        with self._lock:
            for low_seq, high_seq, kept_only in self._book.spans(after_seq, end_seq):
                wanted = limit - len(found)
                tables = self._book.tables
                found += tables.between(low_seq, high_seq, wanted, kept_only=kept_only, alarms_only=alarms_only)
            rows, damaged = given(found, self._book)
            if damaged:
                self._drop_damaged(damaged)
        return rows

    def first_seq_since(self, created_unix_ms: int) -> int:
        """The seq where live begins; see `transport.ports.Outbox.first_seq_since`."""
        with self._lock:
            return first_seq_since(created_unix_ms, self._book)

    def delivered(self, epoch: str, seqs: Sequence[int], store: str) -> int:
        """Forget what `store` has confirmed; return how many rows that ended.

        If the disk will not even take a deletion nothing is forgotten: the rows are sent, and confirmed, again.
        """
        with self._lock:
            if epoch != self.epoch or not seqs:
                return 0
            return self._try_write(lambda _attempt: self._delete_delivered(seqs, store), "outbox.delete_failed")

    def settle_clock(self, boot_id: str, offset_ms: int) -> int:
        """This boot began at `offset_ms`; see `transport.ports.Outbox.settle_clock`.

        While the disk takes nothing the offset is kept in memory and the rows go on waiting.
        """
        with self._lock:
            settled_rows = self._book.settle(boot_id, offset_ms)
            self._age_clock.begin()
            self._try_write(_nothing_more, "outbox.settle_failed")
            while self._sweep_timeless():
                pass
            return settled_rows

    def note_lost(
        self, readings_count: int, from_unix_ms: int, until_unix_ms: int, cause: GapCause, boot_id: str | None = None
    ) -> None:
        """Name readings that were lost before they got a number; kept in memory while the disk takes nothing."""
        with self._lock:
            self._book.note(
                GapRange(self.epoch, None, None, from_unix_ms, until_unix_ms, 0, readings_count, cause, boot_id)
            )
            self._save_gaps()

    def flush_gaps(self, topic: Topic) -> int:
        """Turn the open gap ranges into numbered rows; see `transport.ports.Outbox.flush_gaps`."""
        with self._lock:
            if self._book.tables.totals.gap_rows or not self._book.has_ready_gaps:
                return 0
            return self._try_write(lambda attempt: self._put_gaps(topic, attempt), "outbox.gaps_not_flushed")

    def status(self) -> OutboxStatus:
        """Rows, bytes, drops, age."""
        with self._lock:
            totals, oldest = self._book.tables.totals, oldest_unix_ms(self._book)
            return OutboxStatus(totals.rows, totals.bytes, totals.dropped_count, oldest, self._book.gaps_count)

    def close(self) -> None:
        """End cleanly; what is stored stays. Closing twice is allowed."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._file.close()

    # --- the file

    def _open(self) -> None:
        self._file = OutboxFile(self._path, self._bytes_max, self._clock)
        try:
            self._book = OutboxBook(self._file.connection, ranges_max_for(self._bytes_max), self._note_file)
            self._note_file.prepare()
        except BaseException:  # raised again: a file that cannot be used is not held open
            self._file.close()
            raise
        self._file.hold_reserve()

    def _begin_anew(self, error: sqlite3.DatabaseError, known: OutboxBook | None) -> None:
        """Move a corrupt file aside, begin another, and take over what can still be read and what is known of it."""
        if known is not None:
            self._file.close()
        aside = move_aside(self._path, self._clock.unix_ms(), str(error))
        noted = None if known else self._note_file.read()
        self._open()
        found = Salvage(aside, known.tables.epoch if known else None, known.open_gaps if known else (), noted)
        for rows in found.rows():
            left: list[NewRow] = []
            work = partial(put_again, rows, left, self._book, self._bytes_max)
            found.not_kept(left if self._write_or_say(work, "outbox.salvage_failed") else rows)
        for lost in (*found.ranges, *found.gaps(self.epoch, self._clock.unix_ms(), self._age_ms_max)):
            self._book.note(lost)
        self._write_or_say(_nothing_more, "outbox.gap_not_in_the_file")
        self._book.note_afresh()

    def _try_write(self, work: Callable[[int], int], event: str, *, attempts_max: int = ATTEMPTS_MAX) -> int:
        """Do `work` in a transaction; 0, said in the log, if the disk does not take it."""
        try:
            return self._file.write(work, self._book, attempts_max=attempts_max)
        except sqlite3.DatabaseError as error:
            self._mend(error, event)
            return 0

    def _write_or_say(self, work: Callable[[int], int], event: str) -> bool:
        """Whether the disk took it; a successor that is corrupt, too, is left to be found by the next put."""
        try:
            self._file.write(work, self._book)
        except sqlite3.DatabaseError as error:
            self._say(event, str(error))
            return False
        return True

    def _mend(self, error: sqlite3.DatabaseError, event: str) -> None:
        if is_corrupt(error):
            self._begin_anew(error, self._book)
        self._say(event, str(error))

    # --- in and out

    def _store(self, row: NewRow) -> None:
        """Insert, evicting what the bound asks for; without any room `_refuse`."""
        totals = self._book.tables.totals
        room = room_for(row, totals.bytes, totals.evictable_bytes, self._bytes_max)
        if not room.fits:
            kept_bytes = totals.bytes - totals.evictable_bytes
            reason = f"{kept_bytes} of {self._bytes_max} bytes are events that nobody has confirmed"
            self._refuse(row, GapCause.OUTBOX_FULL, reason)
            return
        self._file.write(lambda attempt: self._insert(row, room.evict_bytes, attempt), self._book)
        self._log_drops("over its bound or the disk is full")

    def _insert(self, row: NewRow, evict_bytes: int, attempt: int) -> int:
        if evict_bytes:
            evict(self._book, evict_bytes, GapCause.OUTBOX_FULL)
        evict_for_the_disk(self._book, self._file, attempt)
        return self._book.put(row)

    def _delete_delivered(self, seqs: Sequence[int], store: str) -> int:
        ended = self._book.tables.of_store(seqs, store)
        if ended:
            self._book.tables.forget(ended)
        return len(ended)

    def _put_gaps(self, topic: Topic, attempt: int) -> int:
        evict_for_the_disk(self._book, self._file, attempt)
        readings = gap_readings(self._book.take_ready_gaps(), topic.device, self._book.tables.gap_times())
        for start in range(0, len(readings), READINGS_PER_ROW):
            seq, part = self._book.last_seq + 1, tuple(readings[start : start + READINGS_PER_ROW])
            batch = GapBatch(epoch=self.epoch, seq=seq, readings=part)
            row = new_row(topic, batch, seq, alarm=False, clock=self._clock, boot_id=None)
            totals = self._book.tables.totals
            room = room_for(row, totals.bytes, totals.evictable_bytes, self._bytes_max)
            if not room.fits:
                raise sqlite3.OperationalError("no room but for events that nobody has confirmed")
            if room.evict_bytes:
                evict(self._book, room.evict_bytes, GapCause.OUTBOX_FULL)
            self._book.put(row)
        self._book.tables.keep_gap_times((*self._book.tables.gap_times(), *(one.time_unix_ms for one in readings)))
        return len(readings)

    def _drop_damaged(self, seqs: Sequence[int]) -> None:
        log.error("outbox.damaged_rows", path=str(self._path), seqs=list(seqs[:10]), count=len(seqs))
        gone = self._book.tables.facts(seqs)
        self._drop(gone, GapCause.OUTBOX_CORRUPT)

    # --- what goes by itself

    def _sweep(self) -> None:
        """Once a period, or at once where more is waiting: what is too old, and what will never have a time."""
        now_s = self._clock.monotonic_s()
        if now_s - self._swept_s < self._sweep_period_s:
            return
        self._swept_s = now_s
        try:
            swept = self._sweep_timeless() + self._sweep_aged()
        except sqlite3.DatabaseError as error:
            self._mend(error, "outbox.sweep_failed")
            return
        if swept >= SWEEP_ROWS_MAX:
            self._swept_s -= self._sweep_period_s

    def _sweep_aged(self) -> int:
        gone = aged(self._book, self._age_clock.unix_ms() - self._age_ms_max)
        if not gone:
            return 0
        return self._drop(gone, GapCause.OUTBOX_AGE)

    def _sweep_timeless(self) -> int:
        gone = self._book.timeless(SWEEP_ROWS_MAX)
        if not gone:
            return 0
        return self._drop(gone, GapCause.CLOCK_NEVER_SET)

    def _drop(self, gone: Sequence[Gone], cause: GapCause) -> int:
        return self._try_write(lambda _attempt: self._book.lose(gone, cause), "outbox.delete_failed")

    def _refuse(self, row: NewRow, cause: GapCause, reason: str) -> None:
        """Telemetry is dropped, counted and named; anything else is the caller's to keep."""
        if not row.evictable:
            raise OutboxFullError(f"{self._path}: no room for {row.topic}: {reason}")
        self._book.refuse(Gone(row.seq, row.made, row.boot_id), cause)
        self._save_gaps()
        self._log_drops(reason)

    def _save_gaps(self) -> None:
        """Into the file; while the disk does not take that, into the note beside it."""
        self._try_write(_nothing_more, "outbox.gap_not_in_the_file", attempts_max=1)
        self._book.note_unsaved()

    def _log_drops(self, reason: str) -> None:
        count = self._book.tables.totals.dropped_count
        if count != self._drops_logged_count and self._say("outbox.dropped", reason, total=count):
            self._drops_logged_count = count

    def _say(self, event: str, reason: str, **values: int) -> bool:
        now_s = self._clock.monotonic_s()
        if now_s - self._logged_s.get(event, -LOG_PERIOD_S) < LOG_PERIOD_S:
            return False
        self._logged_s[event] = now_s
        log.warning(event, path=str(self._path), reason=reason, **values)
        return True


def _nothing_more(_attempt: int) -> int:
    """The work of a transaction that only saves the book."""
    return 0
