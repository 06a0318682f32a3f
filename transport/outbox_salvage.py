"""What can still be read of a corrupt outbox: rows whose checksum is right travel on under new numbers."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import structlog

from contract.telemetry import GapCause
from contract.topics import BadTopicError, Topic
from transport.outbox_bodies import DamagedBodyError, Made, is_since_boot, made_in, unpack
from transport.outbox_book import OutboxBook
from transport.outbox_gaps import GapRange
from transport.outbox_note import Noted
from transport.outbox_rules import Gone, NewRow, gaps_of, room_for

log = structlog.get_logger(__name__)

ROWS_PER_READ = 64
SKIPS_MAX = 64
SKIP_SEQS_MAX = 4096

_ROW = tuple[int, int, str, bytes, int, str | None]


class Salvage:
    """Reads the file `path` row by row, over unreadable places; says afterwards which numbers it has met.

    `epoch` and `ranges` are what the running outbox knew of the file, if it ran; `noted` is what a killed one noted
    beside it, if this one did not run yet.
    """

    def __init__(self, path: Path, epoch: str | None, ranges: Sequence[GapRange], noted: Noted | None) -> None:
        self._path = path
        self._epoch = epoch
        self._noted = noted
        self._saved_number: int | None = None  # the newest note that the file has; `None`: nobody can say
        self._in_file = dict(enumerate(ranges))
        self._moved: list[Gone] = []
        self._lost: list[Gone] = []
        self._from_unix_ms: int | None = None

    def rows(self) -> Iterator[Sequence[NewRow]]:
        """The readable rows, oldest first, a few at a time."""
        try:
            with closing(sqlite3.connect(self._path, isolation_level=None)) as connection:
                connection.execute("PRAGMA locking_mode = EXCLUSIVE").fetchall()
                if self._epoch is None:
                    self._read_head(connection)
                for rows in _rows_of(connection):
                    yield [row for row in map(self._row, rows) if row is not None]
        except sqlite3.DatabaseError as error:
            log.warning("outbox.salvage_ends", path=str(self._path), rows=len(self._moved), reason=str(error))

    @property
    def ranges(self) -> Sequence[GapRange]:
        """What was lost before: the open ranges of the file, and those that it did not take any more.

        Where the file can say what it has, a newer note goes before it; where it cannot, what it still shows does.
        """
        noted, saved = self._noted, self._saved_number
        if noted is None or self._epoch not in {None, noted.epoch} or noted.number <= (saved or 0):
            return list(self._in_file.values())
        both = {**noted.ranges, **self._in_file} if saved is None else {**self._in_file, **noted.ranges}
        return [one for one in both.values() if one is not None]

    def not_kept(self, rows: Sequence[NewRow]) -> None:
        """Rows that the new file did not take: they are lost after all."""
        seqs = {row.seq for row in rows}
        self._moved = [one for one in self._moved if one.seq not in seqs]
        self._lost += [Gone(row.seq, row.made, row.boot_id) for row in rows]

    def gaps(self, epoch: str, now_unix_ms: int, age_ms_max: int) -> Iterator[GapRange]:
        """What is to be named: numbers that were moved (no reading of theirs is lost), damaged ones, and the unknown.

        The last range has no numbers and counts nothing: nobody knows what else the file held, nor which of it was
        delivered. What it held was made since the oldest row that could be read, or within the outbox's age.
        """
        about = self._epoch or (self._noted.epoch if self._noted else None)
        if about is not None:
            yield from gaps_of(self._moved, about, GapCause.OUTBOX_CORRUPT)
            yield from gaps_of(self._lost, about, GapCause.OUTBOX_CORRUPT)
        if not is_since_boot(now_unix_ms):
            from_unix_ms = self._from_unix_ms or now_unix_ms - age_ms_max
            yield GapRange(about or epoch, None, None, from_unix_ms, now_unix_ms, 0, 0, GapCause.OUTBOX_CORRUPT)

    def _read_head(self, connection: sqlite3.Connection) -> None:
        """What stands beside the rows; where that is what was damaged, the rows travel on all the same."""
        try:
            meta = dict(connection.execute("SELECT key, value FROM meta WHERE key IN ('epoch', 'noted')").fetchall())
            self._epoch, self._saved_number = meta.get("epoch"), int(meta.get("noted", 0))
        except (sqlite3.DatabaseError, ValueError) as error:
            log.warning("outbox.epoch_not_salvaged", path=str(self._path), reason=str(error))
        try:
            if _format(connection) > 1:
                found = connection.execute("SELECT * FROM gap ORDER BY id")
                self._in_file = {gap_id: GapRange.from_row(fields) for gap_id, *fields in found}
        except (sqlite3.DatabaseError, ValueError) as error:
            log.warning("outbox.gaps_not_salvaged", path=str(self._path), reason=str(error))

    def _row(self, found: _ROW) -> NewRow | None:
        seq, created_unix_ms, topic, kept, alarm, boot_id = found
        made = made_in(kept, created_unix_ms)
        try:
            epoch = _epoch_in(unpack(kept))
            row = NewRow(seq, Topic.parse(topic), kept, created_unix_ms, bool(alarm), made, boot_id)
        except (DamagedBodyError, BadTopicError, ValueError):  # named as lost
            self._lost.append(Gone(seq, made, boot_id))
            return None
        self._epoch = self._epoch or epoch
        self._moved.append(Gone(seq, Made(0, made.from_unix_ms, made.until_unix_ms), boot_id))
        if boot_id is None and self._from_unix_ms is None:
            self._from_unix_ms = created_unix_ms
        return row


def put_again(rows: Sequence[NewRow], left: list[NewRow], book: OutboxBook, bytes_max: int, _attempt: int) -> int:
    """Put rows of a corrupt file under new numbers, within a transaction; return how many.

    `left` receives what found no room.
    """
    left.clear()
    for old in rows:
        row = old.under(book.tables.epoch, book.last_seq + 1)
        totals = book.tables.totals
        room = room_for(row, totals.bytes, totals.evictable_bytes, bytes_max)
        if room.fits and not room.evict_bytes:
            book.put(row)
        else:
            left.append(old)
    return len(rows) - len(left)


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
        except sqlite3.DatabaseError:  # a damaged place: read up to it, then jump over it
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


def _epoch_in(body: bytes) -> str:
    """The epoch under which a row was made.

    Raises:
        DamagedBodyError: it is not the JSON of a payload.
    """
    found = json.loads(body)
    if not isinstance(found, dict) or not isinstance(found.get("epoch"), str):
        raise DamagedBodyError("not a payload with its number")
    return str(found["epoch"])


def _format(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
