"""What can still be read of a corrupt outbox: rows whose checksum is right travel on under new numbers."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import structlog

from contract.telemetry import GapCause
from contract.topics import BadTopicError, Topic
from transport.outbox_bodies import DamagedBodyError, Made, is_since_boot, made_in, unpack
from transport.outbox_gaps import GapRange
from transport.outbox_rules import Gone, NewRow, gaps_of

log = structlog.get_logger(__name__)

ROWS_PER_READ = 64
SKIPS_MAX = 64
SKIP_SEQS_MAX = 4096

_ROW = tuple[int, int, str, bytes, int, str | None]


class Salvage:
    """Reads the file `path` row by row, over unreadable places; says afterwards which numbers it has met.

    `epoch` and `ranges` are what the running outbox knew of the file, if it ran.
    """

    def __init__(self, path: Path, epoch: str | None, ranges: Sequence[GapRange]) -> None:
        self._path = path
        self.epoch = epoch
        self.ranges = list(ranges)
        self._moved: list[Gone] = []
        self._lost: list[Gone] = []
        self._from_unix_ms: int | None = None

    def rows(self) -> Iterator[Sequence[NewRow]]:
        """The readable rows, oldest first, a few at a time."""
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
                self._read_head(connection)
                for rows in _rows_of(connection):
                    yield [row for row in map(self._row, rows) if row is not None]
        except sqlite3.DatabaseError as error:
            log.warning("outbox.salvage_ends", path=str(self._path), rows=len(self._moved), reason=str(error))

    def not_kept(self, row: NewRow) -> None:
        """A row that the new file did not take: it is lost after all."""
        self._moved = [one for one in self._moved if one.seq != row.seq]
        self._lost.append(Gone(row.seq, row.made, row.boot_id))

    def gaps(self, epoch: str, now_unix_ms: int, age_ms_max: int) -> Iterator[GapRange]:
        """What is to be named: numbers that were moved (no reading of theirs is lost), damaged ones, and the unknown.

        The last range has no numbers and counts nothing: nobody knows what else the file held, nor which of it was
        delivered. What it held was made since the oldest row that could be read, or within the outbox's age.
        """
        about = self.epoch or epoch
        yield from gaps_of(self._moved, about, GapCause.OUTBOX_CORRUPT)
        yield from gaps_of(self._lost, about, GapCause.OUTBOX_CORRUPT)
        if not is_since_boot(now_unix_ms):
            from_unix_ms = self._from_unix_ms or now_unix_ms - age_ms_max
            yield GapRange(about, None, None, from_unix_ms, now_unix_ms, 0, 0, GapCause.OUTBOX_CORRUPT)

    def _read_head(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        if self.epoch is None and found is not None:
            self.epoch = str(found[0])
        if not self.ranges and _format(connection) > 1:
            query = (
                "SELECT epoch, first_seq, last_seq, from_unix_ms, until_unix_ms, batches_count, readings_count, cause, "
                "boot_id FROM gap ORDER BY id"
            )
            self.ranges += [GapRange.from_row(row) for row in connection.execute(query)]

    def _row(self, found: _ROW) -> NewRow | None:
        seq, created_unix_ms, topic, kept, alarm, boot_id = found
        made = made_in(kept, created_unix_ms)
        try:
            unpack(kept)
            row = NewRow(seq, Topic.parse(topic), kept, created_unix_ms, bool(alarm), made, boot_id)
        except (DamagedBodyError, BadTopicError, ValueError):
            self._lost.append(Gone(seq, made, boot_id))
            return None
        self._moved.append(Gone(seq, Made(0, made.from_unix_ms, made.until_unix_ms), boot_id))
        if boot_id is None and self._from_unix_ms is None:
            self._from_unix_ms = created_unix_ms
        return row


def _rows_of(connection: sqlite3.Connection) -> Iterator[Iterable[_ROW]]:
    boot_id = "boot_id" if _format(connection) > 1 else "NULL"
    query = (
        f"SELECT seq, created_unix_ms, topic, body, alarm, {boot_id} FROM message "  # noqa: S608 - one of two literals
        "WHERE seq > ? ORDER BY seq LIMIT ?"
    )
    after_seq, limit, skips, skip_seqs = 0, ROWS_PER_READ, 0, 1
    while True:
        try:
            rows = connection.execute(query, (after_seq, limit)).fetchall()
        except sqlite3.DatabaseError:
            if limit > 1:
                limit = 1  # up to the damaged place, row by row
                continue
            skips += 1
            if skips > SKIPS_MAX:
                raise
            after_seq += skip_seqs
            skip_seqs = min(SKIP_SEQS_MAX, skip_seqs * 2)
            continue
        if not rows:
            return
        if limit == 1:
            skip_seqs = 1
        yield rows
        after_seq = rows[-1][0]


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
