"""The consumer's packets: whatever way the bytes are cut, however broken, however large."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transport import consumer_packets as packets
from transport.consumer_packets import (
    Connack,
    ConnectOptions,
    Control,
    Goodbye,
    MalformedPacketError,
    PacketReader,
    Pingresp,
    Puback,
    Suback,
)
from transport.consumer_queue import Received
from transport.ports import RawMessage

BODY_BYTES_MAX = 100


def read_all(data: bytes, *cuts: int) -> tuple[list[Received], list[Control]]:
    """Feed `data` in pieces and read after each."""
    reader = PacketReader(BODY_BYTES_MAX)
    messages: list[Received] = []
    controls: list[Control] = []
    places = [0, *sorted(cuts), len(data)]
    for start, end in pairwise(places):
        reader.feed(data[start:end])
        more, others = reader.read(1_000_000)
        messages += more
        controls += others
    return messages, controls


def packet(head: int, content: bytes) -> bytes:
    length = bytearray()
    size = len(content)
    while True:
        size, low = size >> 7, size & 0x7F
        length.append(low | (0x80 if size else 0))
        if not size:
            return bytes((head,)) + bytes(length) + content


def text(value: str) -> bytes:
    return struct.pack(">H", len(value.encode())) + value.encode()


STREAM = b"".join(
    [
        packet(0x20, b"\x01\x00" + b"\x0b" + b"\x21\x00\x14" + b"\x27\x00\x00\x10\x00" + b"\x13\x00\x1e"),
        packet(0x90, b"\xff\xff\x00\x01"),
        packets.publish("a/b", b"", qos=0, retain=False, packet_id=0),
        packets.publish("market/v1/m/d/telemetry/bays", b"x" * 300, qos=1, retain=True, packet_id=513),
        b"\xd0\x00",
        packet(0x3A, text("시장") + b"\x01\x02" + b"\x05" + b"\x02\x00\x00\x00\x09" + b"body"),
        packet(0x40, b"\x00\x07"),
        packet(0x40, b"\x00\x08\x87\x00"),
        packet(0xE0, b"\x8e" + b"\x0a" + b"\x1f" + text("go away")),
    ]
)
MESSAGES = [
    Received(0, 0, RawMessage("a/b", b"")),
    Received(513, 1, RawMessage("market/v1/m/d/telemetry/bays", b"x" * 101, retain=True)),
    Received(258, 1, RawMessage("시장", b"body", duplicate=True)),
]
CONTROLS = [
    Connack(session_present=True, reason=0, receive_maximum=20, packet_bytes_max=4096, keep_alive_s=30, words=""),
    Suback(0xFFFF, (1,)),
    Pingresp(),
    Puback(7, 0),
    Puback(8, 0x87),
    Goodbye(0x8E, "go away"),
]


def test_a_stream_cut_anywhere_is_the_same_packets() -> None:
    for cut in range(len(STREAM) + 1):
        assert read_all(STREAM, cut) == (MESSAGES, CONTROLS), cut


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_a_stream_cut_into_many_pieces_is_the_same_packets(cuts: list[int]) -> None:
    assert read_all(STREAM, *cuts) == (MESSAGES, CONTROLS)


def test_byte_for_byte() -> None:
    assert read_all(STREAM, *range(len(STREAM))) == (MESSAGES, CONTROLS)


@settings(max_examples=200, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=50),
    st.binary(max_size=400),
    st.integers(0, 1),
    st.booleans(),
    st.integers(1, 65_535),
)
def test_what_is_published_is_read_again(topic: str, body: bytes, qos: int, retain: bool, packet_id: int) -> None:
    data = packets.publish(topic, body, qos=qos, retain=retain, packet_id=packet_id)
    expected = Received(packet_id if qos else 0, qos, RawMessage(topic, body[: BODY_BYTES_MAX + 1], retain))
    assert read_all(data + b"\xd0\x00") == ([expected], [Pingresp()])


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200) | st.tuples(st.integers(0, len(STREAM) - 1), st.binary(min_size=1, max_size=3)))
def test_broken_bytes_are_packets_or_malformed_and_nothing_else(broken: bytes | tuple[int, bytes]) -> None:
    if isinstance(broken, tuple):
        place, replaced = broken
        broken = STREAM[:place] + replaced + STREAM[place + len(replaced) :]
    try:
        messages, _ = read_all(broken)
    except MalformedPacketError:  # refused by name: the one error it may end with
        return
    for one in messages:
        assert len(one.message.body) <= BODY_BYTES_MAX + 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x30\xff\xff\xff\xff\x01", "more than four bytes"),
        (packet(0x30, b""), "cut short"),
        (packet(0x32, b"\x00\x05ab"), "cut short"),
        (packet(0x32, b"\x00\x01a\x00\x01"), "cut short"),
        (packet(0x30, b"\x00\x01a\x7f"), "properties are longer"),
        (packet(0x30, b"\x00\x01a\x80"), "properties are longer"),
        (packet(0x34, b"\x00\x01a\x00\x01\x00body"), "QoS 2"),
        (packet(0x10, b"x"), "type 1 that cannot be read: no broker sends"),
        (packet(0xF0, b""), "type 15 that cannot be read: no broker"),
        (packet(0x20, b"\x00"), "type 2 that cannot be read"),
        (packet(0x20, b"\x00\x00\x02\x99\x00"), "type 2 that cannot be read"),
        (packet(0x20, b"\x00\x00\x09\x21\x00\x14"), "type 2 that cannot be read"),
        (packet(0x40, b"\x00"), "type 4 that cannot be read"),
        (packet(0x90, b"\x00\x01"), "type 9 that cannot be read"),
        (b"\x20\xff\xff\xff\x7f", "type 2 with 268435455 bytes"),
    ],
)
def test_what_is_malformed_is_said(data: bytes, words: str) -> None:
    with pytest.raises(MalformedPacketError, match=words):
        read_all(data)


def test_a_topic_that_is_not_utf8_is_named_so() -> None:
    ((one,), _) = read_all(packet(0x30, b"\x00\x02\xff\xfe\x00body"))
    assert one.message == RawMessage(packets.NOT_UTF8, b"body")


def test_a_message_of_many_megabytes_is_cut_and_the_next_is_read() -> None:
    """256 MB announced, 20 sent: memory holds what is kept, not what comes."""
    reader = PacketReader(BODY_BYTES_MAX)
    size = 20_000_000
    head = packets.publish("t", b"x" * size, qos=1, retain=False, packet_id=3)
    got: list[Received] = []
    for start in range(0, len(head), 65_536):
        reader.feed(head[start : start + 65_536])
        got += reader.read(10)[0]
        assert len(reader._data) < 300_000
    reader.feed(packets.publish("t", b"next", qos=1, retain=False, packet_id=4))
    got += reader.read(10)[0]
    assert got == [
        Received(3, 1, RawMessage("t", b"x" * (BODY_BYTES_MAX + 1))),
        Received(4, 1, RawMessage("t", b"next")),
    ]


def test_no_more_messages_are_given_than_asked_for_and_the_rest_waits() -> None:
    reader = PacketReader(BODY_BYTES_MAX)
    reader.feed(b"".join(packets.publish("t", b"%d" % n, qos=1, retain=False, packet_id=n) for n in range(1, 8)))
    assert [one.mid for one in reader.read(3)[0]] == [1, 2, 3]
    assert reader.read(0) == ([], [])
    assert [one.mid for one in reader.read(100)[0]] == [4, 5, 6, 7]


def test_topics_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packets, "TOPICS_CACHED_MAX", 3)
    reader = PacketReader(BODY_BYTES_MAX)
    for number in range(10):
        reader.feed(packets.publish(f"t/{number}", b"", qos=0, retain=False, packet_id=0))
        ((one,), _) = reader.read(1)
        assert one.message.topic == f"t/{number}"
        assert len(reader._topics) <= 3


def test_connect_is_what_the_standard_says() -> None:
    """Bytes worked out by hand from 3.1."""
    data = packets.connect(ConnectOptions("id", "user", "pw", 8, 604_800, 1000))
    properties = b"\x08\x11\x00\x09\x3a\x80\x21\x03\xe8"
    content = b"\x00\x04MQTT\x05\xc0\x00\x08" + properties + b"\x00\x02id\x00\x04user\x00\x02pw"
    assert data == b"\x10" + bytes((len(content),)) + content
    anonymous = packets.connect(ConnectOptions("id", None, None, 8, 0, 1))
    assert anonymous[9] == 0
    assert anonymous.endswith(b"\x00\x02id")


def test_subscribe_and_acknowledgements_are_what_the_standard_says() -> None:
    assert packets.subscribe(10, ["a/+", "b"]) == b"\x82\x0d\x00\x0a\x00\x00\x03a/+\x01\x00\x01b\x01"
    assert packets.pubacks([1, 258]) == b"\x40\x02\x00\x01\x40\x02\x01\x02"
    assert packets.pubacks([]) == b""
