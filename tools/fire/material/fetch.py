"""A training folder from the list: archives fetched, the listed pictures made small, labels.csv written."""

import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import structlog

from runtime.errors import FatalError, JangteoError
from tools.fire.material.archives import COMMANDS, Commands, fetch, members
from tools.fire.material.manifest import Archive, Manifest, Material

log = structlog.get_logger(__name__)

SIDE_PX_MAX = 640
COLUMNS = (
    *("file", "label", "kind", "scene", "source", "licence", "fps", "frames", "width", "height"),
    *("first_flame_frame", "last_flame_frame", "tags", "notes", "origin", "sha256"),
)
_JPEG_QUALITY = 92
_SHORT_HASH = 16


def gather(manifest: Manifest, into: Path, commands: Commands = COMMANDS) -> list[str]:
    """Fill the folder `into` with the pictures of `manifest`; one sentence for each archive that could not be had.

    Pictures that lie there already are kept, so that a run that was broken off goes on where it stopped. Archives are
    kept in `into/archives`. labels.csv names exactly the pictures that are there.
    """
    failures = []
    for archive in manifest.archives:
        absent = [picture for picture in manifest.of(archive) if not (into / picture.target).is_file()]
        if not absent:
            continue
        log.info("material.fetching", package=archive.package, version=archive.version, pictures=len(absent))
        try:
            _take(archive, absent, into, commands)
        except JangteoError as error:
            failures.append(str(error))
    _write_labels(manifest, into)
    return failures


def _take(archive: Archive, pictures: Sequence[Material], into: Path, commands: Commands) -> None:
    wanted = {picture.file: picture for picture in pictures}
    path = fetch(archive, into / "archives", commands)
    for name, content in members(path, frozenset(wanted)):
        _write_picture(into / wanted.pop(name).target, small(content, f"{archive.name}: {name}"))
    if wanted:
        raise FatalError(f"{archive.name} holds no {next(iter(wanted))}; take that line out of pictures.csv")


def small(content: bytes, called: str) -> bytes:
    """A picture file as JPEG of at most `SIDE_PX_MAX` pixels a side; what is transparent in it becomes mid-grey.

    Raises `FatalError` when `content` is no picture that OpenCV reads.
    """
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise FatalError(f"{called} cannot be read as a picture; take that line out of pictures.csv")
    colour = _in_colour(np.asarray(image))
    share = SIDE_PX_MAX / max(colour.shape[:2])
    if share < 1.0:
        colour = np.asarray(cv2.resize(colour, None, fx=share, fy=share, interpolation=cv2.INTER_AREA))
    done, coded = cv2.imencode(".jpg", colour, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    if not done:
        raise FatalError(f"{called} cannot be written as JPEG; take that line out of pictures.csv")
    return bytes(coded)


def _in_colour(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint16:
        image = (image >> 8).astype(np.uint8)
    if image.ndim == 2:  # noqa: PLR2004 - rows and columns, without channels
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    if image.shape[2] == 4:  # noqa: PLR2004 - blue, green, red, alpha
        opaque = image[:, :, 3:].astype(np.float32) / 255.0
        return np.asarray(image[:, :, :3] * opaque + 127.0 * (1.0 - opaque), np.uint8)
    return image


def _write_picture(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    half_done = path.with_suffix(".part")
    half_done.write_bytes(content)
    half_done.replace(path)


def _write_labels(manifest: Manifest, into: Path) -> None:
    archives = {archive.name: archive for archive in manifest.archives}
    into.mkdir(parents=True, exist_ok=True)
    half_done = into / "labels.csv.part"
    with half_done.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for picture in manifest.pictures:
            if (into / picture.target).is_file():
                writer.writerow(_row(picture, archives[picture.archive], into / picture.target))
    half_done.replace(into / "labels.csv")


def _row(picture: Material, archive: Archive, path: Path) -> dict[str, str]:
    content = path.read_bytes()
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise FatalError(f"{path} cannot be read as a picture; delete it and run this again")
    return {
        "file": picture.target.as_posix(),
        "label": picture.label,
        "kind": "image",
        "scene": picture.scene,
        "source": f"{archive.client}:{archive.package} {archive.version}",
        "licence": picture.licence,
        "width": str(image.shape[1]),
        "height": str(image.shape[0]),
        "tags": ",".join(picture.tags),
        "notes": picture.credit,
        "origin": picture.file,
        "sha256": hashlib.sha256(content).hexdigest()[:_SHORT_HASH],
    }
