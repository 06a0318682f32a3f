"""The fake beside the notifier port: keeps what it takes, and fails as it is told to. For tests."""

import threading
from collections import deque
from collections.abc import Iterable

from broker.alerts.ports import Accepted, Outgoing


class MemoryNotifier:
    """Takes messages into `sent`. Each of `errors` is raised by one send, in order, before it works again.

    While `gate` is cleared, sends wait (at most 7 s, like a provider that hangs).
    """

    carries_unicode = True

    def __init__(
        self, name: str = "memory", errors: Iterable[Exception] = (), channels: frozenset[str] = frozenset({"sms"})
    ) -> None:
        self._name = name
        self.channels = channels
        self._lock = threading.Lock()
        self.errors = deque(errors)
        self.sent: list[Outgoing] = []
        self.gate = threading.Event()
        self.gate.set()

    @property
    def name(self) -> str:
        """As given."""
        return self._name

    def send(self, message: Outgoing) -> Accepted:
        """Take it, or raise the next of `errors`."""
        self.gate.wait(7.0)
        with self._lock:
            if self.errors:
                raise self.errors.popleft()
            self.sent.append(message)
            return Accepted(f"{self._name}-{len(self.sent)}")

    def close(self) -> None:
        """Nothing to let go of."""
