"""A video file played as a camera: in real time, at its own rate, once or for ever."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from time import sleep as sleep_s

import structlog

from edge.cameras.media import Clip, UnreadableMediaError, check_readable, open_clip
from edge.cameras.ports import Frame
from edge.cameras.sources.port import Captured, SourceAbsentError, SourceEndedError
from runtime.clock import Clock

log = structlog.get_logger(__name__)

LATE_S_MAX = 0.5
"""Frames that are later than this are passed over, so that the position keeps up with the clock on a busy machine."""


class VideoFileSource:
    """Frames of a clip, each at its time. At the end it begins anew when `loop`, and media time goes back to 0.

    A clip that was cut short plays what is there; `edge.cameras.media` logs that once each time it is played.
    """

    is_still_picture = False
    is_live = False

    def __init__(self, path: Path, *, loop: bool, clock: Clock, sleep: Callable[[float], None] = sleep_s) -> None:
        self._path = path
        self._loop = loop
        self._clock = clock
        self._sleep = sleep
        self._open = ExitStack()
        self._clip: Clip | None = None
        self._next: Frame | None = None
        self._begun_s = 0.0
        self.received_count = 0

    def open(self) -> None:
        """Open the clip and decode its first frame.

        Raises:
            SourceAbsentError: no such file, or nothing of it can be decoded.
        """
        self.close()
        try:
            check_readable(self._path)
            self._clip = self._open.enter_context(open_clip(self._path))
        except UnreadableMediaError as error:
            raise SourceAbsentError(str(error)) from error
        self._next = next(self._clip.frames, None)
        if self._next is None:
            raise SourceAbsentError(f"{self._path}: not one frame can be decoded; it may be damaged or cut short")
        self._begun_s = self._clock.monotonic_s()

    def read(self, wait_s: float) -> Captured | None:
        """The next frame when its time has come, or None after `wait_s`.

        Raises:
            SourceEndedError: the clip is over and does not loop.
        """
        if self._clip is None:
            raise SourceAbsentError(f"{self._path} is not open")
        if self._next is None:
            self._begin_again()
        frame = self._not_late()
        if frame is None:
            return None
        early_s = self._begun_s + frame.time_s - self._clock.monotonic_s()
        self._sleep(min(max(early_s, 0.0), wait_s))
        if early_s > wait_s:
            return None
        self._advance()
        return Captured(frame, self._clock.monotonic_s(), position_s=frame.time_s)

    def close(self) -> None:
        """Close the file."""
        self._open.close()
        self._clip = self._next = None

    def _advance(self) -> None:
        self._next = next(self._clip.frames, None) if self._clip else None
        self.received_count += 1

    def _not_late(self) -> Frame | None:
        """The next frame that is not later than `LATE_S_MAX`; None when the clip ran out on the way."""
        while self._next is not None:
            late_s = self._clock.monotonic_s() - self._begun_s - self._next.time_s
            if late_s <= LATE_S_MAX:
                return self._next
            self._advance()
        return None

    def _begin_again(self) -> None:
        if not self._loop:
            raise SourceEndedError(f"{self._path} is over and does not loop")
        log.debug("camera.file_begins_again", path=str(self._path))
        self.open()
