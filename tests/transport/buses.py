"""One shape for the in-memory bus and the two real brokers, so that one suite holds them all to the same."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Protocol

from paho.mqtt import publish as paho_publish
from paho.mqtt.enums import MQTTProtocolVersion

from contract.topics import TopicFilter
from runtime.backoff import Backoff
from runtime.errors import RetryableError
from tests.eventually import eventually, eventually_async
from tests.mqtt_fixtures import PASSWORDS, RunningBroker, running_mosquitto, running_trial
from transport.consumer_connection import PahoConnection
from transport.consumer_socket import SocketConnection
from transport.memory_bus import MemoryBus
from transport.mqtt_consumer import ConsumerClient, MqttConsumer
from transport.mqtt_session import MqttSession
from transport.ports import BatchHandler, Consumer, ConsumerSettings, RawMessage, Session, Will

EDGE, OTHER_EDGE, CONSOLE, INGEST = "jungang.edge-1", "jungang.edge-2", "console", "ingest"
TELEMETRY = ConsumerSettings(filters=(TopicFilter(channel="telemetry"),), batch_messages_max=50, linger_s=0.02)


class Bus(Protocol):
    """What the suite needs of a bus."""

    kind: str

    def session(self, username: str, will: Will | None = None) -> Session: ...

    def consumer(self, client_id: str, settings: ConsumerSettings, handler: BatchHandler) -> Consumer: ...

    def publish_raw(self, topic: str, body: bytes) -> None: ...

    def drop(self, link: Session | Consumer) -> None: ...

    def go_down(self) -> None: ...

    def come_up(self) -> None: ...


class InMemory:
    kind = "memory"

    def __init__(self) -> None:
        self.bus = MemoryBus()
        self._ids: dict[int, str] = {}

    def session(self, username: str, will: Will | None = None) -> Session:
        session = self.bus.session(username, will)
        self._ids[id(session)] = username
        return session

    def consumer(self, client_id: str, settings: ConsumerSettings, handler: BatchHandler) -> Consumer:
        consumer = self.bus.consumer(client_id, settings, handler)
        self._ids[id(consumer)] = client_id
        return consumer

    def publish_raw(self, topic: str, body: bytes) -> None:
        self.bus.publish_raw(topic, body)

    def drop(self, link: Session | Consumer) -> None:
        self.bus.drop(self._ids[id(link)])

    def go_down(self) -> None:
        self.bus.go_down()

    def come_up(self) -> None:
        self.bus.come_up()


class OverBroker:
    def __init__(self, broker: RunningBroker, client: ConsumerClient) -> None:
        self.kind = broker.kind
        self.broker = broker
        self._client: ConsumerClient = client

    def session(self, username: str, will: Will | None = None) -> Session:
        return MqttSession(self.broker.settings(username), will, backoff=Backoff(0.02, 0.1))

    def consumer(self, client_id: str, settings: ConsumerSettings, handler: BatchHandler) -> Consumer:
        return MqttConsumer(
            self.broker.settings(INGEST, client_id),
            settings,
            handler,
            backoff=Backoff(0.02, 0.1),
            retry_backoff=Backoff(0.02, 0.1),
            client=self._client,
        )

    def publish_raw(self, topic: str, body: bytes) -> None:
        paho_publish.single(
            topic,
            body,
            qos=1,
            hostname="127.0.0.1",
            port=self.broker.port,
            client_id="raw",
            auth={"username": EDGE, "password": PASSWORDS[EDGE]},
            protocol=MQTTProtocolVersion.MQTTv5,
        )

    def drop(self, link: Session | Consumer) -> None:
        """Cut the TCP connection: no DISCONNECT, as when a cable is pulled or a process is killed."""
        if isinstance(link, MqttSession):
            assert link._client is not None
            sock = link._client._client.socket()
        else:
            assert isinstance(link, MqttConsumer)
            connection = link._connection
            assert isinstance(connection, PahoConnection | SocketConnection)
            sock = connection._client.socket() if isinstance(connection, PahoConnection) else connection._socket
        assert isinstance(sock, socket.socket)
        sock.shutdown(socket.SHUT_RDWR)

    def go_down(self) -> None:
        self.broker.stop()

    def come_up(self) -> None:
        self.broker.start()


@contextmanager
def open_bus(kind: str, directory: Path) -> Iterator[Bus]:
    """`memory`, or a broker (`mosquitto`, `trial`), with `-paho` where consumers shall be paho's."""
    broker, _, paho = kind.partition("-")
    with ExitStack() as stack:
        if broker == "memory":
            yield InMemory()
        else:
            running = running_mosquitto if broker == "mosquitto" else running_trial
            yield OverBroker(stack.enter_context(running(directory)), "paho" if paho else "socket")


@asynccontextmanager
async def running(*sessions: Session) -> AsyncIterator[None]:
    """Run sessions until the block ends."""
    tasks = [asyncio.create_task(one.run()) for one in sessions]
    try:
        for one in sessions:
            await eventually_async(lambda one=one: one.connected, what="session connected")  # type: ignore[misc] # a default argument binds the loop's variable
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextmanager
def consuming(consumer: Consumer) -> Iterator[None]:
    """Run a consumer in its thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=consumer.run, args=(stop,), name="consumer-under-test")
    thread.start()
    try:
        eventually(lambda: consumer.connected, what="consumer connected")
        yield
    finally:
        stop.set()
        thread.join(15)
        assert not thread.is_alive(), "a consumer ends when it is told to"


class Recorder:
    """A batch handler that keeps what it got, and fails as often as told."""

    def __init__(self, fail_first: int = 0, error: type[Exception] = RetryableError) -> None:
        self.messages: list[RawMessage] = []
        self.batches: list[int] = []
        self.failures = 0
        self._fail_first = fail_first
        self._error = error

    def __call__(self, messages: Sequence[RawMessage]) -> None:
        if self.failures < self._fail_first:
            self.failures += 1
            raise self._error("the store is away")
        self.batches.append(len(messages))
        self.messages.extend(messages)
