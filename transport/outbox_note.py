"""The outbox's note: beside a database that a full disk will not let write, what was used up and lost meanwhile.

Two places of `PLACE_BYTES` in a file that is allocated in advance and overwritten in place, in turn: that needs no new
block, and of a write that is cut off the other place remains.
"""

import errno
import json
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import structlog

from transport.outbox_gaps import GapRange

log = structlog.get_logger(__name__)

PLACES = 2
PLACE_BYTES = 4096
_HEAD = struct.Struct("<II")  # checksum and length of what follows


@dataclass(frozen=True, slots=True)
class Noted:
    """What one note says: `ranges` as the gap ledger has them under their ids, `None` where there is none any more.

    `number` grows with every note: the database keeps the newest one whose content it has.
    """

    number: int
    epoch: str
    last_seq: int
    ranges: Mapping[int, GapRange | None]


class OutboxNote:
    """The file `path`; bounded by its size: ranges that find no place in it are left out, the oldest first.

    Their numbers stay used up all the same, so that ingest names them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._number = 0

    def prepare(self) -> None:
        """Allocate it if that was not done and the disk has the room."""
        size_bytes = PLACES * PLACE_BYTES
        try:
            if self._path.exists() and self._path.stat().st_size == size_bytes:
                return
            _write(self._path, 0, bytes(size_bytes))
        except OSError as error:
            log.warning("outbox.note_not_made", path=str(self._path), reason=error.strerror)

    def read(self) -> Noted | None:
        """The newest whole note, if there is any."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:  # the first start
            return None
        except OSError as error:
            log.warning("outbox.note_not_read", path=str(self._path), reason=error.strerror)
            return None
        places = (_parsed(content[start : start + PLACE_BYTES]) for start in range(0, len(content), PLACE_BYTES))
        found = max((one for one in places if one is not None), key=lambda one: one.number, default=None)
        self._number = max(self._number, found.number if found else 0)
        return found

    def write(self, after_number: int, epoch: str, last_seq: int, ranges: Sequence[tuple[int, GapRange | None]]) -> int:
        """Note it on the disk under a number above `after_number`; return that, 0 if the disk does not take it."""
        number = max(self._number, after_number) + 1
        left = list(ranges)
        while len(body := _body(number, epoch, last_seq, left)) > PLACE_BYTES - _HEAD.size:
            left = left[max(1, len(left) // 8) :]
        try:
            _write(self._path, number % PLACES * PLACE_BYTES, _HEAD.pack(zlib.crc32(body), len(body)) + body)
        except OSError as error:
            log.warning("outbox.note_not_written", path=str(self._path), reason=error.strerror)
            return 0
        self._number = number
        return number


def _body(number: int, epoch: str, last_seq: int, ranges: Sequence[tuple[int, GapRange | None]]) -> bytes:
    rows = [[gap_id, one and astuple(one)] for gap_id, one in ranges]
    return json.dumps([number, epoch, last_seq, rows], separators=(",", ":")).encode()


def _parsed(place: bytes) -> Noted | None:
    if len(place) < _HEAD.size:
        return None
    checksum, length = _HEAD.unpack_from(place)
    body = place[_HEAD.size : _HEAD.size + length]
    if not body or len(body) != length or zlib.crc32(body) != checksum:
        return None
    number, epoch, last_seq, rows = json.loads(body)
    return Noted(number, epoch, last_seq, {gap_id: row and GapRange.from_row(row) for gap_id, row in rows})


def _write(path: Path, at: int, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        if os.pwrite(descriptor, content, at) < len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
