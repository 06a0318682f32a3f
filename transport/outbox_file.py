"""The outbox's file on a disk that may be full: transactions that make room and try again, and the ballast beside it.

On SQLITE_FULL the log is first reused in place, then the ballast is given up and the file's size frozen, so that rows
can still be deleted: a full disk slows an outbox, it never wedges it.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from runtime.clock import Clock
from transport.disk_reserve import DiskReserve
from transport.outbox_database import bound_size, is_full, open_database

RESERVE_BYTES_MAX = 1_048_576
RESERVE_RETRY_S = 10.0
ATTEMPTS_MAX = 8


class Bookkeeping(Protocol):
    """What goes with every transaction, and what is undone with it."""

    def begin(self) -> None:
        """Remember how things are."""
        ...

    def save(self) -> None:
        """Write what the file does not have yet."""
        ...

    def committed(self) -> None:
        """The file has it."""
        ...

    def rolled_back(self) -> None:
        """Be again as at `begin`."""
        ...


class OutboxFile:
    """The connection to `path`, its size bound and its ballast.

    Raises:
        runtime.errors.FatalError: in use by another process, made by another version, or not creatable.
        sqlite3.DatabaseError: corrupt, or the disk failed.
    """

    def __init__(self, path: Path, bytes_max: int, clock: Clock) -> None:
        self._bytes_max = bytes_max
        self._clock = clock
        reserve_bytes = min(RESERVE_BYTES_MAX, bytes_max)
        self._reserve = DiskReserve(path.with_name(f"{path.name}.reserve"), reserve_bytes)
        self._reserve_tried_s = clock.monotonic_s()
        self.connection = self._open(path)

    def write(self, work: Callable[[int], int], book: Bookkeeping, *, attempts_max: int = ATTEMPTS_MAX) -> int:
        """Do `work` in one transaction; on a full disk make room and try again.

        `work` is told how often it has failed, so that it can give up more of its own. Returns what it returned.

        Raises:
            sqlite3.DatabaseError: nothing was written.
        """
        attempt = 0
        while True:
            try:
                with self._transaction(book):
                    result = work(attempt)
            except sqlite3.OperationalError as error:
                attempt += 1
                if not is_full(error) or attempt >= attempts_max:
                    raise
            else:
                self._take_ballast_back()
                return result
            self._make_room(attempt)

    @property
    def at_bound(self) -> bool:
        """Whether the file itself may not grow, its ballast being held: then the disk is not to blame."""
        return self._reserve.held and self._at_page_bound()

    def hold_reserve(self) -> None:
        """Take the ballast back if there is room again; only with it may the file grow."""
        if self._reserve.hold():
            bound_size(self.connection, self._bytes_max)
        else:
            self._freeze_size()

    def checkpoint(self) -> None:
        """Bring the log into the file, as far as the disk lets it."""
        try:
            self.connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        except sqlite3.OperationalError as error:
            if not is_full(error):  # full: as far as it came
                raise

    def close(self) -> None:
        """End the connection."""
        self.connection.close()

    def _open(self, path: Path) -> sqlite3.Connection:
        try:
            return open_database(path, self._bytes_max)
        except sqlite3.OperationalError as error:
            if not is_full(error) or not self._reserve.release():
                raise
        return open_database(path, self._bytes_max)

    @contextmanager
    def _transaction(self, book: Bookkeeping) -> Iterator[None]:
        book.begin()
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            book.save()
            self.connection.execute("COMMIT")
        except BaseException:  # raised again: no half transaction stays open behind a defect or an interrupt
            book.rolled_back()
            if self.connection.in_transaction:  # SQLite ends some failed transactions by itself
                self.connection.execute("ROLLBACK")
            raise
        book.committed()

    def _make_room(self, attempt: int) -> None:
        """Reuse the log in place first: it has its blocks already. Then, if it is the disk, give up the ballast."""
        if attempt > 1 and not self._at_page_bound():
            self._reserve.release()
        self.checkpoint()
        if attempt > 1:
            self._freeze_size()

    def _freeze_size(self) -> None:
        """Let the file not grow while the ballast is gone: what is freed inside it is used again.

        Otherwise it would eat the ballast's space, and then neither log nor file could take another page.
        """
        self.connection.execute("PRAGMA max_page_count = 1").fetchall()  # SQLite raises it to the present size

    def _at_page_bound(self) -> bool:
        query = "SELECT page_count, max_page_count FROM pragma_page_count, pragma_max_page_count"
        pages, pages_max = self.connection.execute(query).fetchone()
        return bool(pages >= pages_max)

    def _take_ballast_back(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._reserve_tried_s >= RESERVE_RETRY_S:
            self._reserve_tried_s = now_s
            if not self._reserve.held:
                self.hold_reserve()
