"""The hub: what changed, told to every open stream. Each listener has a bounded queue of its own.

A listener that does not keep up loses its whole queue and is told once to reload its state: half a history would be a
lie. Everything here runs on one event loop.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from broker.console.problems import ExplainedError

QUEUE_MAX = 256
LISTENERS_MAX = 200
RELOAD = "reload"
END = "end"


class TooManyListenersError(ExplainedError):
    """As many streams are open as this process serves."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: `kind` is the stream's event name, `market` whom it concerns (None: all), `data` its JSON."""

    kind: str
    market: str | None
    data: Mapping[str, object] = field(default_factory=dict)


class Listener:
    """One open stream's queue."""

    def __init__(self, market: str | None, queue_max: int) -> None:
        self._market = market
        self._queue: deque[Change] = deque()
        self._queue_max = queue_max
        self._filled = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Queue what concerns this listener; over the bound the queue becomes one `reload`."""
        if self._market is not None and change.market is not None and change.market != self._market:
            return
        if len(self._queue) >= self._queue_max:
            self._queue.clear()
            change = Change(RELOAD, None) if change.kind != END else change
        self._queue.append(change)
        self._filled.set()

    async def next(self, within_s: float) -> Change | None:
        """The next change, or None after `within_s` seconds without one."""
        if not self._queue:
            self._filled.clear()
            try:
                await asyncio.wait_for(self._filled.wait(), within_s)
            except TimeoutError:
                return None
        return self._queue.popleft()

    def drain(self) -> tuple[Change, ...]:
        """Everything that is queued."""
        found = tuple(self._queue)
        self._queue.clear()
        return found


class Hub:
    """All listeners."""

    def __init__(self, queue_max: int = QUEUE_MAX, listeners_max: int = LISTENERS_MAX) -> None:
        self._queue_max = queue_max
        self._listeners_max = listeners_max
        self._listeners: dict[int, Listener] = {}
        self._numbers = itertools.count()
        self.told_count = 0
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether streams are to end."""
        return self._closed

    @property
    def listeners_count(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    @contextmanager
    def listen(self, market: str | None) -> Iterator[Listener]:
        """A listener for one market, or for all.

        Raises:
            TooManyListenersError: no more are served.
        """
        if len(self._listeners) >= self._listeners_max:
            raise TooManyListenersError("streams_full", n=self._listeners_max)
        number = next(self._numbers)
        listener = self._listeners[number] = Listener(market, self._queue_max)
        if self._closed:
            listener.offer(Change(END, None))
        try:
            yield listener
        finally:
            del self._listeners[number]

    def tell(self, change: Change) -> None:
        """Offer a change to every listener."""
        self.told_count += 1
        for listener in tuple(self._listeners.values()):
            listener.offer(change)

    def close(self) -> None:
        """End every stream, now and from now on."""
        self._closed = True
        self.tell(Change(END, None))
