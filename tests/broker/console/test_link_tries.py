"""Wrong links: how many an address may try, and who is not held up by others."""

import pytest
from fastapi import Request

from broker.console.link_tries import ADDRESSES_MAX, TRIES_ALL_MAX, TRIES_MAX, WINDOW_S, LinkTries, address_of
from runtime.clock import ManualClock


def test_one_address_has_ten_tries_a_minute() -> None:
    clock = ManualClock()
    tries = LinkTries(clock)
    assert [tries.failed("192.0.2.1") for _ in range(TRIES_MAX)] == [False] * (TRIES_MAX - 1) + [True]
    assert tries.wait_s("192.0.2.1") == WINDOW_S
    assert tries.wait_s("192.0.2.2") == 0
    clock.advance(WINDOW_S - 1)
    assert tries.wait_s("192.0.2.1") == 1
    clock.advance(1)
    assert tries.wait_s("192.0.2.1") == 0


def test_whoever_guesses_from_everywhere_has_one_try_for_each_and_others_still_have_theirs() -> None:
    clock = ManualClock()
    tries = LinkTries(clock)
    for number in range(TRIES_ALL_MAX):
        tries.failed(f"198.51.100.{number}")
    assert tries.wait_s("198.51.100.7") == WINDOW_S
    assert tries.wait_s("192.0.2.1") == 0, "somebody with a link that was sent to them"
    assert tries.failed("192.0.2.1")
    assert tries.wait_s("192.0.2.1") == WINDOW_S
    clock.advance(WINDOW_S)
    assert tries.wait_s("198.51.100.7") == 0


def test_the_memory_is_bounded_and_the_limit_for_all_holds() -> None:
    tries = LinkTries(ManualClock())
    for _ in range(TRIES_MAX):
        tries.failed("192.0.2.1")
    for number in range(ADDRESSES_MAX):
        tries.failed(str(number))
    assert tries.wait_s("192.0.2.1") == 0
    assert tries.failed("192.0.2.1")


@pytest.mark.parametrize(
    ("peer", "forwarded", "counts_as"),
    [
        ("8.8.8.8", "", "8.8.8.8"),
        ("8.8.8.8", "192.0.2.1", "8.8.8.8"),
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("172.18.0.1", "10.9.9.9, 192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("2001:db8:1:2:aaaa::1", "", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::2", "", "2001:db8:1:2::/64"),
        ("127.0.0.1", "<script>", "?"),
        ("testclient", "192.0.2.1", "?"),
    ],
)
def test_whose_request_it_is(peer: str, forwarded: str, counts_as: str) -> None:
    headers = [(b"x-forwarded-for", forwarded.encode())] if forwarded else []
    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers, "client": (peer, 1)}
    assert address_of(Request(scope)) == counts_as
