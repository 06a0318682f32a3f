"""An outbox that forgets everything when its process ends: for tests and for parts that have no disk."""

import secrets
import threading
from collections.abc import Callable, Sequence

from contract.payload import Payload
from contract.topics import Topic
from runtime.clock import Clock, SystemClock
from transport.encoding import encode
from transport.outbox_rules import NewRow, check_bound, check_channel, telemetry_bytes_max
from transport.ports import OutboxFullError, OutboxRow, OutboxStatus


class MemoryOutbox:
    """`transport.ports.Outbox` in memory, with the bounds and the evictions of the one on disk.

    Raises:
        ValueError: `bytes_max` is under 64 KiB.
    """

    def __init__(self, *, bytes_max: int, clock: Clock | None = None) -> None:
        check_bound(bytes_max)
        self._bytes_max = bytes_max
        self._clock: Clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._rows: dict[int, NewRow] = {}
        self._last_seq = 0
        self._dropped_count = 0
        self._epoch = secrets.token_hex(8)

    @property
    def epoch(self) -> str:
        """16 hex digits, drawn once when this was made."""
        return self._epoch

    def put(self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool) -> int:
        """Number (`build(epoch, seq)`), store and return the seq; see `transport.ports.Outbox.put`."""
        check_channel(topic)
        with self._lock:
            seq = self._last_seq + 1
            _, body = encode(topic, build(self._epoch, seq))
            self._last_seq = seq
            row = NewRow(seq, topic, body, self._clock.unix_ms(), alarm)
            if self._make_room(row):
                self._rows[seq] = row
            elif row.evictable:
                self._dropped_count += 1
            else:
                raise OutboxFullError(f"no room for {topic}: the outbox is full of events that nobody has confirmed")
            return seq

    def pending(self, after_seq: int, limit: int, *, alarms_only: bool = False) -> Sequence[OutboxRow]:
        """Rows not yet delivered with seq above `after_seq`, oldest first."""
        with self._lock:
            rows = [one for one in self._rows.values() if one.seq > after_seq and (one.alarm or not alarms_only)]
        return [OutboxRow(one.seq, one.topic, one.body, one.created_unix_ms, one.alarm) for one in rows[:limit]]

    def delivered(self, epoch: str, seqs: Sequence[int], store: str) -> int:
        """Forget what `store` has confirmed; return how many rows that ended."""
        with self._lock:
            if epoch != self._epoch:
                return 0
            ended = {seq for seq in seqs if seq in self._rows and self._rows[seq].store == store}
            for seq in ended:
                del self._rows[seq]
            return len(ended)

    def status(self) -> OutboxStatus:
        """Rows, bytes, drops, age."""
        with self._lock:
            rows = list(self._rows.values())
            oldest = rows[0].created_unix_ms if rows else None
            return OutboxStatus(len(rows), sum(one.size_bytes for one in rows), self._dropped_count, oldest)

    def close(self) -> None:
        """Nothing to end."""

    def _make_room(self, row: NewRow) -> bool:
        rows = list(self._rows.values())
        total = sum(one.size_bytes for one in rows)
        evictable = sum(one.size_bytes for one in rows if one.evictable)
        over = total + row.size_bytes - self._bytes_max
        if row.evictable:
            over = max(over, evictable + row.size_bytes - telemetry_bytes_max(self._bytes_max))
        if over > evictable:
            return False
        for one in rows:
            if over <= 0:
                break
            if one.evictable:
                del self._rows[one.seq]
                self._dropped_count += 1
                over -= one.size_bytes
        return True
