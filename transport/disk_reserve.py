"""A ballast file: disk space that is ours already, given up when the disk is full so that a queue can still shrink.

A full disk otherwise wedges a queue for good: deleting a row needs space for the journal first.
"""

import os
from pathlib import Path

import structlog

log = structlog.get_logger(__name__)

SPARE_BYTES = 262_144  # left free for others when the space is taken


class DiskReserve:
    """`size_bytes` of allocated blocks in the file `path`."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = path
        self._size_bytes = size_bytes

    @property
    def held(self) -> bool:
        """Whether the space is ours now."""
        try:
            return self._path.stat().st_size >= self._size_bytes
        except OSError:
            return False

    def hold(self) -> bool:
        """Take the space if the disk has room to spare; say whether it is held."""
        if self.held:
            return True
        try:
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize < self._size_bytes + SPARE_BYTES:
                return False
            self._allocate()
        except OSError as error:
            log.warning("outbox.reserve_not_made", path=str(self._path), reason=error.strerror)
            self._path.unlink(missing_ok=True)
            return False
        return True

    def release(self) -> bool:
        """Give the space up; say whether there was any."""
        if not self._path.exists():
            return False
        self._path.unlink()
        log.warning("outbox.reserve_released", path=str(self._path), bytes=self._size_bytes)
        return True

    def _allocate(self) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, self._size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
