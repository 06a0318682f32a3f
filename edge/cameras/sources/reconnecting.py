"""A live source that is opened again, with back-off, whenever it has no more pictures."""

from collections.abc import Callable
from time import sleep as sleep_s
from typing import Literal

from edge.cameras.sources.port import Captured, FrameSource, SourceAbsentError, SourceLostError
from runtime.backoff import Backoff
from runtime.clock import Clock

RETRY_DELAY_S_MIN, RETRY_DELAY_S_MAX = 0.5, 10.0
TRIES_MAX = 60
"""After so many tries in a row without a picture it gives up: the supervisor begins with a fresh process."""


class ReconnectingSource:
    """Opens the source inside at the first read and again after every loss. What hangs inside, hangs.

    The process that holds it need not be started anew because a camera was away for a moment, and what was learnt of
    the camera stays.
    """

    is_still_picture = False
    is_live = True

    def __init__(self, source: FrameSource, clock: Clock, sleep: Callable[[float], None] = sleep_s) -> None:
        self._source = source
        self._clock = clock
        self._sleep = sleep
        self._backoff = Backoff(RETRY_DELAY_S_MIN, RETRY_DELAY_S_MAX)
        self._tries_count = 0
        self._next_try_s = 0.0
        self._is_open = False
        self._count_before = 0
        self._opening_since_s: float | None = None
        self.why: tuple[Literal["absent", "lost"], str] | None = None
        """Why there are no pictures now; None when there are, or before the first try has ended."""

    @property
    def received_count(self) -> int:
        """How many pictures it has given, over all openings."""
        return self._count_before + (self._source.received_count if self._is_open else 0)

    def opening_s(self, now_s: float) -> float | None:
        """How long it has been waited for the first picture of this try; None when it is not."""
        since_s = self._opening_since_s
        return None if since_s is None else max(0.0, now_s - since_s)

    def open(self) -> None:
        """Nothing yet: the first read opens."""

    def read(self, wait_s: float) -> Captured | None:
        """The newest picture, or None when none came within `wait_s`, or while it is away.

        Raises:
            SourceAbsentError, SourceLostError: away at `TRIES_MAX` tries in a row.
        """
        if not self._is_open and not self._try_to_open(wait_s):
            return None
        try:
            captured = self._source.read(wait_s)
        except SourceLostError as error:
            self._failed("lost", error)
            return None
        if captured is not None and self._opening_since_s is not None:
            self._opening_since_s, self.why, self._tries_count = None, None, 0
            self._backoff.reset()
        return captured

    def close(self) -> None:
        """Release it."""
        self._source.close()

    def _try_to_open(self, wait_s: float) -> bool:
        early_s = self._next_try_s - self._clock.monotonic_s()
        if early_s > 0.0:
            self._sleep(min(early_s, wait_s))
            return False
        self._opening_since_s = self._clock.monotonic_s()
        try:
            self._source.open()
        except SourceAbsentError as error:
            self._failed("absent", error)
            return False
        self._is_open = True
        return True

    def _failed(self, reason: Literal["absent", "lost"], error: SourceAbsentError | SourceLostError) -> None:
        self._count_before = self.received_count
        self._is_open, self._opening_since_s, self.why = False, None, (reason, str(error))
        self._source.close()
        self._tries_count += 1
        if self._tries_count > TRIES_MAX:
            raise error
        self._next_try_s = self._clock.monotonic_s() + self._backoff.next_delay_s()
