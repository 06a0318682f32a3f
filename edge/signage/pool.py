"""The pool: content-addressed files on the device's disk, fetched with resume, complete or not there at all."""

import asyncio
import hashlib
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import httpx
import structlog

from contract.signage import FileRef
from runtime.errors import FatalError, RetryableError

log = structlog.get_logger(__name__)

POOL_BYTES_MAX = 2_000_000_000
CHUNK_BYTES = 65_536
HTTP_TIMEOUT_S = 10.0
FETCH_S_MAX = 900.0
_NAME = re.compile(r"[0-9a-f]{64}")
_PART = ".part"


class AssetFetchError(RetryableError):
    """A file could not be fetched now; what came of it is kept and the next try goes on from there."""


class CorruptAssetError(RetryableError):
    """What came is not what the manifest names. It was thrown away; the next try begins anew."""


class PoolFullError(FatalError):
    """A manifest's files cannot fit into the pool."""


class AssetPool:
    """Files by their SHA-256 under one folder. A name without `.part` is a complete, checked, synced file.

    Bounded by `bytes_max`: `make_room` deletes the longest unused files that nothing in `keep` names, and no other.
    """

    def __init__(self, directory: Path, assets_url: str, *, bytes_max: int = POOL_BYTES_MAX) -> None:
        self._directory = directory
        self._assets_url = assets_url.rstrip("/")
        self._bytes_max = bytes_max
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path | None:
        """The complete file of this hash; None when the pool has none, or when `sha256` is no hash."""
        if _NAME.fullmatch(sha256) is None:
            return None
        path = self._directory / sha256
        return path if path.is_file() else None

    def check(self, file: FileRef) -> bool:
        """Whether the file is there with the right size and the right hash. A wrong one is deleted. Reads it whole."""
        path = self.path(file.sha256)
        if path is None:
            return False
        if path.stat().st_size == file.size_bytes and _sha256(path) == file.sha256:
            return True
        log.error("signage.file_damaged", sha256=file.sha256)
        path.unlink(missing_ok=True)
        return False

    async def fetch(self, file: FileRef, client: httpx.AsyncClient) -> None:
        """Get the file if it is not there: from where the last try stopped, into `.part`, then synced, checked, named.

        Raises:
            AssetFetchError: the server, the network or the disk did not give or take it; try again.
            CorruptAssetError: size or hash is not what was named.
        """
        if self.path(file.sha256) is not None:
            return
        part = _Part(self._directory / f"{file.sha256}{_PART}")
        try:
            async with asyncio.timeout(FETCH_S_MAX):
                await self._download(file, part, client)
            await asyncio.to_thread(_finish, part.path, self._directory / file.sha256, file)
        except (httpx.HTTPError, TimeoutError) as error:
            what = str(error) or type(error).__name__
            raise AssetFetchError(f"file {file.sha256[:12]}… cannot be fetched: {what}") from error
        except OSError as error:
            raise AssetFetchError(f"file {file.sha256[:12]}… cannot be stored: {error.strerror}") from error

    def make_room(self, wanted: Iterable[FileRef], keep: Iterable[str]) -> None:
        """Delete what is neither wanted nor kept until all that is wanted fits.

        Raises:
            PoolFullError: it cannot fit even then; nothing that is in use was deleted.
        """
        wanted = tuple(wanted)
        held = {*keep, *(file.sha256 for file in wanted)}
        missing_bytes = sum(file.size_bytes for file in wanted if self.path(file.sha256) is None)
        files = sorted((p for p in self._directory.iterdir() if p.is_file()), key=lambda p: p.stat().st_mtime)
        used_bytes = sum(path.stat().st_size for path in files if path.suffix != _PART)
        for path in files:
            if path.suffix == _PART and path.stem not in held:
                path.unlink(missing_ok=True)
            elif path.name not in held and path.suffix != _PART and used_bytes + missing_bytes > self._bytes_max:
                used_bytes -= path.stat().st_size
                path.unlink(missing_ok=True)
                log.info("signage.file_evicted", sha256=path.name)
        if used_bytes + missing_bytes > self._bytes_max:
            raise PoolFullError(
                f"the manifest's files and those in use need {used_bytes + missing_bytes} bytes, "
                f"the pool holds {self._bytes_max}: use smaller or fewer pictures"
            )

    def touch(self, sha256s: Iterable[str]) -> None:
        """Mark files as used now, for eviction."""
        now_s = time.time()
        for sha256 in sha256s:
            path = self.path(sha256)
            if path is not None:
                os.utime(path, (now_s, now_s))

    async def _download(self, file: FileRef, part: "_Part", client: httpx.AsyncClient) -> None:
        have_bytes = part.size_bytes()
        if have_bytes > file.size_bytes:
            part.drop()
            have_bytes = 0
        if have_bytes == file.size_bytes:
            return
        headers = {"Accept-Encoding": "identity"}
        if have_bytes:
            headers["Range"] = f"bytes={have_bytes}-"
        url = f"{self._assets_url}/{file.sha256}"
        async with client.stream("GET", url, headers=headers, timeout=HTTP_TIMEOUT_S) as response:
            partial = response.status_code == httpx.codes.PARTIAL_CONTENT
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.drop()
            response.raise_for_status()
            if partial and not _begins_at(response, have_bytes):
                part.drop()
                raise AssetFetchError(f"file {file.sha256[:12]}…: the server resumed at another place than asked for")
            await _write(response, part, file.size_bytes, have_bytes if partial else 0)


class _Part:
    """The unfinished file of a download."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size_bytes(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)

    def open(self, *, resume: bool) -> BinaryIO:
        return self.path.open("ab" if resume else "wb")


def _begins_at(response: httpx.Response, position: int) -> bool:
    answer = str(response.headers.get("Content-Range", ""))
    return answer.startswith(f"bytes {position}-")


async def _write(response: httpx.Response, part: _Part, size_bytes: int, have_bytes: int) -> None:
    with part.open(resume=have_bytes > 0) as out:
        async for chunk in response.aiter_raw(CHUNK_BYTES):
            have_bytes += len(chunk)
            if have_bytes > size_bytes:
                break
            out.write(chunk)
    if have_bytes > size_bytes:
        part.drop()
        raise CorruptAssetError(f"the server sent more than the {size_bytes} bytes that the manifest names")
    if have_bytes < size_bytes:
        raise AssetFetchError(f"the connection ended after {have_bytes} of {size_bytes} bytes")


def _finish(part: Path, final: Path, file: FileRef) -> None:
    """Sync, check, name: in this order, so that a power cut leaves either the whole file or none."""
    if part.stat().st_size != file.size_bytes or _sha256(part) != file.sha256:
        part.unlink(missing_ok=True)
        raise CorruptAssetError(f"file {file.sha256[:12]}…: what came has another size or hash than the manifest names")
    with part.open("rb+") as data:
        os.fsync(data.fileno())
    part.replace(final)
    sync_directory(final.parent)


def sync_directory(directory: Path) -> None:
    """Make a rename in `directory` survive a power cut."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(path: Path) -> str:
    with path.open("rb") as data:
        return hashlib.file_digest(data, "sha256").hexdigest()
