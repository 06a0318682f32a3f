"""A device's outbox in memory, with the real one's rules: numbered, kept until the database has it, bounded."""

import random
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(slots=True)
class Row:
    """A batch on its way. `due_s` is when it is sent (again), `wait_s` how long its receipt is awaited after that."""

    seq: int
    topic: bytes
    body: bytes
    made_unix_ms: int
    readings_count: int
    due_s: float = 0.0
    wait_s: float = 0.0
    first_sent_s: float = 0.0
    last_sent_s: float = 0.0
    sent_count: int = 0


@dataclass(frozen=True, slots=True)
class OutboxRules:
    """The windows, the patience and the pace of a device, as the real agent has them, and its bound.

    At most `window` batches are on their way unreceipted. A receipt is awaited for `resend_after_s`, then twice that,
    up to `resend_after_s_max`; of the batches that no later receipt has overtaken, one alone is sent again. What is
    older than `replayed_after_s` when the link comes (back) is a backlog: it begins up to `backlog_delay_s_max` later,
    at `backlog_per_s`, while less than `backlog_window` is on its way. Over `rows_max` the oldest batch that is not on
    its way goes and is counted: it is lost.
    """

    rows_max: int = 360
    window: int = 64
    backlog_window: int = 32
    backlog_per_s: float = 5.0
    backlog_delay_s_max: float = 20.0
    resend_after_s: float = 15.0
    resend_after_s_max: float = 600.0
    replayed_after_s: float = 30.0


class MemoryOutbox:
    """Rows by number, oldest first. `chance` says how long a backlog waits for its begin."""

    def __init__(self, rules: OutboxRules, chance: random.Random) -> None:
        self._rules = rules
        self._chance = chance
        self._rows: dict[int, Row] = {}
        self._seq = 0
        self._live: deque[int] = deque()
        self._backlog: deque[int] = deque()
        self._in_flight: set[int] = set()
        self._overtaken_s = float("-inf")
        self._credit = 0.0
        self._credited_s = 0.0
        self.dropped_readings_count = 0

    def __len__(self) -> int:
        """How many batches wait for their receipt."""
        return len(self._rows)

    def next_seq(self) -> int:
        """The number that the next `put` must carry."""
        return self._seq + 1

    def put(self, row: Row) -> None:
        """Keep a batch; over the bound the oldest goes, counted in `dropped_readings_count`."""
        self._seq = row.seq
        self._rows[row.seq] = row
        if len(self._rows) > self._rules.rows_max:
            # What is on its way will most likely be stored, and holds its place in the window until then.
            seq = next((one for one in self._rows if one not in self._in_flight), next(iter(self._rows)))
            self._in_flight.discard(seq)
            self.dropped_readings_count += self._rows.pop(seq).readings_count

    def may_send(self) -> bool:
        """Whether the window has room."""
        return len(self._in_flight) < self._rules.window

    def sent(self, row: Row, now_s: float) -> None:
        """Note that a row went out."""
        row.sent_count += 1
        row.wait_s = (
            self._rules.resend_after_s if row.wait_s == 0 else min(row.wait_s * 2, self._rules.resend_after_s_max)
        )
        row.due_s = now_s + row.wait_s
        if row.seq not in self._in_flight:
            row.first_sent_s = now_s
        row.last_sent_s = now_s
        self._in_flight.add(row.seq)

    def connected(self, now_s: float, unix_ms: int) -> None:
        """The link is (back) up: everything unreceipted is to be sent again, and its patience begins anew."""
        self._in_flight.clear()
        self._live.clear()
        self._backlog.clear()
        for row in self._rows.values():
            row.wait_s = 0.0
            old = unix_ms - row.made_unix_ms > self._rules.replayed_after_s * 1000
            (self._backlog if old else self._live).append(row.seq)
        self._credit = 1.0
        self._credited_s = now_s + self._chance.uniform(0.0, self._rules.backlog_delay_s_max)

    def due(self, now_s: float) -> Iterator[Row]:
        """What to send now: what waited too long for its receipt, what is live, then backlog as its pace allows.

        The caller sends each row (`sent`) before it asks for the next.
        """
        flying = [self._rows[seq] for seq in sorted(self._in_flight)]
        probing = any(now_s < row.due_s and row.last_sent_s > row.first_sent_s for row in flying)
        for row in flying:
            if now_s < row.due_s:
                continue
            if row.last_sent_s < self._overtaken_s:
                yield row
            elif not probing:
                probing = True
                yield row
        while self._live and self.may_send():
            yield from self._next(self._live)
        if now_s >= self._credited_s:
            earned = (now_s - self._credited_s) * self._rules.backlog_per_s
            self._credit = min(self._credit + earned, self._rules.backlog_per_s)  # a second's worth, no more, is saved
            self._credited_s = now_s
            while self._backlog and self._credit >= 1.0 and len(self._in_flight) < self._rules.backlog_window:
                self._credit -= 1.0
                yield from self._next(self._backlog)

    def _next(self, lane: deque[int]) -> Iterator[Row]:
        row = self._rows.get(lane.popleft())
        if row is not None:  # else it was dropped or receipted meanwhile
            yield row

    def unsent(self, row: Row) -> None:
        """A row that was just made and found no room in the window: it waits for room."""
        self._live.append(row.seq)

    def delivered(self, seqs: Iterable[int]) -> Iterator[Row]:
        """Forget what the store has; the rows that this ended. A number that is not here changes nothing."""
        for seq in seqs:
            row = self._rows.pop(seq, None)
            if row is not None:
                if seq in self._in_flight:
                    self._in_flight.discard(seq)
                    self._overtaken_s = max(self._overtaken_s, row.first_sent_s)
                yield row

    def oldest_unix_ms(self) -> int | None:
        """When the oldest waiting batch was made."""
        return next(iter(self._rows.values())).made_unix_ms if self._rows else None

    def waiting_readings_count(self) -> int:
        """How many readings wait for their receipt."""
        return sum(row.readings_count for row in self._rows.values())
