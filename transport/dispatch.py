"""From raw messages to typed handlers: one bounded queue and one worker for each subscription.

A slow handler delays only its own subscription. A queue that is full drops its oldest message and counts it: the newest
state is the one worth having.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from contract.catalog import UnknownChannelError, channel_for, channel_of
from contract.payload import BadPayloadError, Payload
from contract.topics import BadTopicError, Topic, TopicFilter
from runtime.clock import Clock
from transport.ports import Handler, P, RawMessage

log = structlog.get_logger(__name__)

QUEUE_MESSAGES_MAX = 1000
HANDLER_S_MAX = 60.0
LOG_PERIOD_S = 60.0

AnyHandler = Callable[[Topic, Payload], Awaitable[None]]


@dataclass(slots=True)
class _Subscription:
    topic_filter: TopicFilter
    model: type[Payload]
    handler: AnyHandler
    waiting: deque[tuple[Topic, Payload]] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)


class Dispatcher:
    """Parses each message once, as the catalogue says, and queues it for every subscription that wants it."""

    def __init__(self, clock: Clock, queue_messages_max: int = QUEUE_MESSAGES_MAX) -> None:
        self._clock = clock
        self._queue_messages_max = queue_messages_max
        self._subscriptions: list[_Subscription] = []
        self._logged_s: dict[str, float] = {}
        self.rejected_count = 0
        self.dropped_count = 0
        self.handler_error_count = 0
        self._workers: asyncio.TaskGroup | None = None

    @property
    def filters(self) -> tuple[TopicFilter, ...]:
        """What to subscribe to: no filter that another one covers, or the broker would send each message twice."""
        filters = dict.fromkeys(one.topic_filter for one in self._subscriptions)
        return tuple(one for one in filters if not any(covers(other, one) for other in filters if other != one))

    def add(self, topic_filter: TopicFilter, model: type[P], handler: Handler[P]) -> None:
        """Hand `model` on `topic_filter` to `handler`.

        `model` may be a base of several payloads (`Batch`): a wildcard then delivers each as what it is, and what is
        none of `model`'s is not for this handler.

        Raises:
            contract.catalog.UnknownChannelError: the filter names a channel that does not carry `model`.
        """
        if topic_filter.channel is not None and topic_filter.name is not None:
            row = channel_of(Topic("any", "any", topic_filter.channel, topic_filter.name))
            if not issubclass(row.model, model):
                expected = row.model.__name__
                raise UnknownChannelError(f"{row.path} carries {expected}, not {model.__name__}")
        elif not model.__subclasses__():
            channel_for(model)

        async def handle(topic: Topic, payload: Payload) -> None:
            if isinstance(payload, model):
                await handler(topic, payload)

        one = _Subscription(topic_filter, model, handle)
        self._subscriptions.append(one)
        if self._workers is not None:
            self._workers.create_task(self._work(one))

    def accept(self, message: RawMessage) -> None:
        """Parse and queue; a message that is not one of ours is counted and logged, at most once a minute."""
        try:
            topic = Topic.parse(message.topic)
            row = channel_of(topic)
            wanting = [
                one
                for one in self._subscriptions
                if one.topic_filter.matches(topic) and issubclass(row.model, one.model)
            ]
            if not wanting:
                return
            if len(message.body) > row.bytes_max:
                self._reject(message.topic, f"{len(message.body)} bytes, over the {row.bytes_max} of {row.path}")
                return
            payload = row.model.from_bytes(message.body)
        except (BadTopicError, BadPayloadError, UnknownChannelError) as error:
            self._reject(message.topic, str(error))
            return
        for one in wanting:
            self._queue(one, topic, payload)

    async def run(self) -> None:
        """Work the queues until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._workers = group
                for one in self._subscriptions:
                    group.create_task(self._work(one))
                await asyncio.Event().wait()
        finally:
            self._workers = None

    def _queue(self, one: _Subscription, topic: Topic, payload: Payload) -> None:
        if len(one.waiting) >= self._queue_messages_max:
            one.waiting.popleft()
            self.dropped_count += 1
            self._log_seldom("session.queue_full", subscription=str(one.topic_filter), dropped=self.dropped_count)
        one.waiting.append((topic, payload))
        one.filled.set()

    async def _work(self, one: _Subscription) -> None:
        while True:
            await one.filled.wait()
            while one.waiting:
                await self._handle(one, *one.waiting.popleft())
            one.filled.clear()

    async def _handle(self, one: _Subscription, topic: Topic, payload: Payload) -> None:
        try:
            async with asyncio.timeout(HANDLER_S_MAX):
                await one.handler(topic, payload)
        except Exception:  # a handler's defect must end neither the session nor the other handlers
            self.handler_error_count += 1
            log.exception("session.handler_failed", topic=str(topic), count=self.handler_error_count)

    def _reject(self, topic: str, reason: str) -> None:
        self.rejected_count += 1
        self._log_seldom("session.rejected", topic=topic[:200], reason=reason, count=self.rejected_count)

    def _log_seldom(self, event: str, **values: object) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._logged_s.get(event, -LOG_PERIOD_S) >= LOG_PERIOD_S:
            self._logged_s[event] = now_s
            log.warning(event, **values)


def covers(wide: TopicFilter, narrow: TopicFilter) -> bool:
    """Whether every topic that matches `narrow` matches `wide`."""
    pairs = (
        (wide.market, narrow.market),
        (wide.device, narrow.device),
        (wide.channel, narrow.channel),
        (wide.name, narrow.name),
    )
    return all(loose is None or loose == tight for loose, tight in pairs)
