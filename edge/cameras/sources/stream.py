"""A camera on the network: an rtsp:// or http:// address, read through OpenCV's FFmpeg."""

import os
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit, urlunsplit

import cv2

from edge.cameras.sources.lag import LAG_S_MAX, Lag
from edge.cameras.sources.newest import LiveSource, NewestFrame
from edge.cameras.sources.port import SourceAbsentError
from runtime.clock import Clock

SCHEMES = ("rtsp", "rtsps", "http", "https")
OPEN_TIMEOUT_MS = 5_000
READ_TIMEOUT_MS = 5_000
OPTIONS_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
FFMPEG_OPTIONS: Mapping[str, Mapping[str, str | int]] = {
    # Over UDP a lost packet tears the picture, and torn pictures flicker. Sound is never asked for.
    "rtsp": {"rtsp_transport": "tcp", "allowed_media_types": "video", "timeout": 1000 * READ_TIMEOUT_MS},
    "http": {"rw_timeout": 1000 * READ_TIMEOUT_MS},
}
"""By scheme; times in microseconds. OpenCV's own limits cover most waits, these the ones inside FFmpeg's protocols."""


class StreamSource(LiveSource):
    """Frames of a network stream, the newest one only. It is lost when it ends or stalls for `READ_TIMEOUT_MS`."""

    def __init__(self, address: str, clock: Clock) -> None:
        super().__init__(clock)
        self._address = address

    @property
    def name(self) -> str:
        """The address without its password, which is never logged."""
        return without_password(self._address)

    def start(self) -> NewestFrame:
        """Connect, within `OPEN_TIMEOUT_MS`.

        Raises:
            SourceAbsentError: nobody answers there, or what answers is no video.
        """
        family = urlsplit(self._address).scheme.lower().removesuffix("s")
        # OpenCV takes these from the environment only, at each opening, for files too: this process has one source.
        os.environ[OPTIONS_VARIABLE] = "|".join(f"{name};{value}" for name, value in FFMPEG_OPTIONS[family].items())
        capture = cv2.VideoCapture()
        limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, OPEN_TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, READ_TIMEOUT_MS]
        if not capture.open(self._address, cv2.CAP_FFMPEG, [*limits, cv2.CAP_PROP_N_THREADS, 1]):
            capture.release()
            raise SourceAbsentError(
                f"{self.name} gives no video within {OPEN_TIMEOUT_MS / 1000:g} s: "
                "check the address, the password and that the camera is on"
            )
        return NewestFrame(capture, self._clock, _lateness(capture) if family == "rtsp" else lambda _: None)


def _lateness(capture: cv2.VideoCapture) -> Callable[[float], str | None]:
    """Why to give the stream up: its pictures are old when they come. Connecting anew drops what has queued."""
    lag = Lag()

    def check(arrived_s: float) -> str | None:
        behind_s = lag(capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0, arrived_s)
        if behind_s <= LAG_S_MAX:
            return None
        return (
            f"its pictures came {behind_s:.1f} s late: this machine cannot decode them as fast as they come, or the "
            "network cannot carry them; choose the camera's smaller stream"
        )

    return check


def without_password(address: str) -> str:
    """The address with whatever stands before the `@` replaced, for logs and pages."""
    parts = urlsplit(address)
    if "@" not in parts.netloc:
        return address
    return urlunsplit(parts._replace(netloc=f"…@{parts.netloc.rpartition('@')[2]}"))
