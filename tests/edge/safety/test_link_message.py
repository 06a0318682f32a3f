"""The datagram: nothing gets in without the key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.safety.link_message import DATAGRAM_BYTES_MAX, BadDatagramError, LinkMessage, ToldFire, seal, unseal

KEY = b"k" * 32
IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)
FIRES = st.builds(ToldFire, event_id=HEX, zone=IDS, camera=IDS, since_unix_ms=st.integers(0, 4 * 10**12))
MESSAGES = st.builds(
    LinkMessage,
    market=IDS,
    device=IDS,
    session=HEX,
    number=st.integers(1, 2**53),
    heard_session=st.none() | HEX,
    fires=st.lists(FIRES, max_size=8).map(tuple),
)


@given(MESSAGES)
def test_what_was_sealed_is_unsealed_and_fits_a_datagram(message: LinkMessage) -> None:
    datagram = seal(message, KEY)

    assert unseal(datagram, KEY) == message
    assert len(datagram) <= DATAGRAM_BYTES_MAX


@given(MESSAGES, st.integers(0, 10_000), st.integers(1, 255))
def test_one_changed_byte_is_refused(message: LinkMessage, place: int, change: int) -> None:
    datagram = bytearray(seal(message, KEY))
    datagram[place % len(datagram)] ^= change

    with pytest.raises(BadDatagramError):
        unseal(bytes(datagram), KEY)


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(BadDatagramError):
        unseal(noise, KEY)


def test_another_key_is_refused() -> None:
    message = LinkMessage(market="m", device="d", session="0" * 32, number=1)

    with pytest.raises(BadDatagramError, match="not under the market's key"):
        unseal(seal(message, b"x" * 32), KEY)
