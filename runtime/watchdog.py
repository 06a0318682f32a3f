"""The watchdog: ends a process in which a named part has stalled, so that supervision starts it again.

A part that hangs raises nothing; only the age of its last beat tells. The end is hard on purpose: what hangs would not
let an orderly end through. What is durable was made so before.
"""

import faulthandler
import os
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from runtime.clock import Clock, SystemClock

log = structlog.get_logger(__name__)

EXIT_STALLED = 70  # sysexits.h: EX_SOFTWARE
LOOK_EVERY_S = 1.0
PAUSED_AFTER_S = 5.0

Beat = Callable[[], None]
"""Says that a part goes on. From any thread, at no cost."""


def end_process(part: str) -> None:  # noqa: ARG001 - whoever ends something else wants to know which part it was
    """End this process at once: no cleaning up, which would wait for what hangs."""
    os._exit(EXIT_STALLED)


@dataclass(slots=True)
class _Part:
    limit_s: float
    age_s: Callable[[], float]
    forgive: Callable[[], None]


class Watchdog:
    """Watches the parts that were named to it, no others, in a thread of its own from `start` to `stop`.

    When a part is older than its limit, the log gets a critical line and stderr the stacks of all threads; then `end`
    is called in that thread, once, with the part's name. A process that was stopped as a whole for more than
    `PAUSED_AFTER_S` (SIGSTOP, a machine that slept) is no stalled one: all ages begin anew.
    """

    def __init__(self, clock: Clock | None = None, end: Callable[[str], None] = end_process) -> None:
        self._clock: Clock = clock or SystemClock()
        self._end = end
        self._parts: dict[str, _Part] = {}
        self._looked_s = self._clock.monotonic_s()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def watch(self, name: str, limit_s: float) -> Beat:
        """Expect a beat of `name` at least every `limit_s` from now on; return what gives it."""
        last_s = self._clock.monotonic_s()

        def beat() -> None:
            nonlocal last_s
            last_s = self._clock.monotonic_s()

        self._parts[name] = _Part(limit_s, lambda: self._clock.monotonic_s() - last_s, beat)
        return beat

    def watch_age(self, name: str, limit_s: float, age_s: Callable[[], float]) -> None:
        """Ask at every look for how long `name` has owed some progress, 0 when it owes none.

        `age_s` must not wait for anything: it is called while the part hangs.
        """
        forgiven_s = 0.0

        def forgive() -> None:
            nonlocal forgiven_s
            forgiven_s = age_s()

        def counted_s() -> float:
            nonlocal forgiven_s
            now_s = age_s()
            forgiven_s = min(forgiven_s, now_s)
            return now_s - forgiven_s

        self._parts[name] = _Part(limit_s, counted_s, forgive)

    def watch_count(self, name: str, limit_s: float, count: Callable[[], int]) -> None:
        """Expect `count` to answer something new at least every `limit_s`, for a part that counts its rounds.

        It must not wait for anything: it is called while the part hangs.
        """
        last, last_s = count(), self._clock.monotonic_s()

        def age_s() -> float:
            nonlocal last, last_s
            now, now_s = count(), self._clock.monotonic_s()
            if now != last:
                last, last_s = now, now_s
            return now_s - last_s

        def forgive() -> None:
            nonlocal last_s
            last_s = self._clock.monotonic_s()

        self._parts[name] = _Part(limit_s, age_s, forgive)

    def start(self) -> None:
        """Begin to watch; what was named before has its whole limit from now."""
        self._forgive()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Watch no more. To be called before an orderly end begins: parts that have ended do not beat."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(LOOK_EVERY_S)
            self._thread = None

    def look(self) -> str | None:
        """Look once; return the part that has stalled, having called `end` for it."""
        now_s = self._clock.monotonic_s()
        paused_s, self._looked_s = now_s - self._looked_s, now_s
        if paused_s > PAUSED_AFTER_S:
            log.warning("watchdog.paused", paused_s=round(paused_s, 1))
            self._forgive()
            return None
        for name, part in tuple(self._parts.items()):
            age_s = part.age_s()
            if age_s > part.limit_s:
                log.critical("watchdog.stalled", part=name, age_s=round(age_s, 1), limit_s=part.limit_s)
                faulthandler.dump_traceback(sys.__stderr__ or 2, all_threads=True)
                self._end(name)
                return name
        return None

    def _forgive(self) -> None:
        self._looked_s = self._clock.monotonic_s()
        for part in self._parts.values():
            part.forgive()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            if self.look() is not None:
                return
