"""A consumer that acknowledges only what its handler has committed, over a socket of its own or over paho-mqtt.

The handler runs in `run`'s thread, the network in another: keep-alives are answered however long a store is away. Each
connection has its own client and its own queue, so a packet id of an old connection can never be acknowledged on a new
one: what was not acknowledged is dropped here and redelivered by the broker, whose session outlives us by seven days.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from ssl import SSLContext
from typing import Literal, Protocol

import structlog

from contract.payload import Payload
from contract.topics import Topic
from runtime.backoff import Backoff
from runtime.errors import RetryableError
from transport.consumer_bounds import check_consumer
from transport.consumer_connection import PahoConnection
from transport.consumer_queue import ConnectionEndedError, Received
from transport.consumer_socket import SocketConnection
from transport.encoding import encode
from transport.mqtt_connection import password, tls_context
from transport.ports import BatchHandler, BrokerSettings, ConsumerSettings

ConsumerClient = Literal["socket", "paho"]

log = structlog.get_logger(__name__)


class Connection(Protocol):
    """What a consumer needs of one connection, used once."""

    @property
    def alive(self) -> bool:
        """Whether the broker answers and the subscriptions stand."""
        ...

    def open(self) -> None:
        """Connect, resume the session and subscribe.

        Raises:
            ConnectionEndedError: not reachable now, or no answer in time.
            BusSettingsError: refused for good.
        """
        ...

    def close(self) -> None:
        """Send what is queued, say goodbye; the session stays with the broker."""
        ...

    def next_batch(self, stop: threading.Event) -> Sequence[Received]:
        """See `transport.consumer_queue.ConsumerQueue.next_batch`."""
        ...

    def acknowledge(self, batch: Sequence[Received]) -> None:
        """Tell the broker, in order of arrival, that these are ours to answer for."""
        ...

    def wait(self, stop: threading.Event, delay_s: float) -> bool:
        """Wait `delay_s`; False at once when stopped or when the link is gone."""
        ...

    def send(self, topic: str, body: bytes, *, qos: int, retain: bool) -> bool:
        """Queue; say whether it was taken."""
        ...


_CONNECTIONS: Mapping[ConsumerClient, Callable[[BrokerSettings, ConsumerSettings, SSLContext | None], Connection]] = {
    "socket": SocketConnection,
    "paho": PahoConnection,
}


class MqttConsumer:
    """`transport.ports.Consumer` on a broker, MQTT 5, one persistent session under a stable client id.

    `client` says what speaks MQTT: "socket" is our own (docs/decisions/ingest-speed.md), "paho" is paho-mqtt.

    Raises:
        BusSettingsError: credentials, certificates or bounds cannot be used.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        consumer: ConsumerSettings,
        handler: BatchHandler,
        *,
        backoff: Backoff | None = None,
        retry_backoff: Backoff | None = None,
        client: ConsumerClient = "socket",
    ) -> None:
        check_consumer(consumer)
        self._connect = _CONNECTIONS[client]
        self._settings = settings
        self._consumer = consumer
        self._handler = handler
        # A few central consumers, not a thousand devices: they may come back soon, and a fire waits for them.
        self._backoff = backoff or Backoff(delay_s_min=0.2, delay_s_max=3.0)
        self._retry_backoff = retry_backoff or Backoff(delay_s_min=0.2, delay_s_max=10.0)
        self._tls = tls_context(settings)
        self._connection: Connection | None = None
        self._publisher = _Publisher(self)
        password(settings)

    @property
    def connected(self) -> bool:
        """Whether the broker answers and the subscriptions stand."""
        connection = self._connection
        return connection is not None and connection.alive

    @property
    def publisher(self) -> "_Publisher":
        """For receipts."""
        return self._publisher

    def run(self, stop: threading.Event) -> None:
        """Connect and consume until `stop` is set; see `transport.ports.Consumer.run`.

        Raises:
            BusSettingsError: the broker refused us for good.
            Exception: whatever the handler raised that is not `RetryableError`.
        """
        while not stop.is_set():
            connection = self._connect(self._settings, self._consumer, self._tls)
            try:
                connection.open()
                self._connection = connection
                self._consume(connection, stop)
            except ConnectionEndedError as error:
                delay_s = self._backoff.next_delay_s()
                log.warning("consumer.disconnected", reason=str(error), retry_s=round(delay_s, 2))
                stop.wait(delay_s)
            finally:
                self._connection = None
                connection.close()

    def _consume(self, connection: Connection, stop: threading.Event) -> None:
        self._backoff.reset()
        while not stop.is_set():
            batch = connection.next_batch(stop)
            if batch:
                self._commit(connection, batch, stop)

    def _commit(self, connection: Connection, batch: Sequence[Received], stop: threading.Event) -> None:
        """Hand over, retry what may be retried, acknowledge in order of arrival."""
        messages = [one.message for one in batch]
        self._retry_backoff.reset()
        while True:
            try:
                self._handler(messages)
            except RetryableError as error:
                delay_s = self._retry_backoff.next_delay_s()
                log.warning("consumer.held", messages=len(batch), reason=str(error), retry_s=round(delay_s, 2))
                if not connection.wait(stop, delay_s):
                    return
            else:
                connection.acknowledge(batch)
                return


class _Publisher:
    """Receipts: queued to the broker of the moment, dropped and counted while there is none or its queue is full."""

    def __init__(self, consumer: MqttConsumer) -> None:
        self._consumer = consumer
        self.dropped_count = 0

    def publish(self, topic: Topic, payload: Payload) -> None:
        """Queue with the catalogue's QoS; see `transport.ports.Publisher.publish`."""
        row, body = encode(topic, payload)
        connection = self._consumer._connection  # noqa: SLF001 - two halves of one thing
        if connection is None or not connection.send(str(topic), body, qos=row.qos, retain=row.retain):
            self.dropped_count += 1
