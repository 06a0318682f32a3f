"""Which source a camera's `source` setting means."""

from pathlib import Path
from urllib.parse import urlsplit

from edge.cameras.media import is_still
from edge.cameras.sources.image_file import ImageFileSource
from edge.cameras.sources.picamera import SCHEME as PICAMERA
from edge.cameras.sources.picamera import PicameraSource
from edge.cameras.sources.port import FrameSource
from edge.cameras.sources.stream import SCHEMES, StreamSource
from edge.cameras.sources.v4l2 import V4l2Source
from edge.cameras.sources.video_file import VideoFileSource
from runtime.clock import Clock


def choose_source(source: str, *, loop: bool, clock: Clock) -> FrameSource:
    """A V4L2 index, an address, a Raspberry Pi's own camera (`picamera`, `picamera:1`), or a file's path.

    The file is a picture or a clip. Nothing is opened yet.
    """
    if source.isdecimal():
        return V4l2Source(int(source), clock)
    if urlsplit(source).scheme.lower() in SCHEMES:
        return StreamSource(source, clock)
    kind, _, index = source.partition(":")
    if kind == PICAMERA and (index or "0").isdecimal():
        return PicameraSource(int(index or "0"), clock)
    path = Path(source).expanduser()
    if path.is_file() and is_still(path):
        return ImageFileSource(path, clock=clock)
    return VideoFileSource(path, loop=loop, clock=clock)
