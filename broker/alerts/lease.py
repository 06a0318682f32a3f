"""Active and standby: of several alerts services one sends, by a lease in the database; another goes on when it dies.

The holder renews every third of `TTL_S`. Another one that sees the same row for `TTL_S` of its own time takes it. The
holder counts from before it asked, so its term is over for itself before it can be over for another.
"""

import threading
from collections.abc import Callable
from typing import Protocol

import structlog
from sqlalchemy import ColumnElement, Connection

from broker.stores.leases import Leases, Term, is_current
from runtime.clock import Clock
from runtime.errors import RetryableError

log = structlog.get_logger(__name__)

NAME = "alerts"
TTL_S = 3.0
RENEW_S = TTL_S / 3
LOOK_S = TTL_S / 8


class Holding(Protocol):
    """Whether this process is the one that sends."""

    @property
    def held(self) -> bool:
        """Whether it may send now. To be asked right before each sending: a process may have slept in between."""
        ...

    def fence(self) -> ColumnElement[bool] | None:
        """A condition that the database checks with each claim; `None` where there is no other service."""
        ...


class Alone:
    """There is no other: for tests of what sends."""

    held = True

    def fence(self) -> ColumnElement[bool] | None:
        """Nothing to check."""
        return None


class Lease:
    """One service's share in a lease. `holder` names it: the only one of its name that runs.

    `first` is done in the transaction in which a term of ours begins, before anybody can know of it. `look` is called
    by one thread (`run` does it), `held` and `fence` by any.
    """

    def __init__(
        self,
        leases: Leases,
        clock: Clock,
        holder: str,
        *,
        first: Callable[[Connection], object] = lambda _connection: None,
        name: str = NAME,
        ttl_s: float = TTL_S,
    ) -> None:
        self._leases = leases
        self._clock = clock
        self._holder = holder
        self._first = first
        self._name = name
        self._ttl_s = ttl_s
        # A pair, replaced as a whole: another thread never sees one half of it.
        self._mine: tuple[Term, float] | None = None
        self._seen: tuple[Term, float] | None = None
        self._is_first_look = True

    @property
    def held(self) -> bool:
        """Whether our term still runs, by our own monotonic clock: also after this process was stopped for a while."""
        mine = self._mine
        return mine is not None and self._clock.monotonic_s() < mine[1]

    @property
    def term(self) -> int | None:
        """The number of our term, also when it has run out and nobody has taken it; else `None`."""
        mine = self._mine
        return None if mine is None else mine[0].term

    def fence(self) -> ColumnElement[bool] | None:
        """That our term is still the current one, as the database knows it."""
        mine = self._mine
        return None if mine is None else is_current(mine[0])

    def look(self) -> bool:
        """Renew it, or take it if it is free; whether a term of ours has begun just now.

        Raises:
            StoreUnavailableError: try again soon; meanwhile the term runs out by itself.
        """
        now_s = self._clock.monotonic_s()
        until_unix_ms = self._clock.unix_ms() + int(self._ttl_s * 1000)
        if self._mine is not None:
            self._renew(self._mine[0], now_s, until_unix_ms)
            return False
        row = self._leases.read(self._name)
        if row is None:
            term = self._leases.begin(self._name, self._holder, until_unix_ms)
        elif self._is_free(row, now_s):
            term = self._leases.take(row, self._holder, until_unix_ms, self._first)
        else:
            term = None
        self._is_first_look = False
        if term is None:
            return False
        self._mine, self._seen = (term, now_s + self._ttl_s), None
        log.warning("lease.taken", lease=self._name, holder=self._holder, term=term.term)
        return True

    def give_back(self) -> None:
        """End our term in good order, if there is one.

        Raises:
            StoreUnavailableError: it will run out by itself.
        """
        mine, self._mine = self._mine, None
        if mine is not None:
            self._leases.give_back(mine[0])

    def run(self, stop: threading.Event, taken: Callable[[], None], beat: Callable[[], None] = lambda: None) -> None:
        """Renew and look until `stop`, then give back. `taken` is called when a term of ours begins; it must be quick.

        `beat` is called each round.
        """
        while not stop.is_set():
            beat()
            try:
                if self.look():
                    taken()
            except RetryableError as error:
                log.warning("lease.store-unavailable", lease=self._name, reason=str(error))
            stop.wait(RENEW_S if self.held else LOOK_S)
        try:
            self.give_back()
        except RetryableError as error:
            log.warning("lease.not-given-back", lease=self._name, reason=str(error))

    def _renew(self, mine: Term, now_s: float, until_unix_ms: int) -> None:
        renewed = self._leases.renew(mine, until_unix_ms)
        self._mine = None if renewed is None else (renewed, now_s + self._ttl_s)
        if renewed is None:
            log.warning("lease.lost", lease=self._name, holder=self._holder, term=mine.term)

    def _is_free(self, row: Term, now_s: float) -> bool:
        """Given back, left by the process whose successor we are, or not renewed for as long as we have looked."""
        if row.is_given_back or (self._is_first_look and row.holder == self._holder):
            return True
        if self._seen is None or self._seen[0] != row:
            self._seen = (row, now_s)
            return False
        return now_s - self._seen[1] > self._ttl_s
