"""What MQTT 5 packets are made of: lengths, texts, properties. Pure.

Layouts are those of "MQTT Version 5.0", OASIS Standard (https://docs.oasis-open.org/mqtt/mqtt/v5.0/mqtt-v5.0.html);
the numbers in brackets are its sections.
"""

import struct
from collections.abc import Mapping
from enum import IntEnum

CONTINUES = 0x80  # the bit of a variable byte integer that says: one more byte (1.5.5)

_LENGTH_BYTES_MAX = 4


class MalformedPacketError(ValueError):
    """Bytes that are no MQTT 5 packet, or none that fits here: the connection cannot go on."""


class Property(IntEnum):
    """The properties (2.2.2.2) that are named here."""

    SESSION_EXPIRY_S = 0x11
    SERVER_KEEP_ALIVE_S = 0x13
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    PACKET_BYTES_MAX = 0x27


_INTEGER_BYTES = {  # by property
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), 1),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), 2),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), 4),
}
_TEXTS = {0x03: 1, 0x08: 1, 0x09: 1, 0x12: 1, 0x15: 1, 0x16: 1, 0x1A: 1, 0x1C: 1, 0x1F: 1, 0x26: 2}  # how many
_VARIABLE_PROPERTY = 0x0B


def text(value: str) -> bytes:
    """A UTF-8 string with its length in front (1.5.4)."""
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded


def length_at(data: bytes | bytearray, at: int) -> tuple[int, int] | None:
    """(value, where it ends) of the variable byte integer at `at` (1.5.5); `None` if it is not there completely.

    Raises:
        MalformedPacketError: it is longer than four bytes.
    """
    value = 0
    for place in range(_LENGTH_BYTES_MAX):
        if at + place >= len(data):
            return None
        byte = data[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < CONTINUES:
            return value, at + place + 1
    raise MalformedPacketError("a length of more than four bytes")


def properties_at(body: bytes, at: int) -> tuple[dict[int, int], dict[int, bytes], int]:
    """Numbers and texts by property, and where the properties that begin at `at` end (2.2.2).

    Raises:
        MalformedPacketError: they are cut short, or none of MQTT 5.
    """
    found = length_at(body, at)
    if found is None or sum(found) > len(body):
        raise MalformedPacketError("properties that are cut short")
    end, at = sum(found), found[1]
    numbers, texts = dict[int, int](), dict[int, bytes]()
    while at < end:
        name = body[at]
        at += 1
        if name in _INTEGER_BYTES:
            begin, at = at, at + _INTEGER_BYTES[name]
            numbers[name] = int.from_bytes(body[begin:at], "big")
        elif name == _VARIABLE_PROPERTY:
            numbers[name], at = length_at(body, at) or (0, end + 1)
        elif name in _TEXTS:
            for _ in range(_TEXTS[name]):
                begin, at = at + 2, at + 2 + int.from_bytes(body[at : at + 2], "big")
                texts[name] = body[begin:at]
        else:
            raise MalformedPacketError(f"property {name:#04x} is none of MQTT 5")
    if at != end:
        raise MalformedPacketError("properties that are longer than they say")
    return numbers, texts, end


def encoded_length(value: int) -> bytes:
    """A variable byte integer (1.5.5)."""
    out = bytearray()
    while True:
        value, byte = value >> 7, value & 0x7F
        out.append(byte | CONTINUES if value else byte)
        if not value:
            return bytes(out)


def encoded_properties(properties: Mapping[Property, int]) -> bytes:
    """Properties that are numbers, with their length in front (2.2.2)."""
    body = b"".join(bytes((name,)) + value.to_bytes(_INTEGER_BYTES[name], "big") for name, value in properties.items())
    return encoded_length(len(body)) + body
