"""MQTT 5 on the wire: bytes in, packets out, and back. Pure; no socket.

Layouts are those of "MQTT Version 5.0", OASIS Standard (https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html);
the numbers in brackets are its sections. What a client library does by itself (acknowledging, keep-alives, resending)
is left to the caller, so that a test can also leave it undone. `consumer_packets` reads the same layouts faster.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from transport.packet_fields import (
    MalformedPacketError,
    Property,
    encoded_length,
    encoded_properties,
    length_at,
    properties_at,
    text,
)

HELD_BYTES_MAX = 8 * 1_048_576
PINGREQ = b"\xc0\x00"
DISCONNECT = b"\xe0\x00"
"""A DISCONNECT that says goodbye: the broker drops the will."""
PACKET_ID_MAX = 65_535
RECEIVE_MAXIMUM_DEFAULT = 65_535  # 3.2.2.3.3

_FAILURE = 0x80


class Kind(IntEnum):
    """Control packet types (2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14


_PUBLISH_HEAD = Kind.PUBLISH << 4


@dataclass(frozen=True, slots=True)
class WillMessage:
    """What the broker says when this connection breaks."""

    topic: str
    body: bytes
    qos: int = 1
    retain: bool = True


@dataclass(frozen=True, slots=True)
class Connect:
    """A CONNECT. `properties` may hold `SESSION_EXPIRY_S`, `RECEIVE_MAXIMUM` and `PACKET_BYTES_MAX`."""

    client_id: str
    username: str | None = None
    password: str | None = None
    keep_alive_s: int = 8
    clean_start: bool = True
    properties: Mapping[Property, int] | None = None
    will: WillMessage | None = None

    def encode(self) -> bytes:
        """The packet (3.1)."""
        flags = 0x02 if self.clean_start else 0
        payload = text(self.client_id)
        if self.will is not None:
            flags |= 0x04 | self.will.qos << 3 | (0x20 if self.will.retain else 0)
            payload += b"\0" + text(self.will.topic) + struct.pack(">H", len(self.will.body)) + self.will.body
        if self.username is not None:
            flags |= 0x80
            payload += text(self.username)
        if self.password is not None:
            flags |= 0x40
            payload += text(self.password)
        head = text("MQTT") + struct.pack(">BBH", 5, flags, self.keep_alive_s)
        return _packet(Kind.CONNECT, 0, head + encoded_properties(self.properties or {}) + payload)


class Packet(NamedTuple):
    """A packet as it came: its kind, the four flags, everything behind the length."""

    kind: int
    flags: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Connack:
    """The answer to CONNECT. `words` is the broker's own reason, often empty."""

    session_present: bool
    reason: int
    properties: Mapping[int, int]
    words: str = ""

    @property
    def accepted(self) -> bool:
        """Whether the connection stands."""
        return self.reason == 0


class Publish(NamedTuple):
    """A message from the broker. `packet_id` is 0 at QoS 0."""

    topic: str
    body: bytes
    qos: int
    packet_id: int
    duplicate: bool
    retain: bool


class Acknowledgement(NamedTuple):
    """PUBACK, SUBACK or UNSUBACK: which packet, and one reason code for each thing asked for."""

    packet_id: int
    reasons: tuple[int, ...]

    @property
    def refused(self) -> bool:
        """Whether any of it was refused."""
        return any(reason >= _FAILURE for reason in self.reasons)


@dataclass(frozen=True, slots=True)
class Goodbye:
    """The broker ends the connection: its reason code, and its words, often none."""

    reason: int
    words: str


class PacketReader:
    """Cuts a stream of bytes into packets. Holds at most one unfinished packet of `packet_bytes_max`."""

    def __init__(self, packet_bytes_max: int = HELD_BYTES_MAX) -> None:
        self._held = bytearray()
        self._packet_bytes_max = packet_bytes_max

    def feed(self, data: bytes) -> Iterator[Packet]:
        """The packets that are complete now.

        Raises:
            MalformedPacketError: no length, or a packet over the bound.
        """
        self._held += data
        while True:
            found = self._cut()
            if found is None:
                return
            yield found

    def _cut(self) -> Packet | None:
        held = self._held
        found = length_at(held, 1)
        if found is None:
            return None
        length, begin = found
        if length > self._packet_bytes_max:
            raise MalformedPacketError(f"a packet of {length} bytes, over {self._packet_bytes_max}")
        if len(held) < begin + length:
            return None
        packet = Packet(held[0] >> 4, held[0] & 0x0F, bytes(held[begin : begin + length]))
        del held[: begin + length]
        return packet


def publish(
    topic: bytes, body: bytes, packet_id: int, *, qos: int = 1, retain: bool = False, duplicate: bool = False
) -> bytes:
    """A PUBLISH (3.3). `topic` is `text(...)` of it, so that a fleet encodes each topic once."""
    flags = qos << 1 | retain | duplicate << 3
    number = packet_id.to_bytes(2, "big") if qos else b""
    head = bytes((_PUBLISH_HEAD | flags,)) + encoded_length(len(topic) + len(number) + 1 + len(body))
    return b"".join((head, topic, number, b"\0", body))


def pubacks(packet_ids: Iterable[int]) -> bytes:
    """A PUBACK that says success for each (3.4), in their order."""
    return b"".join([b"\x40\x02" + one.to_bytes(2, "big") for one in packet_ids])


def subscribe(packet_id: int, *topic_filters: str, qos: int = 1) -> bytes:
    """A SUBSCRIBE to each filter (3.8)."""
    asked = b"".join(text(one) + bytes((qos,)) for one in topic_filters)
    return _packet(Kind.SUBSCRIBE, 2, packet_id.to_bytes(2, "big") + b"\0" + asked)


def connack_of(packet: Packet) -> Connack:
    """Read a CONNACK (3.2). It may end after its reason: so refuses a broker that speaks an older MQTT.

    Raises:
        MalformedPacketError: it is none.
    """
    try:
        flags, reason = packet.body[:2]
    except ValueError as error:
        raise MalformedPacketError("a CONNACK that is cut short") from error
    return Connack(bool(flags & 1), reason, *_answer(packet.body, 2))


def publish_of(packet: Packet) -> Publish:
    """Read a PUBLISH.

    Raises:
        MalformedPacketError: it is none.
    """
    body, qos = packet.body, packet.flags >> 1 & 3
    try:
        at = 2 + int.from_bytes(body[:2], "big")
        topic = body[2:at].decode()
        packet_id = 0
        if qos:
            packet_id = int.from_bytes(body[at : at + 2], "big")
            at += 2
        if body[at] == 0:  # no properties: nearly always
            at += 1
        else:
            _, _, at = properties_at(body, at)
    except (IndexError, UnicodeDecodeError) as error:
        raise MalformedPacketError("a PUBLISH that is cut short") from error
    return Publish(topic, body[at:], qos, packet_id, bool(packet.flags & 8), bool(packet.flags & 1))


def acknowledgement_of(packet: Packet) -> Acknowledgement:
    """Read a PUBACK, SUBACK or UNSUBACK.

    Raises:
        MalformedPacketError: it is none.
    """
    body = packet.body
    packet_id, reason = puback_of(body)
    if packet.kind == Kind.PUBACK:
        return Acknowledgement(packet_id, (reason,))
    _, _, at = properties_at(body, 2)
    return Acknowledgement(packet_id, tuple(body[at:]))


def puback_of(body: bytes) -> tuple[int, int]:
    """Which packet, and the reason code: one without a reason says success (3.4.2.1).

    Raises:
        MalformedPacketError: it is none.
    """
    if len(body) < 2:  # noqa: PLR2004 — the two bytes of the packet's number
        raise MalformedPacketError("an acknowledgement that is cut short")
    return body[0] << 8 | body[1], body[2] if len(body) > 2 else 0  # noqa: PLR2004 — the same


def goodbye_of(packet: Packet) -> Goodbye:
    """Read a DISCONNECT (3.14); one without a reason says 0.

    Raises:
        MalformedPacketError: it is none.
    """
    return Goodbye(packet.body[0] if packet.body else 0, _answer(packet.body, 1)[1])


def _answer(body: bytes, at: int) -> tuple[dict[int, int], str]:
    """The numbers among the properties that begin at `at`, if there are any, and the reason in words."""
    if len(body) <= at:
        return {}, ""
    numbers, texts, _ = properties_at(body, at)
    return numbers, texts.get(Property.REASON_STRING, b"").decode(errors="replace")


def _packet(kind: Kind, flags: int, body: bytes) -> bytes:
    return bytes((kind << 4 | flags,)) + encoded_length(len(body)) + body
