"""Wrong acknowledge links, counted: nobody guesses on, and nobody's guesses keep others from acknowledging."""

import ipaddress
import threading
from collections import deque

from fastapi import Request

from runtime.clock import Clock

TRIES_MAX = 10
TRIES_ALL_MAX = 120
WINDOW_S = 60.0
ADDRESSES_MAX = 5000
NETWORK_BITS_IPV6 = 64  # what one household or phone is given: within it an address costs nothing


class LinkTries:
    """Wrong links within a minute: at most `TRIES_MAX` of one address; once there are `TRIES_ALL_MAX` in all, one.

    So whoever guesses from everywhere is held to one try a minute for each address, and a link that has not been tried
    wrongly from an address before still opens there. At most `ADDRESSES_MAX` are remembered; beyond that the oldest are
    forgotten, and the limit for all holds. For several threads.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._failed: dict[str, deque[float]] = {}
        self._all: deque[float] = deque(maxlen=TRIES_ALL_MAX)

    def wait_s(self, address: str) -> float:
        """How long this address has to wait before its next try; 0 if not."""
        with self._lock:
            mine = self._failed.get(address)
            if not mine:
                return 0.0
            if self._left_s(self._all, TRIES_ALL_MAX) > 0:
                return self._left_s(mine, 1)
            return self._left_s(mine, TRIES_MAX)

    def failed(self, address: str) -> bool:
        """A try was wrong; whether this address has to wait from now on."""
        with self._lock:
            mine = self._failed.pop(address, deque(maxlen=TRIES_MAX))
            self._failed[address] = mine
            while len(self._failed) > ADDRESSES_MAX:
                del self._failed[next(iter(self._failed))]
            for one in (mine, self._all):
                one.append(self._clock.monotonic_s())
        return self.wait_s(address) > 0

    def _left_s(self, times: deque[float], tries_max: int) -> float:
        """How long until fewer than `tries_max` of these lie within the window."""
        if len(times) < tries_max:
            return 0.0
        return max(0.0, WINDOW_S - (self._clock.monotonic_s() - times[-tries_max]))


def address_of(request: Request) -> str:
    """Whose request it is: the peer, or behind a proxy of the own network what that proxy put last.

    An IPv6 address counts as its network. What is no address counts as one.
    """
    peer = request.client.host if request.client is not None else ""
    forwarded = request.headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    return _network(forwarded if forwarded and _is_near(peer) else peer)


def _is_near(peer: str) -> bool:
    try:
        found = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return found.is_loopback or found.is_private


def _network(address: str) -> str:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return "?"
    if found.version == 6:  # noqa: PLR2004 — the protocol's number
        return str(ipaddress.ip_network((found, NETWORK_BITS_IPV6), strict=False))
    return str(found)
