"""A camera on this machine: a V4L2 device by its index (`source: "0"` is /dev/video0)."""

from pathlib import Path

import cv2

from edge.cameras.sources.newest import NewestFrame
from edge.cameras.sources.port import Captured, SourceAbsentError
from runtime.clock import Clock

BUFFERED_FRAMES = 1


class V4l2Source:
    """Frames of /dev/video<index>, the newest one only."""

    is_still_picture = False
    is_live = True

    def __init__(self, index: int, clock: Clock) -> None:
        self._index = index
        self._clock = clock
        self._newest: NewestFrame | None = None

    @property
    def received_count(self) -> int:
        """How many pictures the device has given."""
        return self._newest.received_count if self._newest else 0

    def open(self) -> None:
        """Open the device.

        Raises:
            SourceAbsentError: there is none, or it is in use.
        """
        device = Path(f"/dev/video{self._index}")
        if not device.exists():
            raise SourceAbsentError(f"there is no {device}: is the camera plugged in?")
        capture = cv2.VideoCapture(self._index, cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            raise SourceAbsentError(f"{device} cannot be opened: it is in use, gives no video, or may not be read")
        capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERED_FRAMES)
        self._newest = NewestFrame(capture, self._clock)

    def read(self, wait_s: float) -> Captured | None:
        """The newest picture, or None after `wait_s`.

        Raises:
            SourceLostError: the device was unplugged.
        """
        if self._newest is None:
            raise SourceAbsentError(f"/dev/video{self._index} is not open")
        return self._newest.read(wait_s)

    def close(self) -> None:
        """Let the device go."""
        if self._newest is not None:
            self._newest.close()
