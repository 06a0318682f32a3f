"""Packages as files: fetched by their registry's ordinary client, checked by hash, opened without being installed."""

import hashlib
import io
import lzma
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from runtime.errors import FatalError, RetryableError
from tools.fire.material.manifest import Archive

Commands = Mapping[str, Sequence[str]]
"""How each client is told to put one package into the working directory; `{package}` and `{version}` are filled in."""

COMMANDS: Commands = {
    "apt": ("apt-get", "download", "--quiet=2", "{package}={version}"),
    "npm": ("npm", "pack", "--silent", "{package}@{version}"),
    "pip": (
        sys.executable,
        *("-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--only-binary=:all:", "{package}=={version}"),
    ),
}
_PATIENCE_S = 900.0
_CHUNK = 1 << 20
_AR_MAGIC, _AR_HEADER = b"!<arch>\n", 60
_SAID = 200


def fetch(archive: Archive, into: Path, commands: Commands = COMMANDS) -> Path:
    """The archive's file in the folder `into`; fetched unless it lies there already with the right hash.

    Raises `FatalError` when the client is not installed or what came has another hash, `RetryableError` when the
    client fails or takes longer than a quarter of an hour.
    """
    path = into / f"{archive.name}-{archive.sha256[:16]}"
    if path.is_file() and _sha256(path) == archive.sha256:
        return path
    into.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=into) as folder:
        _download(archive, Path(folder), commands)
        came = [file for file in Path(folder).iterdir() if file.is_file()]
        if len(came) != 1:
            raise FatalError(f"{archive.client} wrote {len(came)} files for {_called(archive)}; one was expected")
        found = _sha256(came[0])
        if found != archive.sha256:
            raise FatalError(
                f"{_called(archive)} has the SHA-256 {found}, not {archive.sha256}; the registry changed it:"
                " look at it, then pin the new hash"
            )
        came[0].replace(path)
    return path


def members(path: Path, wanted: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    """The `wanted` members of a package file, in its own order: names as inside it, without a leading `./`.

    Reads .deb, .tar.gz (npm, source distributions) and .zip (wheels). Raises `FatalError` for anything else.
    """
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                if name in wanted:
                    yield name, file.read(name)
        return
    try:
        with _tar(path) as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                content = tar.extractfile(member) if name in wanted else None
                if content is not None:
                    yield name, content.read()
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise FatalError(f"{path} is no package that can be opened ({error}); delete it and fetch it again") from error


def _tar(path: Path) -> tarfile.TarFile:
    with path.open("rb") as file:
        if file.read(len(_AR_MAGIC)) != _AR_MAGIC:
            return tarfile.open(path)
        while header := file.read(_AR_HEADER):
            name, size = header[:16].decode("ascii", "replace").strip(" /"), int(header[48:58])
            if name.startswith("data.tar"):
                return tarfile.open(fileobj=io.BytesIO(file.read(size)))
            file.seek(size + size % 2, io.SEEK_CUR)
    raise FatalError(f"{path} is a .deb without data; delete it and fetch it again")


def _download(archive: Archive, folder: Path, commands: Commands) -> None:
    words = [word.format(package=archive.package, version=archive.version) for word in commands[archive.client]]
    program = shutil.which(words[0])
    if program is None:
        raise FatalError(f"{words[0]} is not installed, so {_called(archive)} cannot be fetched; install it")
    try:
        done = subprocess.run(
            [program, *words[1:]], cwd=folder, capture_output=True, text=True, check=False, timeout=_PATIENCE_S
        )
    except subprocess.TimeoutExpired as error:
        raise RetryableError(
            f"{words[0]} did not fetch {_called(archive)} within {_PATIENCE_S:.0f} s; try again"
        ) from error
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())[-_SAID:]
        raise RetryableError(f"{words[0]} could not fetch {_called(archive)}: {said or 'it said nothing'}; try again")


def _called(archive: Archive) -> str:
    return f"{archive.package} {archive.version}"


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
