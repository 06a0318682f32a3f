"""The newest picture of a live capture: a thread takes every picture as it comes and keeps one; sources stand on it."""

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

import numpy as np

from edge.cameras.ports import Frame, Picture
from edge.cameras.sources.port import Captured, SourceAbsentError, SourceLostError
from runtime.clock import Clock

_MISSES_MAX = 5
"""A decoder may stumble over a damaged packet; this many failures in a row are the end of the stream."""

_CLOSE_WAIT_S = 0.5
_MISS_S_MAX = 2.0
"""A read that fails after this long has run into the time-out: the stream has stalled, and asking again is no use."""


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
    `check` is asked at each picture's arrival, in that thread, why the stream is to be given up; None: it is not.
    """

    def __init__(self, capture: Capture, clock: Clock, check: Callable[[float], str | None] = lambda _: None) -> None:
        self._capture = capture
        self._clock = clock
        self._check = check
        self._ready = threading.Condition()
        self._newest: Captured | None = None
        self._lost = False
        self._why = "the stream broke off"
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
                raise SourceLostError(self._why)
            return newest

    def close(self) -> None:
        """Have the thread release the capture, and wait a moment for it; one that hangs ends with the process."""
        self._closed = True
        if threading.current_thread() is not self._thread:
            self._thread.join(_CLOSE_WAIT_S)

    def _grab(self) -> None:
        misses = 0
        try:
            while not self._closed and misses < _MISSES_MAX:
                asked_s = self._clock.monotonic_s()
                decoded, image = self._capture.read()
                arrived_s = self._clock.monotonic_s()
                if decoded:
                    misses = 0
                    self._keep(np.asarray(image, np.uint8), arrived_s)
                    why = self._check(arrived_s)
                else:
                    misses += 1
                    stalled = arrived_s - asked_s >= _MISS_S_MAX
                    why = f"no picture came for {arrived_s - asked_s:.0f} s" if stalled else None
                if why is not None:
                    self._why = why
                    break
        finally:
            self._capture.release()
            with self._ready:
                self._lost = True
                self._ready.notify_all()

    def _keep(self, image: Picture, arrived_s: float) -> None:
        with self._ready:
            self._newest = Captured(Frame(image, arrived_s, self.received_count), arrived_s)
            self.received_count += 1
            self._ready.notify_all()


class LiveSource(ABC):
    """A source of what happens now, the newest frame only. Each says how its capture starts, and what it is called."""

    is_still_picture = False
    is_live = True

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._newest: NewestFrame | None = None

    @property
    @abstractmethod
    def name(self) -> str:
        """What messages call it: no password is in it."""

    @abstractmethod
    def start(self) -> NewestFrame:
        """Open the capture.

        Raises:
            SourceAbsentError: it cannot be opened, why, and what to do.
        """

    @property
    def received_count(self) -> int:
        """How many pictures it has given."""
        return self._newest.received_count if self._newest else 0

    def open(self) -> None:
        """Open it, within its own time limit.

        Raises:
            SourceAbsentError: it cannot be opened, why, and what to do.
        """
        self._newest = self.start()

    def read(self, wait_s: float) -> Captured | None:
        """The newest picture, or None after `wait_s`.

        Raises:
            SourceLostError: it was unplugged, ended or stalled.
        """
        if self._newest is None:
            raise SourceAbsentError(f"{self.name} is not open")
        return self._newest.read(wait_s)

    def close(self) -> None:
        """Let it go."""
        if self._newest is not None:
            self._newest.close()
