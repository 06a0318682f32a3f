"""The port of a picture source, and what every source says when it has none."""

from dataclasses import dataclass
from typing import Protocol

from edge.cameras.ports import Frame
from runtime.errors import RetryableError


class SourceAbsentError(RetryableError):
    """Nothing can be opened there now: a missing file or device, a refused connection, an unknown format."""


class SourceLostError(RetryableError):
    """It was open and gives no more pictures: an unplugged camera, a broken stream."""


class SourceEndedError(RetryableError):
    """A file that does not loop is over. Opening it again plays it from the start."""


@dataclass(frozen=True, slots=True, eq=False)
class Captured:
    """A picture with its times.

    `frame.time_s` is media time: it goes back only where the source began anew. `arrived_s` is when the picture came,
    on the scale of `Clock.monotonic_s`. `position_s` is its place in a file; None for a live source.
    """

    frame: Frame
    arrived_s: float
    position_s: float | None = None


class FrameSource(Protocol):
    """Gives the newest picture, never an old one from a queue. Made without opening anything."""

    @property
    def is_still_picture(self) -> bool:
        """Whether the source is one picture that is shown for ever, so that nothing in it can move."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether it shows what happens now: worth opening again when it breaks off, and always the same view."""
        ...

    @property
    def received_count(self) -> int:
        """How many pictures the source has had, whether handed over or not."""
        ...

    def open(self) -> None:
        """Open it, within the source's own time limit.

        Raises:
            SourceAbsentError: it cannot be opened.
        """
        ...

    def read(self, wait_s: float) -> Captured | None:
        """The newest picture that was not handed over yet; None when none came within `wait_s`.

        Raises:
            SourceLostError: it broke off.
            SourceEndedError: the file is over.
        """
        ...

    def close(self) -> None:
        """Release it. May be called at any time, more than once."""
        ...
