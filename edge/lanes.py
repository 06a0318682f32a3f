"""Lanes of the delivery: what is on its way in each, how far the outbox was read for it, and how fast it may go."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from transport.ports import OutboxRow


@dataclass(slots=True)
class Flight:
    """A row that has been sent, or is being sent, and is not confirmed by its store."""

    row: OutboxRow
    due_s: float
    wait_s: float
    first_sent_s: float
    last_sent_s: float
    sending: bool = True


@dataclass(slots=True)
class Lane:
    """Rows of one urgency: how far the outbox was read, and what is on its way.

    `overtaken_s`: of the rows that were confirmed, the latest was first sent then. Broker and store take a device's
    messages in order, so what was sent before it and is unconfirmed has got lost.
    """

    window: int
    read_to_seq: int = 0
    overtaken_s: float = float("-inf")
    flights: dict[int, Flight] = field(default_factory=dict)

    @property
    def room(self) -> int:
        """How many more may be on their way."""
        return self.window - len(self.flights)

    def overdue(self, now_s: float, *, all_at_once: bool) -> Iterator[Flight]:
        """What to send again: each flight that was overtaken, and of the others one, or all of them.

        A store that is only slow would get every row again, and again, and fall behind for ever; one row is enough to
        find out that it is there, and when it is confirmed the next one goes.
        """
        waiting = [flight for flight in self.flights.values() if flight.sending or now_s < flight.due_s]
        probing = any(flight.last_sent_s > flight.first_sent_s for flight in waiting)
        for flight in list(self.flights.values()):
            if flight.sending or now_s < flight.due_s:
                continue
            if all_at_once or flight.last_sent_s < self.overtaken_s:
                yield flight
            elif not probing:
                probing = True
                yield flight

    def confirmed(self, seq: int) -> None:
        """A store has this row."""
        flight = self.flights.pop(seq)
        self.overtaken_s = max(self.overtaken_s, flight.first_sent_s)


@dataclass(slots=True)
class Pace:
    """A token bucket that holds one second's worth, empty at first."""

    rows_per_s: float
    begins_s: float = 0.0
    _tokens: float = 0.0
    _filled_s: float = 0.0

    def begin(self, at_s: float) -> None:
        """From then on, with one row at once."""
        self.begins_s, self._filled_s, self._tokens = at_s, at_s, 1.0

    def allowed(self, now_s: float) -> int:
        """How many rows may go now."""
        if now_s < self.begins_s:
            return 0
        most = max(1.0, self.rows_per_s)
        self._tokens = min(most, self._tokens + (now_s - self._filled_s) * self.rows_per_s)
        self._filled_s = now_s
        return int(self._tokens)

    def take(self) -> None:
        """One of them goes."""
        self._tokens -= 1.0
