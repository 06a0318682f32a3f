"""One connection of a consumer over a plain socket: nothing but what a consumer does, at a fraction of the cost.

Packets are read from large receive buffers, and the acknowledgements of a batch leave in one piece. All traffic is the
network thread's; the handler's thread only appends to what is to be sent and wakes it.

A broker writes each message by itself. So that reading does not cost a turn for each, the network thread lets the
socket rest for a moment after it has read little: a tenth of the time for which a batch is gathered anyway.

Back-pressure is TCP's: while the queue is full the socket is not read. Keep-alives are sent all the same, so the broker
keeps the connection; that it still stands is then the kernel's to say (it resets a link on which what we send is not
confirmed), and otherwise shown by anything that comes.
"""

import math
import os
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Sequence

import structlog

from transport import consumer_packets as packets
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
from transport.mqtt_connection import password
from transport.ports import BrokerSettings, ConsumerSettings

log = structlog.get_logger(__name__)

SESSION_EXPIRY_S = 7 * 24 * 3600
RECEIPTS_UNDER_WAY_MAX = 1000  # less where the broker says so
RECEIPTS_QUEUED_MAX = 10_000
RECEIVE_BYTES = 262_144
FLUSH_S_MAX = 1.0
SUBSCRIBE_PACKET_ID = 65_535  # no message of ours has it
PACKET_IDS = 65_534
SILENCE_SHARE_MAX = 1.5  # of the keep-alive time, as the broker's own patience with us (3.1.2.10)
TURN_MS_MAX = 250.0
REST_MS_MAX = 2.0
RESTED_LINGERS = 0.1
LITTLE_BYTES = 65_536
CLOSED = "closed by the broker"

_HANGING_UP = getattr(select, "POLLRDHUP", 0)  # Linux: the other side has closed, though we are not reading
_ERROR = select.POLLERR | select.POLLHUP | select.POLLNVAL | _HANGING_UP


class SocketConnection:
    """A connection, made once: `open`, then `next_batch` and `acknowledge` until it ends, then `close`."""

    def __init__(self, settings: BrokerSettings, consumer: ConsumerSettings, tls: ssl.SSLContext | None) -> None:
        self._settings = settings
        self._consumer = consumer
        self._tls = tls
        self._where = f"broker {settings.host}:{settings.port}"
        self._queue = ConsumerQueue(consumer)
        self._reader = packets.PacketReader(consumer.body_bytes_max)
        self._keep_alive_s = max(1.0, float(settings.keep_alive_s))
        self._closing = threading.Event()
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=self._serve, name=f"mqtt-{settings.client_id}", daemon=True)
        self._out_lock = threading.Lock()
        self._out = bytearray()
        self._receipts: deque[tuple[str, bytes, int, bool]] = deque()
        self._under_way: set[int] = set()
        self._under_way_max = RECEIPTS_UNDER_WAY_MAX
        self._packet_bytes_max = packets.PACKET_BYTES_MAX
        self._packet_id = 0
        self._rest_ms = min(REST_MS_MAX, RESTED_LINGERS * consumer.linger_s * 1000)
        self._is_awake = False
        self._is_paused = False
        self._wake_reader, self._wake_writer = socket.socketpair()
        for one in (self._wake_reader, self._wake_writer):
            one.settimeout(0.0)

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
        settings = self._settings
        try:
            self._socket = self._connected()
        except OSError as error:
            raise ConnectionEndedError(f"{self._where}: {error}") from error
        options = packets.ConnectOptions(
            settings.client_id,
            settings.username,
            password(settings),
            settings.keep_alive_s,
            SESSION_EXPIRY_S,
            self._consumer.unacknowledged_max,
        )
        self._send(packets.connect(options))
        serve_until_established(self._thread, self._queue, settings)

    def close(self) -> None:
        """Send what is queued (acknowledgements, receipts), say goodbye; the session stays with the broker."""
        self._closing.set()
        self._wake()
        if self._thread.ident is not None:
            self._thread.join()
        self._queue.end(ConnectionEndedError(f"{self._where}: closed"))
        if self._socket is not None:
            self._socket.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def next_batch(self, stop: threading.Event) -> Sequence[Received]:
        """See `transport.consumer_queue.ConsumerQueue.next_batch`.

        Raises:
            ConnectionEndedError: the link is gone.
            BusSettingsError: a subscription was refused.
        """
        batch = self._queue.next_batch(stop)
        if self._is_paused:
            self._wake()  # there is room to read again
        return batch

    def acknowledge(self, batch: Sequence[Received]) -> None:
        """Tell the broker, in order of arrival, that these are ours to answer for."""
        self._send(packets.pubacks([one.mid for one in batch if one.qos]))

    def wait(self, stop: threading.Event, delay_s: float) -> bool:
        """Wait `delay_s`; False at once when stopped or when the link is gone: then the batch comes again."""
        return self._queue.wait(stop, delay_s)

    def send(self, topic: str, body: bytes, *, qos: int, retain: bool) -> bool:
        """Queue; say whether it was taken."""
        if not self.alive or len(topic) + len(body) + packets.PUBLISH_OVERHEAD_BYTES_MAX > self._packet_bytes_max:
            return False  # a broker hangs up on a packet that is larger than it takes
        with self._out_lock:
            if len(self._receipts) >= RECEIPTS_QUEUED_MAX:
                return False
            self._receipts.append((topic, body, qos, retain))
            self._fill()
        self._wake()
        return True

    def _connected(self) -> socket.socket:
        settings = self._settings
        plain = socket.create_connection((settings.host, settings.port), settings.connect_timeout_s)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            patience_ms = int(SILENCE_SHARE_MAX * self._keep_alive_s * 1000)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, patience_ms)
        if self._tls is None:
            linked = plain
        else:
            try:
                linked = self._tls.wrap_socket(plain, server_hostname=settings.host)
            except BaseException:  # raised again: a cancelled handshake must not leave the socket open
                plain.close()
                raise
        linked.settimeout(0.0)
        return linked

    def _send(self, data: bytes) -> None:
        with self._out_lock:
            self._out += data
        self._wake()

    def _fill(self) -> None:
        """Number receipts and move them to what is sent, as far as the broker's window allows."""
        while self._receipts and len(self._under_way) < self._under_way_max:
            topic, body, qos, retain = self._receipts.popleft()
            if qos:
                self._packet_id = self._packet_id % PACKET_IDS + 1
                while self._packet_id in self._under_way:
                    self._packet_id = self._packet_id % PACKET_IDS + 1
                self._under_way.add(self._packet_id)
            self._out += packets.publish(topic, body, qos=qos, retain=retain, packet_id=self._packet_id)

    def _wake(self) -> None:
        if self._is_awake:
            return
        self._is_awake = True
        try:
            self._wake_writer.send(b".")
        except OSError:  # full (it is awake anyway) or closed (it has ended)
            return

    def _serve(self) -> None:
        """The network thread: exchange until closed or ended; then flush what is queued."""
        sock = self._socket
        if sock is None:
            return
        try:
            self._exchange(sock)
            self._flush(sock)
        except packets.MalformedPacketError as error:
            self._queue.end(ConnectionEndedError(f"{self._where}: it sent {error}"))
        except OSError as error:
            self._queue.end(ConnectionEndedError(f"{self._where}: {error}"))
        finally:  # whatever ended this thread, the consumer must know; the first reason stays
            self._queue.end(ConnectionEndedError(f"{self._where}: the connection has ended"))

    def _exchange(self, sock: socket.socket) -> None:
        poller = select.poll()
        poller.register(self._wake_reader, select.POLLIN)
        heard_s = said_s = time.monotonic()
        is_pinged = is_resting = False
        while not self._closing.is_set() and not self._queue.ended:
            self._deliver()
            reading = self._may_read()
            poller.register(sock, self._wanted(reading=reading, resting=is_resting))
            has_more = reading and not is_resting and isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
            events = dict(poller.poll(0 if has_more else self._rest_ms if is_resting else TURN_MS_MAX))
            if self._wake_reader.fileno() in events:
                self._wake_reader.recv(4096)
                self._is_awake = False
            event = events.get(sock.fileno(), 0)
            if event & _ERROR and not event & select.POLLIN:
                self._raise_error(sock)
            now_s = time.monotonic()
            received = self._receive(sock) if event & select.POLLIN or has_more else 0
            is_resting = 0 < received < LITTLE_BYTES
            if received or not reading:
                heard_s, is_pinged = now_s, False  # while we do not listen, silence is not the broker's
            if self._transmit(sock):
                said_s = now_s
            if now_s - said_s >= self._keep_alive_s or (now_s - heard_s >= self._keep_alive_s and not is_pinged):
                is_pinged = True
                self._send(packets.PINGREQ)
            if now_s - heard_s > SILENCE_SHARE_MAX * self._keep_alive_s:
                raise TimeoutError(f"silent for {now_s - heard_s:.1f} s")

    def _may_read(self) -> bool:
        # Said before it is looked at: whoever takes a batch in between sees it and wakes us.
        self._is_paused = True
        self._is_paused = self._queue.room <= 0
        return not self._is_paused

    def _wanted(self, *, reading: bool, resting: bool) -> int:
        incoming = _HANGING_UP if not reading else 0 if resting else select.POLLIN
        return incoming | (select.POLLOUT if self._out else 0)

    def _raise_error(self, sock: socket.socket) -> None:
        number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        raise OSError(number, os.strerror(number)) if number else ConnectionResetError(CLOSED)

    def _receive(self, sock: socket.socket) -> int:
        """Read what is there, at most about `RECEIVE_BYTES`; how many bytes that were."""
        received = 0
        while received < RECEIVE_BYTES and self._queue.room > 0:
            try:
                data = sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):  # that was all for now
                break
            if not data:
                raise ConnectionResetError(CLOSED)
            received += len(data)
            self._reader.feed(data)
            self._deliver()
            if not isinstance(sock, ssl.SSLSocket):  # one call has emptied it, or filled its buffer
                break
        return received

    def _deliver(self) -> None:
        room = self._queue.room
        if room <= 0:
            return
        messages, controls = self._reader.read(room)
        for control in controls:
            self._hear(control)
        if messages:
            self._queue.add(messages)

    def _hear(self, control: packets.Control) -> None:
        match control:
            case packets.Connack():
                self._begin(control)
            case packets.Suback():
                # QoS 0 granted is no subscription for us: what is lost on the way would not come again.
                failures = [f"0x{reason:02x}" for reason in control.reasons if reason != packets.GRANTED_QOS_1]
                if failures:
                    self._queue.end(subscription_refused(self._settings, ", ".join(failures)))
                else:
                    self._queue.establish()
            case packets.Puback():
                with self._out_lock:
                    self._under_way.discard(control.packet_id)
                    self._fill()
            case packets.Goodbye():
                words = control.words or f"reason 0x{control.reason:02x}"
                self._queue.end(ConnectionEndedError(f"{self._where}: the broker ended the connection: {words}"))

    def _begin(self, answer: packets.Connack) -> None:
        if answer.reason:
            words = answer.words or f"reason 0x{answer.reason:02x}"
            self._queue.end(refused(self._settings, answer.reason, words))
            return
        log.debug("consumer.session", resumed=answer.session_present)
        self._keep_alive_s = min(self._keep_alive_s, float(answer.keep_alive_s or math.inf))
        self._under_way_max = min(RECEIPTS_UNDER_WAY_MAX, answer.receive_maximum)
        self._packet_bytes_max = answer.packet_bytes_max
        self._send(packets.subscribe(SUBSCRIBE_PACKET_ID, filters_of(self._consumer)))
        if answer.session_present:
            # The backlog comes before the answer to SUBSCRIBE, and may fill the queue: do not wait for that answer.
            self._queue.establish()

    def _transmit(self, sock: socket.socket) -> bool:
        """Send what the socket takes of what is queued; whether it took anything."""
        with self._out_lock:
            if not self._out:
                return False
            try:
                sent = sock.send(self._out)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):  # full: the rest waits
                return False
            del self._out[:sent]
        return sent > 0

    def _flush(self, sock: socket.socket) -> None:
        """Send what is queued and a goodbye, as far as `FLUSH_S_MAX` allows; nothing on a link that is gone."""
        if self._queue.ended:
            return
        self._send(packets.DISCONNECT)
        until_s = time.monotonic() + FLUSH_S_MAX
        while self._out and time.monotonic() < until_s:
            if not self._transmit(sock):
                select.select([], [sock], [], WAIT_STEP_S)
