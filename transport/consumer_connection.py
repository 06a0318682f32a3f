"""One connection of a consumer over paho-mqtt: its client, its network thread, its end.

Back-pressure is TCP's: while the queue is full the socket is not read. MQTT's own window (Receive Maximum) does not
hold: Mosquitto 2.0.11 sends a whole backlog once the first acknowledgements have come. So that keep-alives go on, one
packet is read every quarter of the keep-alive time even then. When the queue has reached twice its bound that ends,
too, the connection times out, and the next one starts with an empty queue and has everything unacknowledged again.
"""

import select
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from transport.consumer_queue import (
    WAIT_STEP_S,
    ConnectionEndedError,
    ConsumerQueue,
    Received,
    filters_of,
    refused,
    serve_until_established,
    subscription_refused,
)
from transport.mqtt_connection import INFLIGHT_MESSAGES_MAX, password
from transport.ports import BrokerSettings, ConsumerSettings, RawMessage

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike  # paho defines it for type checkers only

log = structlog.get_logger(__name__)

SESSION_EXPIRY_S = 7 * 24 * 3600
RECEIPTS_QUEUED_MAX = 10_000
FLUSH_S_MAX = 1.0
TRICKLE_PARTS = 4


class PahoConnection:
    """A connection, made once: `open`, then `next_batch` and `acknowledge` until it ends, then `close`."""

    def __init__(self, settings: BrokerSettings, consumer: ConsumerSettings, tls: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._consumer = consumer
        self._queue = ConsumerQueue(consumer)
        self._end_reason = "the connection was lost"
        self._where = f"broker {settings.host}:{settings.port}"
        self._closing = threading.Event()
        self._wake_reader, self._wake_writer = socket.socketpair()
        for one in (self._wake_reader, self._wake_writer):
            one.settimeout(0.0)
        self._thread = threading.Thread(target=self._serve, name=f"mqtt-{settings.client_id}", daemon=True)
        self._client = self._make_client(tls)

    @property
    def alive(self) -> bool:
        """Whether the broker answers and the subscriptions stand."""
        return self._queue.alive

    def open(self) -> None:
        """Connect, resume the session and subscribe.

        Raises:
            ConnectionEndedError: not reachable now, or no answer in time.
            BusSettingsError: refused for good.
        """
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho leaves it untyped
        properties.SessionExpiryInterval = SESSION_EXPIRY_S
        properties.ReceiveMaximum = self._consumer.unacknowledged_max
        settings = self._settings
        try:
            self._client.connect(
                settings.host, settings.port, settings.keep_alive_s, clean_start=False, properties=properties
            )
        except OSError as error:
            raise ConnectionEndedError(f"{self._where}: {error}") from error
        serve_until_established(self._thread, self._queue, settings)

    def close(self) -> None:
        """Send what is queued (acknowledgements, receipts), say goodbye; the session stays with the broker."""
        self._closing.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._client.disconnect()  # the thread is gone: this one writes
        self._queue.end(ConnectionEndedError(f"{self._where}: closed"))
        self._wake_reader.close()
        self._wake_writer.close()
        self._client.on_socket_register_write = None

    def next_batch(self, stop: threading.Event) -> Sequence[Received]:
        """See `transport.consumer_queue.ConsumerQueue.next_batch`.

        Raises:
            ConnectionEndedError: the link is gone.
            BusSettingsError: a subscription was refused.
        """
        batch = self._queue.next_batch(stop)
        self._wake()  # there is room to read again
        return batch

    def acknowledge(self, batch: Sequence[Received]) -> None:
        """Tell the broker, in order of arrival, that these are ours to answer for."""
        for one in batch:
            self._client.ack(one.mid, one.qos)
        self._wake()

    def wait(self, stop: threading.Event, delay_s: float) -> bool:
        """Wait `delay_s`; False at once when stopped or when the link is gone: then the batch comes again."""
        return self._queue.wait(stop, delay_s)

    def send(self, topic: str, body: bytes, *, qos: int, retain: bool) -> bool:
        """Queue; say whether it was taken."""
        if not self.alive:
            return False
        taken = self._client.publish(topic, body, qos, retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS
        self._wake()
        return taken

    def _make_client(self, tls: ssl.SSLContext | None) -> Client:
        settings = self._settings
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=settings.client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        client.connect_timeout = settings.connect_timeout_s
        client.max_inflight_messages_set(INFLIGHT_MESSAGES_MAX)
        client.max_queued_messages_set(RECEIPTS_QUEUED_MAX)
        if settings.username is not None:
            client.username_pw_set(settings.username, password(settings))
        if tls is not None:
            client.tls_set_context(tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        # With this set paho leaves all writing to the network thread.
        client.on_socket_register_write = lambda *_: self._wake()
        return client

    def _serve(self) -> None:
        """The network thread: read while there is room, write, keep alive; on `close` flush what is queued."""
        flush_until_s = 0.0
        last_read_s = time.monotonic()
        while True:
            if self._closing.is_set():
                flush_until_s = flush_until_s or time.monotonic() + FLUSH_S_MAX
                if not self._client.want_write() or time.monotonic() >= flush_until_s:
                    return
            sock = self._client.socket()
            if sock is None:
                self._end(self._end_reason)
                return
            reading = self._may_read(last_read_s)
            if self._exchange(sock, reading=reading):
                last_read_s = time.monotonic()
            self._client.loop_misc()

    def _may_read(self, last_read_s: float) -> bool:
        room = self._queue.room
        if room > 0:
            return not self._closing.is_set()
        trickle_s = self._settings.keep_alive_s / TRICKLE_PARTS
        return room > -self._consumer.unacknowledged_max and time.monotonic() - last_read_s >= trickle_s

    def _exchange(self, sock: "SocketLike", *, reading: bool) -> bool:
        """One turn of reading and writing; whether something was read."""
        ready_now = reading and isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        readers = [sock, self._wake_reader] if reading else [self._wake_reader]
        writers = [sock] if self._client.want_write() else []
        try:
            readable, writable, _ = select.select(readers, writers, [], 0.0 if ready_now else WAIT_STEP_S)
        except (OSError, ValueError):  # the socket was closed under us: the next turn finds it gone
            return False
        if self._wake_reader in readable:
            self._wake_reader.recv(65_536)
        read = ready_now or sock in readable
        if read:
            self._client.loop_read()
        if sock in writable:
            self._client.loop_write()
        return read

    def _wake(self) -> None:
        try:
            self._wake_writer.send(b".")
        except OSError:  # full (it is awake anyway) or closed (it has ended)
            return

    def _on_connect(
        self,
        client: Client,
        _userdata: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._queue.end(refused(self._settings, reason.value, str(reason)))
            return
        log.debug("consumer.session", resumed=flags.session_present)
        client.subscribe([(one, 1) for one in filters_of(self._consumer)])
        if flags.session_present:
            # The backlog comes before the answer to SUBSCRIBE, and may fill the queue: do not wait for that answer.
            self._queue.establish()

    def _on_subscribe(
        self,
        _client: Client,
        _userdata: object,
        _mid: int,
        reasons: list[ReasonCode],
        _properties: Properties | None,
    ) -> None:
        failures = [str(reason) for reason in reasons if reason.is_failure]
        if failures:
            self._queue.end(subscription_refused(self._settings, ", ".join(failures)))
        else:
            self._queue.establish()

    def _on_message(self, _client: Client, _userdata: object, message: MQTTMessage) -> None:
        body = bytes(message.payload[: self._consumer.body_bytes_max + 1])
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "(a topic that is not UTF-8)"
        raw = RawMessage(topic, body, retain=message.retain, duplicate=message.dup)
        self._queue.add([Received(message.mid, message.qos, raw)])

    def _on_disconnect(
        self,
        _client: Client,
        _userdata: object,
        _flags: DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._end(str(reason))

    def _end(self, reason: str) -> None:
        self._queue.end(ConnectionEndedError(f"{self._where}: {reason}"))
