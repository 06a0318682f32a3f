"""A bound on calls into libraries that know none: the caller goes on in time, whatever the library does."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from broker.alerts.ports import ProviderUnavailableError

T = TypeVar("T")


class Deadline:
    """Runs calls in threads of their own, so that the caller waits only as long as it wants to.

    A call that hangs keeps its thread until the library lets go; at most `calls_max` are under way at once, so that
    a provider that hangs cannot fill the process with threads. The threads are daemons: they keep no process alive.
    """

    def __init__(self, name: str, calls_max: int) -> None:
        self._name = name
        self._places = threading.BoundedSemaphore(calls_max)

    def call(self, work: Callable[[], T], seconds: float) -> T:
        """What `work` returns or raises.

        Raises:
            TimeoutError: not done in time; it goes on, and may succeed yet.
            ProviderUnavailableError: too many calls hang already; `work` was not begun.
        """
        return self.begin(work).result(timeout=seconds)

    def begin(self, work: Callable[[], T]) -> Future[T]:
        """Begin `work`; what it returns or raises is in the future.

        Raises:
            ProviderUnavailableError: too many calls hang already; `work` was not begun.
        """
        if not self._places.acquire(blocking=False):
            raise ProviderUnavailableError(f"{self._name}: too many calls hang already")
        outcome: Future[T] = Future()

        def run() -> None:
            try:
                outcome.set_result(work())
            except BaseException as error:  # noqa: BLE001 — raised again in the caller's thread by result()
                outcome.set_exception(error)
            finally:
                self._places.release()

        threading.Thread(target=run, name=self._name, daemon=True).start()
        return outcome
