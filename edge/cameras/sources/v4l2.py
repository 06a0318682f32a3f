"""A camera on this machine: a V4L2 device by its index (`source: "0"` is /dev/video0)."""

from pathlib import Path

import cv2

from edge.cameras.sources.newest import LiveSource, NewestFrame
from edge.cameras.sources.port import SourceAbsentError
from runtime.clock import Clock

BUFFERED_FRAMES = 1


class V4l2Source(LiveSource):
    """Frames of /dev/video<index>, the newest one only. It is lost when it is unplugged."""

    def __init__(self, index: int, clock: Clock) -> None:
        super().__init__(clock)
        self._index = index

    @property
    def name(self) -> str:
        """The device's file."""
        return f"/dev/video{self._index}"

    def start(self) -> NewestFrame:
        """Open the device.

        Raises:
            SourceAbsentError: there is none, or it is in use.
        """
        if not Path(self.name).exists():
            raise SourceAbsentError(f"there is no {self.name}: is the camera plugged in?")
        capture = cv2.VideoCapture(self._index, cv2.CAP_V4L2)
        if not capture.isOpened():
            capture.release()
            raise SourceAbsentError(f"{self.name} cannot be opened: it is in use, gives no video, or may not be read")
        capture.set(cv2.CAP_PROP_BUFFERSIZE, BUFFERED_FRAMES)
        return NewestFrame(capture, self._clock)
