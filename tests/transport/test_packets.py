"""The wire format: against bytes put together by hand from the standard, in any cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport import packets
from transport.packet_fields import MalformedPacketError, Property, properties_at, text
from transport.packets import Connect, Goodbye, Kind, Packet, PacketReader, WillMessage

TOPIC = "market/v1/jungang/edge-1/telemetry/bays"


def cut(data: bytes, at: list[int]) -> list[Packet]:
    reader, found = PacketReader(), list[Packet]()
    edges = [0, *sorted(min(one, len(data)) for one in at), len(data)]
    for start, end in pairwise(edges):
        found += reader.feed(data[start:end])
    return found


@given(
    body=st.binary(max_size=20_000),
    number=st.integers(1, 65_535),
    retain=st.booleans(),
    duplicate=st.booleans(),
    at=st.lists(st.integers(0, 20_100), max_size=6),
)
def test_a_publish_reads_back_as_it_was_written_however_it_is_cut(
    body: bytes, number: int, *, retain: bool, duplicate: bool, at: list[int]
) -> None:
    data = packets.publish(text(TOPIC), body, number, retain=retain, duplicate=duplicate)
    found = cut(data + packets.PINGREQ, at)
    assert [one.kind for one in found] == [Kind.PUBLISH, Kind.PINGREQ]
    message = packets.publish_of(found[0])
    assert (message.topic, message.body, message.packet_id, message.qos) == (TOPIC, body, number, 1)
    assert (message.retain, message.duplicate) == (retain, duplicate)


def test_a_connect_says_everything_that_it_was_given() -> None:
    properties = {Property.SESSION_EXPIRY_S: 600, Property.RECEIVE_MAXIMUM: 5}
    will = WillMessage("market/v1/m/d/status/presence", b"gone")
    (packet,) = cut(Connect("m.d", "user", "word", 8, False, properties, will).encode(), [])  # noqa: FBT003 — clean_start
    head = text("MQTT") + bytes((5, 0xC0 | 0x20 | 0x08 | 0x04)) + b"\0\x08"
    told = b"\x08" + b"\x11\0\0\x02\x58" + b"\x21\0\x05"
    said = b"\0" + text(will.topic) + b"\0\x04gone"
    assert packet.body == head + told + text("m.d") + said + text("user") + text("word")


def test_a_connack_with_properties_of_every_form_is_read() -> None:
    texts = b"\x12" + text("given-id") + b"\x26" + text("a") + text("b")
    numbers = b"\x13\0\x14" + b"\x25\x01" + b"\x27\0\x01\0\0" + b"\x0b\x81\x01"
    body = b"\x01\x00" + bytes((len(texts) + len(numbers),)) + texts + numbers
    answer = packets.connack_of(Packet(Kind.CONNACK, 0, body))
    assert answer.accepted
    assert answer.session_present
    assert answer.properties == {0x13: 20, 0x25: 1, 0x27: 65_536, 0x0B: 129}


def test_a_refusal_of_an_older_mqtt_and_the_brokers_own_words_are_read() -> None:
    older = packets.connack_of(Packet(Kind.CONNACK, 0, b"\0\x01"))
    assert (older.accepted, older.reason, older.words) == (False, 1, "")
    told = packets.connack_of(Packet(Kind.CONNACK, 0, b"\0\x97\x07\x1f" + text("full")))
    assert (told.accepted, told.words) == (False, "full")
    assert packets.goodbye_of(Packet(Kind.DISCONNECT, 0, b"")) == Goodbye(0, "")
    assert packets.goodbye_of(Packet(Kind.DISCONNECT, 0, b"\x8e\x05\x1f" + text("go"))) == Goodbye(0x8E, "go")


@pytest.mark.parametrize("properties", [b"", b"\x03\x21\0", b"\x02\x21\0\x01", b"\x01\x7f", b"\x02\x0b\xff", b"\x80"])
def test_properties_that_do_not_add_up_are_refused(properties: bytes) -> None:
    with pytest.raises(MalformedPacketError, match="propert"):
        properties_at(properties, 0)


def test_a_subscribe_asks_for_every_filter() -> None:
    assert packets.subscribe(10, "a/+", "b") == b"\x82\x0d\x00\x0a\x00\x00\x03a/+\x01\x00\x01b\x01"


def test_acknowledgements_say_which_and_whether() -> None:
    assert not packets.acknowledgement_of(Packet(Kind.PUBACK, 0, b"\0\x07")).refused
    assert packets.acknowledgement_of(Packet(Kind.PUBACK, 0, b"\0\x07\x87\0")).refused
    granted = packets.acknowledgement_of(Packet(Kind.SUBACK, 0, b"\0\x09\0\x01\x87"))
    assert (granted.packet_id, granted.reasons, granted.refused) == (9, (1, 0x87), True)


@pytest.mark.parametrize(
    "data",
    [b"\x30\xff\xff\xff\xff\x01", b"\x30\xff\xff\xff\x7f", b"\x20\x01\x00", b"\x30\x03\0\x09a", b"\x40\x01\0",
     b"\x20\x05\0\0\x02\x7f\0"],
)  # fmt: skip
def test_what_is_no_packet_is_refused_by_name(data: bytes) -> None:
    readers = {
        Kind.CONNACK: packets.connack_of,
        Kind.PUBLISH: packets.publish_of,
        Kind.PUBACK: packets.acknowledgement_of,
    }

    def read() -> None:
        for packet in PacketReader().feed(data):
            readers[Kind(packet.kind)](packet)

    with pytest.raises(MalformedPacketError):
        read()


@given(kind=st.sampled_from([Kind.CONNACK, Kind.PUBLISH, Kind.PUBACK, Kind.SUBACK]), body=st.binary(max_size=60))
def test_no_bytes_raise_anything_else(kind: Kind, body: bytes) -> None:
    packet = Packet(kind, 2, body)
    reader = {Kind.CONNACK: packets.connack_of, Kind.PUBLISH: packets.publish_of}.get(kind, packets.acknowledgement_of)
    try:
        reader(packet)
    except MalformedPacketError:  # the one error that it may end with
        return
