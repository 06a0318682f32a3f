"""A picture file shown as a camera: the same picture again and again, and honest about it."""

from collections.abc import Callable
from pathlib import Path
from time import sleep as sleep_s

from edge.cameras.media import UnreadableMediaError, check_readable, read_still
from edge.cameras.ports import Frame, Picture
from edge.cameras.sources.port import Captured, SourceAbsentError
from runtime.clock import Clock

FPS = 8.0


class ImageFileSource:
    """One picture, `FPS` times a second. Nothing in it moves, so no fire can be confirmed in it."""

    is_still_picture = True
    is_live = False

    def __init__(self, path: Path, *, clock: Clock, sleep: Callable[[float], None] = sleep_s) -> None:
        self._path = path
        self._clock = clock
        self._sleep = sleep
        self._image: Picture | None = None
        self._begun_s = 0.0
        self.received_count = 0

    def open(self) -> None:
        """Read the picture.

        Raises:
            SourceAbsentError: no such file, or no picture.
        """
        try:
            check_readable(self._path)
            self._image = read_still(self._path)
        except UnreadableMediaError as error:
            raise SourceAbsentError(str(error)) from error
        self._begun_s = self._clock.monotonic_s()

    def read(self, wait_s: float) -> Captured | None:
        """The picture, when its turn has come, or None after `wait_s`."""
        if self._image is None:
            raise SourceAbsentError(f"{self._path} is not open")
        index = self.received_count
        early_s = self._begun_s + index / FPS - self._clock.monotonic_s()
        self._sleep(min(max(early_s, 0.0), wait_s))
        if early_s > wait_s:
            return None
        self.received_count += 1
        return Captured(Frame(self._image, index / FPS, index), self._clock.monotonic_s(), position_s=0.0)

    def close(self) -> None:
        """Forget the picture."""
        self._image = None
