"""The bus without a network: sessions and consumers with a broker's semantics in one process, for tests and trials.

At-least-once delivery, retained messages, last wills, persistent queues, wildcards and share groups are as a broker's;
access rules, TLS and delays are not there.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable

import structlog

from contract.payload import Payload
from contract.topics import Topic, TopicFilter
from runtime.backoff import Backoff
from runtime.clock import Clock, SystemClock
from runtime.errors import RetryableError
from transport.consumer_bounds import check_consumer
from transport.dispatch import QUEUE_MESSAGES_MAX, Dispatcher
from transport.encoding import encode
from transport.memory_broker import Client, MemoryBroker, Subscription
from transport.ports import (
    BatchHandler,
    ConsumerSettings,
    Handler,
    NotConnectedError,
    P,
    PublishTimeoutError,
    RawMessage,
    Will,
)

log = structlog.get_logger(__name__)

WAIT_STEP_S = 0.05
RECONNECT_S = 0.02


class MemoryBus:
    """Makes sessions and consumers that speak to each other, and breaks their connections when told."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.broker = MemoryBroker()
        self._clock: Clock = clock or SystemClock()

    def session(self, client_id: str, will: Will | None = None) -> "MemorySession":
        """A `transport.ports.Session`."""
        return MemorySession(self.broker, client_id, will, self._clock)

    def consumer(self, client_id: str, consumer: ConsumerSettings, handler: BatchHandler) -> "MemoryConsumer":
        """A `transport.ports.Consumer`.

        Raises:
            transport.ports.BusSettingsError: the bounds do not fit together.
        """
        return MemoryConsumer(self.broker, client_id, consumer, handler)

    def publish_raw(self, topic: str, body: bytes, *, retain: bool = False) -> None:
        """Put anything on the bus, as a forger or a broken device would."""
        self.broker.publish(topic, body, retain)

    def drop(self, client_id: str) -> None:
        """Break a client's connection without a goodbye: its will is published; it reconnects by itself."""
        client = self.broker.find(client_id)
        if client is not None:
            self.broker.disconnect(client, clean=False)

    def go_down(self) -> None:
        """The broker is gone: everybody is disconnected and nobody gets in. Sessions and retained state survive."""
        self.broker.up = False
        for client in self.broker.clients():
            self.broker.disconnect(client, clean=True)

    def come_up(self) -> None:
        """The broker is back."""
        self.broker.up = True


class MemorySession:
    """`transport.ports.Session` on a `MemoryBroker`."""

    def __init__(self, broker: MemoryBroker, client_id: str, will: Will | None, clock: Clock) -> None:
        self._broker = broker
        self._client_id = client_id
        self._will = None
        if will is not None:
            row, body = encode(will.topic, will.payload)
            self._will = (str(will.topic), body, row.retain)
        self._dispatcher = Dispatcher(clock)
        self._callbacks: list[Callable[[], Awaitable[None]]] = []
        self._client: Client | None = None

    @property
    def connected(self) -> bool:
        """Whether the broker answers right now."""
        client = self._client
        return client is not None and client.connected

    @property
    def rejected_count(self) -> int:
        """How many bodies did not parse since the start."""
        return self._dispatcher.rejected_count

    @property
    def handler_error_count(self) -> int:
        """How many times a handler raised since the start."""
        return self._dispatcher.handler_error_count

    def subscribe(self, topic_filter: TopicFilter, model: type[P], handler: Handler[P]) -> None:
        """Hear `model` on `topic_filter`; see `transport.ports.Session.subscribe`."""
        self._dispatcher.add(topic_filter, model, handler)
        if self._client is not None:
            self._broker.subscribe(self._client, [Subscription(topic_filter)])

    def on_connect(self, callback: Callable[[], Awaitable[None]]) -> None:
        """Call after every (re)connection, once subscriptions stand."""
        self._callbacks.append(callback)

    async def publish(self, topic: Topic, payload: Payload) -> None:
        """Send; see `transport.ports.Session.publish`."""
        row, body = encode(topic, payload)
        if not self.connected:
            raise NotConnectedError(f"{topic}: no connection to the in-memory bus")
        self._broker.publish(str(topic), body, row.retain)
        await asyncio.sleep(0)

    async def run(self) -> None:
        """Connect, subscribe, dispatch; reconnect; end cleanly when cancelled."""
        async with asyncio.TaskGroup() as group:
            work = group.create_task(self._dispatcher.run())
            try:
                while True:
                    if self._broker.up:
                        await self._connect_once()
                    await asyncio.sleep(RECONNECT_S)
            finally:
                work.cancel()

    async def _connect_once(self) -> None:
        loop, changed = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody is left to wake
                loop.call_soon_threadsafe(changed.set)

        client = Client(self._client_id, persistent=False, window=QUEUE_MESSAGES_MAX, will=self._will, wake=wake)
        self._client = self._broker.connect(client)
        listening = asyncio.ensure_future(self._listen(client, changed))
        try:
            self._broker.subscribe(client, [Subscription(one) for one in self._dispatcher.filters])
            for callback in self._callbacks:
                await self._call(callback)
            await listening
        finally:
            self._broker.disconnect(client, clean=True)
            self._client = None
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening

    async def _listen(self, client: Client, changed: asyncio.Event) -> None:
        while client.connected:
            changed.clear()
            for one, message in self._broker.take(client, QUEUE_MESSAGES_MAX):
                self._dispatcher.accept(message)
                self._broker.acknowledge(client, [one])
            if not client.queue:
                await changed.wait()

    @staticmethod
    async def _call(callback: Callable[[], Awaitable[None]]) -> None:
        try:
            await callback()
        except (NotConnectedError, PublishTimeoutError) as error:
            log.warning("session.birth_not_said", reason=str(error))
        except Exception:  # a defect in one part's birth must not cut the others off
            log.exception("session.callback_failed")


class MemoryConsumer:
    """`transport.ports.Consumer` on a `MemoryBroker`; `run` and the handler share one thread, as in the real one."""

    def __init__(self, broker: MemoryBroker, client_id: str, consumer: ConsumerSettings, handler: BatchHandler) -> None:
        check_consumer(consumer)
        self._broker = broker
        self._client_id = client_id
        self._consumer = consumer
        self._handler = handler
        self._retry_backoff = Backoff(delay_s_min=0.02, delay_s_max=1.0)
        self._client: Client | None = None
        self._changed = threading.Event()

    @property
    def connected(self) -> bool:
        """Whether the broker answers right now."""
        client = self._client
        return client is not None and client.connected

    @property
    def publisher(self) -> "MemoryConsumer":
        """For receipts."""
        return self

    def publish(self, topic: Topic, payload: Payload) -> None:
        """Queue with the catalogue's QoS; dropped when the link is down."""
        row, body = encode(topic, payload)
        if self.connected:
            self._broker.publish(str(topic), body, row.retain)

    def run(self, stop: threading.Event) -> None:
        """Connect and consume until `stop` is set; see `transport.ports.Consumer.run`."""
        while not stop.is_set():
            if self._broker.up:
                self._consume(stop)
            stop.wait(RECONNECT_S)

    def _consume(self, stop: threading.Event) -> None:
        client = Client(
            self._client_id, persistent=True, window=self._consumer.unacknowledged_max, wake=self._changed.set
        )
        self._client = self._broker.connect(client)
        group = self._consumer.share_group
        self._broker.subscribe(client, [Subscription(one, group) for one in self._consumer.filters])
        try:
            while client.connected and not stop.is_set():
                self._gather(client)
                batch = self._broker.take(client, self._consumer.batch_messages_max)
                if batch and self._commit(client, [message for _, message in batch], stop):
                    self._broker.acknowledge(client, [one for one, _ in batch])
        finally:
            self._broker.disconnect(client, clean=True)
            self._client = None

    def _gather(self, client: Client) -> None:
        """Wait for a message, then for a full batch or `linger_s`."""
        self._changed.clear()
        if not client.queue:
            self._changed.wait(WAIT_STEP_S)
        deadline_s = time.monotonic() + self._consumer.linger_s
        while client.connected and 0 < len(client.queue) < self._consumer.batch_messages_max:
            left_s = deadline_s - time.monotonic()
            self._changed.clear()
            if left_s <= 0 or not self._changed.wait(left_s):
                return

    def _commit(self, client: Client, messages: list[RawMessage], stop: threading.Event) -> bool:
        bound = self._consumer.body_bytes_max + 1
        cut = [RawMessage(one.topic, one.body[:bound], one.retain, one.duplicate) for one in messages]
        self._retry_backoff.reset()
        while client.connected and not stop.is_set():
            try:
                self._handler(cut)
            except RetryableError as error:
                log.warning("consumer.held", messages=len(cut), reason=str(error))
                stop.wait(self._retry_backoff.next_delay_s())
            else:
                return True
        return False
