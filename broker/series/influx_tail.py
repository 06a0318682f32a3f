"""What InfluxDB acknowledged last, kept in files, so that it can be written again if the server loses it.

A tail is a numbered folder that one writer holds (`lock`); `state.json` names the server and its known starts. Its
segments are line protocol: a comment `# BYTES`, then the body of one request of that many bytes and a line feed.
Nothing is synced: a kill of this process leaves what was written with the kernel, and only the end of a segment can be
torn. After a power cut a segment may end early or in NUL bytes, which no line of ours contains.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from runtime.errors import FatalError

log = structlog.get_logger(__name__)

TAILS_MAX = 64
TAIL_BYTES_MAX = 256_000_000
SEGMENTS_PER_TAIL = 16
STARTS_KNOWN_MAX = 16  # behind one address there may be several servers that answer in turn
HEAD_BYTES_MAX = 32

_STATE = "state.json"
_SUFFIX = ".lp"


@dataclass(frozen=True, slots=True)
class TailPlace:
    """The folder of the tails, and how large each may be."""

    folder: Path
    bytes_max: int = TAIL_BYTES_MAX


class Tail:
    """The last `bytes_max` bytes that the server `server` acknowledged to one writer. Not safe for several threads.

    When it is full the oldest segment, a sixteenth of it, is dropped. A body larger than all of it is kept alone.
    """

    def __init__(self, folder: Path, lock: BinaryIO, state: "_State", bytes_max: int) -> None:
        self.folder = folder
        self._lock = lock
        self._state = state
        self._bytes_max = bytes_max
        self._sizes = {number: path.stat().st_size for number, path in _segments(folder)}
        self._last = max(self._sizes, default=0)
        self._bytes = sum(self._sizes.values())
        self._descriptor: int | None = None  # of segment `_last`; a segment of an earlier process is never added to

    @property
    def bytes_count(self) -> int:
        """How much it holds."""
        return self._bytes

    def append(self, body: bytes) -> None:
        """Add what the server has just acknowledged.

        Raises:
            OSError: the disk is full or gone; the tail is as it was.
        """
        head = b"# %d\n" % len(body)
        size = len(head) + len(body) + 1
        while self._sizes and self._bytes + size > self._bytes_max:
            self._drop(min(self._sizes))
        descriptor = self._segment_for(size)
        held = self._sizes[self._last]
        if os.writev(descriptor, (head, body, b"\n")) != size:
            os.ftruncate(descriptor, held)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._sizes[self._last] = held + size
        self._bytes += size

    def reader(self) -> "TailReader":
        """Its bodies, oldest first."""
        return TailReader(self.folder)

    def knows(self, start: str) -> bool:
        """Whether all that is in the tail has been written to the server since it was started so."""
        return start in self._state.starts

    def note_start(self, start: str) -> None:
        """Everything has been written again since `start`; survives this process.

        Raises:
            OSError: it could not be kept.
        """
        self._state.starts = (*self._state.starts, start)[-STARTS_KNOWN_MAX:]
        self._state.save(self.folder)

    def clear(self) -> None:
        """Forget everything.

        Raises:
            OSError: a file could not be removed.
        """
        for number in tuple(self._sizes):
            self._drop(number)

    def close(self) -> None:
        """Let another writer have it."""
        self._close_segment()
        self._lock.close()

    def _segment_for(self, size: int) -> int:
        full = self._sizes.get(self._last, 0) + size > self._bytes_max // SEGMENTS_PER_TAIL
        if self._descriptor is not None and not full:
            return self._descriptor
        self._close_segment()
        path = _segment(self.folder, self._last + 1)
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
        self._last += 1
        self._sizes[self._last] = 0
        return self._descriptor

    def _close_segment(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _drop(self, number: int) -> None:
        if number == self._last:
            self._close_segment()
        _segment(self.folder, number).unlink(missing_ok=True)
        self._bytes -= self._sizes.pop(number)


class TailReader:
    """Reads a tail from its beginning; at its end it goes on with what was added meanwhile.

    A segment that was dropped while it was read is read to its end. A torn end is passed over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self._file: BinaryIO | None = None

    def next(self) -> bytes | None:
        """The next body, or `None` at the end. Nobody may add to the tail during this call.

        Raises:
            OSError: a segment cannot be read.
        """
        while True:
            body = self._body()
            if body is not None:
                return body
            newer = next((found for found in _segments(self._folder) if found[0] > self._number), None)
            if newer is None:
                return None
            self._open(*newer)

    def close(self) -> None:
        """Close the segment."""
        if self._file is not None:
            self._file.close()

    def _open(self, number: int, path: Path) -> None:
        if self._file is not None and self._file.read(1):
            log.warning("influx-tail.torn", folder=str(self._folder), segment=self._number, at=self._file.tell() - 1)
        self.close()
        self._number, self._file = number, path.open("rb")

    def _body(self) -> bytes | None:
        """The body at this place of the segment; `None`, and the same place, where there is no whole one."""
        if self._file is None:
            return None
        place = self._file.tell()
        head = self._file.readline(HEAD_BYTES_MAX)
        if head.startswith(b"# ") and head.endswith(b"\n") and head[2:-1].isdigit():
            size = int(head[2:-1])
            body = self._file.read(size + 1)
            if len(body) == size + 1 and body.endswith(b"\n") and b"\0" not in body:
                return body[:-1]
        self._file.seek(place)
        return None


class _State:
    """Which server a tail belongs to, and after which of its starts all of it was written."""

    def __init__(self, server: str, starts: tuple[str, ...] = ()) -> None:
        self.server = server
        self.starts = starts

    def save(self, folder: Path) -> None:
        """Whole or not at all."""
        fresh = folder / f"{_STATE}.new"
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"server": self.server, "starts": self.starts}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / _STATE)

    @classmethod
    def load(cls, folder: Path) -> "_State | None":
        """What `save` wrote; `None` where there is nothing."""
        try:
            found = json.loads((folder / _STATE).read_text(encoding="utf-8"))
            return cls(str(found["server"]), tuple(map(str, found["starts"])))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            log.warning("influx-tail.unreadable", folder=str(folder), error=str(error))
            return cls("")  # nobody's: it is left alone


def claim_tail(place: TailPlace, server: str) -> Tail:
    """The first tail there that belongs to `server` (its address and bucket) and that nobody holds, or a new one.

    Raises:
        FatalError: the folder cannot be used, or `TAILS_MAX` are held; the sentence says what to do.
    """
    remedy = "name another folder in tail_dir, or set tail_bytes_max: 0"
    try:
        for number in range(1, TAILS_MAX + 1):
            own = place.folder / str(number)
            own.mkdir(mode=0o700, parents=True, exist_ok=True)
            tail = _hold(own, server, place.bytes_max, makes=True)
            if tail is not None:
                return tail
    except OSError as error:
        raise FatalError(
            f"{place.folder}: the tail of InfluxDB's readings cannot be kept ({error}): {remedy}"
        ) from error
    raise FatalError(f"{place.folder}: all {TAILS_MAX} tails are held by others or belong to other servers: {remedy}")


def abandoned_tails(place: TailPlace, server: str) -> Iterator[Tail]:
    """The tails of `server` that nobody holds, each held until the next one is asked for.

    Raises:
        OSError: the folder cannot be read.
    """
    for path in sorted(place.folder.iterdir()):
        if not (path / _STATE).exists():
            continue
        tail = _hold(path, server, place.bytes_max, makes=False)
        if tail is not None:
            try:
                yield tail
            finally:
                tail.close()


def _hold(folder: Path, server: str, bytes_max: int, *, makes: bool) -> Tail | None:
    lock = (folder / "lock").open("ab")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        state = _State.load(folder)
        if state is None and makes:
            state = _State(server)
            state.save(folder)
        if state is not None and state.server == server:
            return Tail(folder, lock, state, bytes_max)
    except BlockingIOError:
        pass  # somebody holds it
    except BaseException:  # raised again: nobody but us would ever let the lock go
        lock.close()
        raise
    lock.close()
    return None


def _segment(folder: Path, number: int) -> Path:
    return folder / f"{number:012}{_SUFFIX}"


def _segments(folder: Path) -> list[tuple[int, Path]]:
    """Every segment by its number, oldest first."""
    return sorted((int(path.stem), path) for path in folder.glob(f"*{_SUFFIX}") if path.stem.isdigit())
