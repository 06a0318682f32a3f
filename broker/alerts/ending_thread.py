"""A thread whose end ends the service."""

import threading
from collections.abc import Callable


class EndingThread(threading.Thread):
    """Runs `work`; when that ends, however it ends, `stop` is set. `error` is why, to be raised in the main thread."""

    def __init__(self, name: str, work: Callable[[], None], stop: threading.Event) -> None:
        super().__init__(name=name)
        self._work = work
        self._stop_all = stop
        self.error: Exception | None = None

    def run(self) -> None:
        """Work until the end."""
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 — kept and raised again in the main thread: supervision restarts the process
            self.error = error
        finally:
            self._stop_all.set()
