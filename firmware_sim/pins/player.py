"""One thread that does things at their time: all pins of a device, and the world that moves them, share it."""

import heapq
import itertools
import threading
import time
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)

ACTIONS_MAX = 4096
STOP_WAIT_S = 2.0

Action = Callable[[], None]


class Player:
    """Calls actions at their time on `time.monotonic`, in order of time, from one thread.

    At most `ACTIONS_MAX` wait; more are dropped, counted in `dropped_count` and logged once. An action that raises is
    logged and the others go on.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._condition = threading.Condition()
        self._due: list[tuple[float, int, Action]] = []
        self._numbers = itertools.count()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self.dropped_count = 0

    def start(self) -> None:
        """Begin to play. A second start does nothing."""
        with self._condition:
            if self._thread is None:
                self._stopping = False
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Play no more and forget what waits; returns when the thread has ended."""
        with self._condition:
            self._stopping = True
            self._due.clear()
            self._condition.notify_all()
            thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join(STOP_WAIT_S)

    def at(self, due_s: float, action: Action) -> None:
        """Call `action` when `time.monotonic` reaches `due_s`."""
        with self._condition:
            if self._stopping:
                return
            if len(self._due) >= ACTIONS_MAX:
                self._drop()
                return
            heapq.heappush(self._due, (due_s, next(self._numbers), action))
            if self._due[0][0] == due_s:
                self._condition.notify_all()

    def after(self, delay_s: float, action: Action) -> None:
        """Call `action` in `delay_s` from now."""
        self.at(time.monotonic() + delay_s, action)

    def _drop(self) -> None:
        if self.dropped_count == 0:
            log.warning("sim.player_full", player=self._name, actions_max=ACTIONS_MAX)
        self.dropped_count += 1

    def _run(self) -> None:
        while (action := self._next()) is not None:
            try:
                action()
            except Exception:
                # Callbacks of the sensors under test run in here: their defects must not stop the other pins.
                log.exception("sim.action_failed", player=self._name)

    def _next(self) -> Action | None:
        with self._condition:
            while not self._stopping:
                if not self._due:
                    self._condition.wait()
                    continue
                wait_s = self._due[0][0] - time.monotonic()
                if wait_s <= 0:
                    return heapq.heappop(self._due)[2]
                self._condition.wait(wait_s)
            return None
