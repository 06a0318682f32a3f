"""One camera's pictures for all who watch it: rendered once, only while somebody watches, the newest only."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import cv2
import structlog

from firmware_sim.cameras.perspective import Image
from runtime.errors import FatalError

log = structlog.get_logger(__name__)

JPEG_QUALITY = 82
WATCHERS_MAX = 16
NEW_PICTURE_WAIT_S = 5.0


class Pictures(Protocol):
    """Where a feed's pictures come from."""

    @property
    def fps(self) -> float:
        """How many it has a second."""
        ...

    def next_picture(self, time_s: float) -> Image:
        """The picture at `time_s` since the feed was made; called in order, never twice at once."""
        ...


class TooManyWatchersError(Exception):
    """`WATCHERS_MAX` watch already."""


class DeadCameraError(Exception):
    """The camera has been made dead: it gives no pictures."""


class Feed:
    """Hands the newest picture, as JPEG, to up to `WATCHERS_MAX` watchers; a slow one misses pictures.

    `frozen` repeats the last picture to the bit; `dead` ends every watch and refuses new ones, and so does a source
    that breaks.
    """

    def __init__(self, name: str, pictures: Pictures) -> None:
        self.name = name
        self._pictures = pictures
        self._began_s = time.monotonic()
        self._changed = threading.Condition()
        self._newest = b""
        self._number = 0
        self._watchers = 0
        self._frozen = self._dead = self._closed = False
        self._thread: threading.Thread | None = None

    @property
    def watchers(self) -> int:
        """How many watch now."""
        return self._watchers

    def time_s(self) -> float:
        """Seconds since the feed was made: the time its pictures are of."""
        return time.monotonic() - self._began_s

    @property
    def frozen(self) -> bool:
        """Whether the picture stands still."""
        return self._frozen

    @frozen.setter
    def frozen(self, frozen: bool) -> None:
        self._frozen = frozen

    @property
    def dead(self) -> bool:
        """Whether the camera is dead."""
        return self._dead

    @dead.setter
    def dead(self, dead: bool) -> None:
        with self._changed:
            self._dead = dead
            self._changed.notify_all()

    def close(self) -> None:
        """End every watch, for good."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @contextmanager
    def watch(self) -> Iterator[Iterator[bytes]]:
        """The pictures from now on, as JPEG, until the camera is dead or closed.

        Raises:
            DeadCameraError, TooManyWatchersError: before the first picture.
        """
        with self._changed:
            if self._is_over:
                raise DeadCameraError(f"camera {self.name} is dead")
            if self._watchers >= WATCHERS_MAX:
                raise TooManyWatchersError(f"camera {self.name} has {WATCHERS_MAX} watchers already")
            self._watchers += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._render, name=f"feed-{self.name}", daemon=True)
                self._thread.start()
        try:
            yield self._newer()
        finally:
            with self._changed:
                self._watchers -= 1

    def _newer(self) -> Iterator[bytes]:
        seen = self._number
        while True:
            with self._changed:
                while self._number == seen and not self._is_over:
                    if not self._changed.wait(NEW_PICTURE_WAIT_S):
                        return
                if self._is_over:
                    return
                seen, picture = self._number, self._newest
            yield picture

    @property
    def _is_over(self) -> bool:
        return self._dead or self._closed

    def _render(self) -> None:
        due_s = time.monotonic()
        while self._wanted():
            if not (self._frozen and self._newest):
                try:
                    self._newest = self._encode()
                except FatalError as error:
                    log.warning("sim.camera_died", camera=self.name, reason=str(error))
                    self.dead = True
                    continue
            with self._changed:
                self._number += 1
                self._changed.notify_all()
            due_s = max(due_s + 1.0 / self._pictures.fps, time.monotonic() - 1.0)
            time.sleep(max(0.0, due_s - time.monotonic()))

    def _wanted(self) -> bool:
        with self._changed:
            if self._watchers and not self._is_over:
                return True
            self._thread = None
            return False

    def _encode(self) -> bytes:
        picture = self._pictures.next_picture(self.time_s())
        _, jpeg = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        return jpeg.tobytes()
