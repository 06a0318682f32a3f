"""Assets: files named by the SHA-256 of what is in them, in one folder. A name never changes its content."""

import hashlib
import os
import re
from collections.abc import Set as AbstractSet
from pathlib import Path

from broker.console.problems import ExplainedError
from runtime.errors import FatalError

SHA256_HEX = re.compile(r"[0-9a-f]{64}")


class AssetsFullError(ExplainedError, FatalError):
    """The folder's bound is reached and everything in it is in use."""


class AssetFiles:
    """Writes and finds files. Over `bytes_max` the files that no current notice shows go, the oldest first."""

    def __init__(self, folder: Path, bytes_max: int) -> None:
        self._folder = folder
        self._bytes_max = bytes_max

    def keep(self, data: bytes, in_use: AbstractSet[str]) -> str:
        """Store `data` durably and return its hash.

        Raises:
            AssetsFullError: there is no room even without the files that are not in `in_use`.
            OSError: the disk refuses.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        target = self._folder / sha256
        if target.is_file():
            os.utime(target)  # used again: not the oldest any more
            return sha256
        self._folder.mkdir(parents=True, exist_ok=True)
        self._make_room(len(data), in_use)
        fresh = self._folder / f".{sha256}.{os.getpid()}.new"
        try:
            with fresh.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(target)
        finally:
            fresh.unlink(missing_ok=True)
        return sha256

    def find(self, sha256: str) -> Path | None:
        """The file of this hash."""
        path = self._folder / sha256
        return path if SHA256_HEX.fullmatch(sha256) and path.is_file() else None

    def _make_room(self, wanted_bytes: int, in_use: AbstractSet[str]) -> None:
        files = sorted((path.stat().st_mtime_ns, path.stat().st_size, path) for path in self._folder.iterdir())
        total = sum(size for _, size, _ in files)
        for _, size, path in files:
            if total + wanted_bytes <= self._bytes_max:
                return
            if path.name not in in_use:
                path.unlink(missing_ok=True)
                total -= size
        if total + wanted_bytes > self._bytes_max:
            raise AssetsFullError("pictures_full", total=total, limit=self._bytes_max)
