"""The newest picture of a live capture: a thread takes every picture as it comes and keeps one."""

import threading
from typing import Protocol

import numpy as np

from edge.cameras.ports import Frame, Picture
from edge.cameras.sources.port import Captured, SourceLostError
from runtime.clock import Clock

_MISSES_MAX = 5
"""A decoder may stumble over a damaged packet; this many failures in a row are the end of the stream."""


class Capture(Protocol):
    """What `cv2.VideoCapture` is to us."""

    def read(self) -> tuple[bool, object]:
        """Whether there is a picture, and the picture."""
        ...

    def release(self) -> None:
        """Close it."""
        ...


class NewestFrame:
    """Reads a capture in a thread of its own and holds the last picture only.

    A capture that hangs leaves the thread waiting and `read` answering None: the pictures' age tells, and the camera's
    supervisor ends the process. Nothing queues: a picture that is not fetched before the next one is overwritten.
    """

    def __init__(self, capture: Capture, clock: Clock) -> None:
        self._capture = capture
        self._clock = clock
        self._ready = threading.Condition()
        self._newest: Captured | None = None
        self._lost = False
        self._closed = False
        self.received_count = 0
        self._thread = threading.Thread(target=self._grab, name="camera-grab", daemon=True)
        self._thread.start()

    def read(self, wait_s: float) -> Captured | None:
        """The newest picture not yet fetched, or None after `wait_s`.

        Raises:
            SourceLostError: the capture gives no more.
        """
        with self._ready:
            self._ready.wait_for(lambda: self._newest is not None or self._lost, wait_s)
            newest, self._newest = self._newest, None
            if newest is None and self._lost:
                raise SourceLostError("the stream broke off")
            return newest

    def close(self) -> None:
        """Tell the thread to release the capture; a thread that hangs in it ends with the process."""
        self._closed = True

    def _grab(self) -> None:
        misses = 0
        try:
            while not self._closed and misses < _MISSES_MAX:
                decoded, image = self._capture.read()
                misses = 0 if decoded else misses + 1
                if decoded:
                    self._keep(np.asarray(image, np.uint8))
        finally:
            self._capture.release()
            with self._ready:
                self._lost = True
                self._ready.notify_all()

    def _keep(self, image: Picture) -> None:
        arrived_s = self._clock.monotonic_s()
        with self._ready:
            self._newest = Captured(Frame(image, arrived_s, self.received_count), arrived_s)
            self.received_count += 1
            self._ready.notify_all()
