"""MQTT 5 packets as a consumer sends and receives them: bytes in, packets out, no I/O.

Source: OASIS MQTT Version 5.0 (https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html); section numbers below are
its. Only what a consumer of QoS 0 and 1 needs is here: anything else that a broker sends is `MalformedPacketError`.
The layouts are written once, in `packets` and `packet_fields`; written anew is only the reader of messages, where
ingest's time goes.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from transport import packets
from transport.consumer_queue import Received
from transport.packet_fields import CONTINUES, MalformedPacketError, Property, length_at, text
from transport.packets import DISCONNECT, PINGREQ, Goodbye, Kind, Packet, pubacks
from transport.ports import RawMessage

__all__ = [
    "DISCONNECT",
    "GRANTED_QOS_1",
    "NOT_UTF8",
    "PACKET_BYTES_MAX",
    "PINGREQ",
    "PUBLISH_OVERHEAD_BYTES_MAX",
    "TOPICS_CACHED_MAX",
    "Connack",
    "ConnectOptions",
    "Control",
    "Goodbye",
    "MalformedPacketError",
    "PacketReader",
    "Pingresp",
    "Puback",
    "Suback",
    "connect",
    "pubacks",
    "publish",
    "subscribe",
]

TOPIC_BYTES_MAX = 65_535
PROPERTIES_BYTES_MAX = 65_536  # of a PUBLISH that is larger than its body may be; beyond it cannot be cut
TOPICS_CACHED_MAX = 65_536
NOT_UTF8 = "(a topic that is not UTF-8)"
GRANTED_QOS_1 = 0x01
PUBLISH_OVERHEAD_BYTES_MAX = 10  # of ours, beside topic (ASCII) and body: header 5, topic's length 2, number 2, 1
PACKET_BYTES_MAX = 268_435_460  # the longest length and its header (2.1.4)

_HEADER_BYTES_MIN = 2
_PUBLISH, _PUBACK = Kind.PUBLISH.value, Kind.PUBACK.value  # plain numbers: looked at for every message


class Connack(NamedTuple):
    """The answer to CONNECT (3.2). `keep_alive_s` is what the broker wants instead of ours.

    `receive_maximum` is how many messages of ours may be under way, `packet_bytes_max` how long a packet may be.
    """

    session_present: bool
    reason: int
    receive_maximum: int
    packet_bytes_max: int
    keep_alive_s: int | None
    words: str


class Suback(NamedTuple):
    """The answer to SUBSCRIBE (3.9), a reason for each filter."""

    packet_id: int
    reasons: tuple[int, ...]


class Puback(NamedTuple):
    """The broker has taken one of our messages, or refused it (3.4)."""

    packet_id: int
    reason: int


class Pingresp(NamedTuple):
    """The broker is there (3.13)."""


Control = Connack | Suback | Puback | Pingresp | Goodbye


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """What a consumer says of itself. The session is always resumed (clean start is 0)."""

    client_id: str
    username: str | None
    password: str | None
    keep_alive_s: int
    session_expiry_s: int
    receive_maximum: int


def connect(options: ConnectOptions) -> bytes:
    """CONNECT (3.1)."""
    told = {
        Property.SESSION_EXPIRY_S: options.session_expiry_s,
        Property.RECEIVE_MAXIMUM: options.receive_maximum,
    }
    hello = packets.Connect(
        options.client_id,
        options.username,
        options.password,
        options.keep_alive_s,
        clean_start=False,
        properties=told,
    )
    return hello.encode()


def subscribe(packet_id: int, filters: Iterable[str]) -> bytes:
    """SUBSCRIBE with QoS 1 to each filter (3.8)."""
    return packets.subscribe(packet_id, *filters)


def publish(topic: str, body: bytes, *, qos: int, retain: bool, packet_id: int) -> bytes:
    """PUBLISH with QoS 0 or 1 (3.3); `packet_id` counts only with QoS 1."""
    return packets.publish(text(topic), body, packet_id, qos=qos, retain=retain)


class PacketReader:
    """Takes bytes as they come and gives packets. Holds at most what was fed and not read, and one packet.

    A message's body is cut to `body_bytes_max` plus one byte; of a packet that is too large to be held the rest is
    skipped as it comes.
    """

    def __init__(self, body_bytes_max: int) -> None:
        self._body_bytes_kept = body_bytes_max + 1
        self._packet_bytes_max = self._body_bytes_kept + 2 + TOPIC_BYTES_MAX + 2 + PROPERTIES_BYTES_MAX
        self._data = b""
        self._at = 0
        self._skip = 0
        self._topics: dict[bytes, str] = {}

    def feed(self, data: bytes) -> None:
        """Append what was received."""
        self._data = self._data[self._at :] + data
        self._at = 0

    def read(self, messages_max: int) -> tuple[list[Received], list[Control]]:
        """Packets that are complete, until `messages_max` messages are there or nothing more is complete.

        Raises:
            MalformedPacketError: what was fed is not MQTT 5, or not for a consumer.
        """
        messages: list[Received] = []
        controls: list[Control] = []
        while len(messages) < messages_max:
            frame = self._frame()
            if frame is None:
                break
            head, start, end = frame
            if head >> 4 == _PUBLISH:
                messages.append(self._message(head, start, end))
            else:
                controls.append(_control(head, self._data[start:end]))
        return messages, controls

    def _frame(self) -> tuple[int, int, int] | None:
        """(first byte, start, end) of the next packet's content as far as it is kept; `None` if it is not there yet."""
        data, at = self._data, self._at
        if self._skip:
            skipped = min(self._skip, len(data) - at)
            self._skip -= skipped
            self._at = at = at + skipped
        if len(data) - at < _HEADER_BYTES_MIN:
            return None
        length = data[at + 1]
        start = at + 2
        if length >= CONTINUES:
            found = length_at(data, at + 1)
            if found is None:
                return None
            length, start = found
        kept = length
        if length > self._packet_bytes_max:
            if data[at] >> 4 != _PUBLISH:
                raise MalformedPacketError(f"a packet of type {data[at] >> 4} with {length} bytes")
            kept = self._packet_bytes_max
        end = start + kept
        if end > len(data):
            return None
        self._at = end
        self._skip = length - kept
        return data[at], start, end

    def _message(self, head: int, start: int, end: int) -> Received:
        data = self._data
        qos = head >> 1 & 3
        topic_end = start + 2 + (data[start] << 8 | data[start + 1]) if end - start > 1 else end + 1
        at = topic_end + 2 if qos else topic_end
        if at >= end or qos > 1:
            raise MalformedPacketError("a PUBLISH that is cut short" if qos <= 1 else f"a PUBLISH with QoS {qos}")
        packet_id = data[at - 2] << 8 | data[at - 1] if qos else 0
        if data[at]:
            found = length_at(data, at)
            if found is None or sum(found) > end:
                raise MalformedPacketError("a PUBLISH whose properties are longer than itself")
            at = sum(found)
        else:
            at += 1
        name = data[start + 2 : topic_end]
        topic = self._topics.get(name) or self._topic(name)
        body = data[at : min(end, at + self._body_bytes_kept)]
        return Received(packet_id, qos, RawMessage(topic, body, bool(head & 1), bool(head & 8)))

    def _topic(self, name: bytes) -> str:
        try:
            topic = name.decode()
        except UnicodeDecodeError:  # a topic that ingest refuses and keeps
            return NOT_UTF8
        if len(self._topics) >= TOPICS_CACHED_MAX:
            self._topics.clear()
        self._topics[name] = topic
        return topic


def _control(head: int, content: bytes) -> Control:
    kind = head >> 4
    try:
        if kind == _PUBACK:
            return Puback(*packets.puback_of(content))
        return _seldom(Packet(kind, head & 0x0F, content))
    except MalformedPacketError as error:
        begun = content[:40].hex()
        raise MalformedPacketError(f"a packet of type {kind} that cannot be read: {error}: {begun}") from error


def _seldom(packet: Packet) -> Control:
    match packet.kind:
        case Kind.CONNACK:
            return _connack(packet)
        case Kind.SUBACK:
            granted = packets.acknowledgement_of(packet)
            return Suback(granted.packet_id, granted.reasons)
        case Kind.PINGRESP:
            return Pingresp()
        case Kind.DISCONNECT:
            return packets.goodbye_of(packet)
    raise MalformedPacketError("no broker sends one to a consumer")


def _connack(packet: Packet) -> Connack:
    answer = packets.connack_of(packet)
    return Connack(
        answer.session_present,
        answer.reason,
        answer.properties.get(Property.RECEIVE_MAXIMUM) or packets.RECEIVE_MAXIMUM_DEFAULT,
        answer.properties.get(Property.PACKET_BYTES_MAX) or PACKET_BYTES_MAX,
        answer.properties.get(Property.SERVER_KEEP_ALIVE_S),
        answer.words,
    )
