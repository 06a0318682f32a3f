"""One thread that polls many things in turn: the earliest due first, one at a time, with a pause between."""

import heapq
import itertools
import threading
from collections.abc import Callable

import structlog

from runtime.clock import Clock

log = structlog.get_logger(__name__)

STOP_WAIT_S = 0.9
FAULT_DELAY_S = 5.0

Poll = Callable[[], float]
"""Does its work in bounded time; returns after how many seconds it wants to be called again."""


class PollThread:
    """Runs while it has something to poll. A poll that raises is logged and comes again after `FAULT_DELAY_S`.

    Polls that ask for more than there is time for are all served late, none is starved: the order is by due time.
    """

    def __init__(self, name: str, clock: Clock, pause_s: float) -> None:
        self._name = name
        self._clock = clock
        self._pause_s = pause_s
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Poll]] = []
        self._numbers = itertools.count()
        self._running: Poll | None = None
        self._removed: set[Poll] = set()
        self._thread: threading.Thread | None = None

    def add(self, poll: Poll) -> None:
        """Begin to call `poll`, soon."""
        with self._condition:
            self._removed.discard(poll)
            heapq.heappush(self._due, (self._clock.monotonic_s(), next(self._numbers), poll))
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._condition.notify_all()

    def remove(self, poll: Poll) -> bool:
        """Call `poll` no more; wait for a call that is under way. Return whether it has ended in time."""
        with self._condition:
            self._due = [entry for entry in self._due if entry[2] != poll]
            heapq.heapify(self._due)
            self._removed.add(poll)
            self._condition.notify_all()
            return self._condition.wait_for(lambda: self._running != poll, STOP_WAIT_S)

    def _run(self) -> None:
        while (poll := self._next()) is not None:
            try:
                delay_s = poll()
            except Exception:
                # A defect in one sensor must not end the thread that all sensors of its kind share.
                log.exception("poll.failed", thread=self._name)
                delay_s = FAULT_DELAY_S
            with self._condition:
                self._running = None
                if poll not in self._removed:
                    due_s = self._clock.monotonic_s() + delay_s
                    heapq.heappush(self._due, (due_s, next(self._numbers), poll))
                self._condition.notify_all()
                self._condition.wait(self._pause_s)

    def _next(self) -> Poll | None:
        """The next poll, once it is due; none when there is nothing left to do."""
        with self._condition:
            while self._due:
                wait_s = self._due[0][0] - self._clock.monotonic_s()
                if wait_s <= 0:
                    self._running = heapq.heappop(self._due)[2]
                    return self._running
                self._condition.wait(wait_s)
            self._thread = None
            return None
