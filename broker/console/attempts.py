"""Failed sign-ins, counted so that nobody can guess on."""

from collections import deque

from runtime.clock import Clock

ATTEMPTS_MAX = 5
ATTEMPTS_ALL_MAX = 60
ATTEMPTS_WINDOW_S = 60.0
ATTEMPT_KEYS_MAX = 5000


class Attempts:
    """Failed sign-ins: at most 5 a minute for a name from one address, 60 a minute in all.

    At most 5,000 names and addresses are remembered; beyond that the oldest are forgotten, and the limit for all holds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failed: dict[tuple[str, str], deque[float]] = {}
        self._all: deque[float] = deque(maxlen=ATTEMPTS_ALL_MAX)

    def wait_s(self, name: str, address: str) -> float:
        """How long this caller has to wait before the next try; 0 if not."""
        mine = self._failed.get((name, address), deque())
        return max(self._over(mine, ATTEMPTS_MAX), self._over(self._all, ATTEMPTS_ALL_MAX))

    def failed(self, name: str, address: str) -> None:
        """A try failed."""
        key = (name, address)
        mine = self._failed.pop(key, deque(maxlen=ATTEMPTS_MAX))
        self._failed[key] = mine
        while len(self._failed) > ATTEMPT_KEYS_MAX:
            del self._failed[next(iter(self._failed))]
        for one in (mine, self._all):
            one.append(self._clock.monotonic_s())

    def _over(self, times: deque[float], tries_max: int) -> float:
        if len(times) < tries_max:
            return 0.0
        return max(0.0, ATTEMPTS_WINDOW_S - (self._clock.monotonic_s() - times[0]))
