"""Lanes of the delivery: what is on its way in each, how far the outbox was read for it, and how fast it may go."""

from dataclasses import dataclass, field

from transport.ports import OutboxRow


@dataclass(slots=True)
class Flight:
    """A row that has been sent, or is being sent, and is not confirmed by its store."""

    row: OutboxRow
    due_s: float
    wait_s: float
    sending: bool = True


@dataclass(slots=True)
class Lane:
    """Rows of one urgency: how far the outbox was read, and what is on its way."""

    window: int
    read_to_seq: int = 0
    flights: dict[int, Flight] = field(default_factory=dict)

    @property
    def room(self) -> int:
        """How many more may be on their way."""
        return self.window - len(self.flights)


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
