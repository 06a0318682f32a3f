"""Media files: a still or a clip, its frames, and one sentence when it cannot be read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import structlog

# Read when OpenCV first opens a clip: without it the decoder writes its own lines between ours on stderr.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2
import numpy as np

from edge.cameras.ports import Frame, Picture
from runtime.errors import FatalError

log = structlog.get_logger(__name__)

_FPS_ASSUMED = 25.0
_FPS_MAX = 240.0
_ANIMATIONS = frozenset({".gif", ".webp", ".apng", ".avif"})


class UnreadableMediaError(FatalError):
    """A file that is no picture and no clip, or cannot be opened."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Clip:
    """An opened clip. `fps` is what its header says, or 25 where that is missing or absurd."""

    path: Path
    fps: float
    frames: Iterator[Frame]


def check_readable(path: Path) -> None:
    """Raises `UnreadableMediaError` unless `path` is a file with content that may be read."""
    if not path.exists():
        raise UnreadableMediaError(path, "there is no such file")
    if not path.is_file():
        raise UnreadableMediaError(path, "this is not a file; name a picture or a video file")
    if not os.access(path, os.R_OK):
        raise UnreadableMediaError(path, "it may not be read; check its permissions")
    if path.stat().st_size == 0:
        raise UnreadableMediaError(path, "the file is empty")


def is_still(path: Path) -> bool:
    """Whether the file's content is a single picture (a moving GIF or WebP is a clip)."""
    return path.suffix.lower() not in _ANIMATIONS and bool(cv2.haveImageReader(str(path)))


def read_still(path: Path) -> Picture:
    """The picture in `path`. Raises `UnreadableMediaError`.

    A JPEG that was cut short is read as far as it goes, with a warning in the log.
    """
    with _quiet():
        image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise UnreadableMediaError(path, "the picture cannot be decoded; it may be damaged")
    if path.suffix.lower() in {".jpg", ".jpeg"} and b"\xff\xd9" not in path.read_bytes()[-64:]:
        log.warning("media.truncated", path=str(path), detail="the picture ends early; what is there was analysed")
    return np.asarray(image, np.uint8)


@contextmanager
def open_clip(path: Path) -> Iterator[Clip]:
    """The clip in `path`, closed at the end. Raises `UnreadableMediaError`.

    A clip that ends before its header says gives the frames it has, then logs `media.truncated`.
    """
    with _quiet():
        capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    try:
        if not capture.isOpened():
            raise UnreadableMediaError(
                path, "no picture and no video that can be decoded; it may be damaged or cut short"
            )
        fps = capture.get(cv2.CAP_PROP_FPS)
        if not 0.0 < fps <= _FPS_MAX:
            log.warning("media.no_frame_rate", path=str(path), fps_assumed=_FPS_ASSUMED)
            fps = _FPS_ASSUMED
        yield Clip(path, fps, _frames(capture, path, fps))
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture, path: Path, fps: float) -> Iterator[Frame]:
    index = 0
    while True:
        decoded, image = capture.read()
        if not decoded:
            break
        yield Frame(np.asarray(image, np.uint8), index / fps, index)
        index += 1
    promised = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    if index < promised - 1:
        log.warning("media.truncated", path=str(path), frames=index, frames_promised=promised)


@contextmanager
def _quiet() -> Iterator[None]:
    """OpenCV's own log off for a while: what failed is said once, by us."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(before)
