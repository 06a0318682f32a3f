"""An outbox that forgets everything when its process ends: for tests and for parts that have no disk."""

import secrets
import threading
from collections.abc import Callable, Iterable, Sequence

from contract.payload import Payload
from contract.telemetry import GapBatch, GapCause
from contract.topics import Topic
from runtime.clock import Clock, SystemClock
from transport.outbox_bodies import is_since_boot, unpack, with_true_times
from transport.outbox_gaps import READINGS_PER_ROW, TIMES_KEPT_MAX, GapLedger, GapRange, gap_readings, ranges_max_for
from transport.outbox_rules import (
    AGE_S_MAX,
    SWEEP_ROWS_MAX,
    AgeClock,
    Gone,
    NewRow,
    check_bounds,
    check_channel,
    gaps_of,
    new_row,
    room_for,
    sweep_period_s,
    true_unix_ms,
    with_time,
)
from transport.ports import OutboxFullError, OutboxRow, OutboxStatus


class MemoryOutbox:
    """`transport.ports.Outbox` in memory, with the bounds, the evictions and the gap records of the one on disk.

    Raises:
        ValueError: `bytes_max` is under 64 KiB, or `age_s_max` is not above 0.
    """

    def __init__(self, *, bytes_max: int, age_s_max: float = AGE_S_MAX, clock: Clock | None = None) -> None:
        check_bounds(bytes_max, age_s_max)
        self._bytes_max = bytes_max
        self._age_ms_max = int(age_s_max * 1000)
        self._clock: Clock = clock or SystemClock()
        self._age_clock = AgeClock(self._clock)
        self._sweep_period_s = sweep_period_s(age_s_max)
        self._swept_s = self._clock.monotonic_s()
        self._lock = threading.Lock()
        self._rows: dict[int, NewRow] = {}
        self._last_seq = 0
        self._dropped_count = 0
        self._epoch = secrets.token_hex(8)
        self._gaps = GapLedger(ranges_max_for(bytes_max))
        self._gap_times: tuple[int, ...] = ()
        self._offsets_ms: dict[str, int] = {}
        self._true_unix_ms = 0
        self._boot_now: str | None = None  # the boot that the last message named

    @property
    def epoch(self) -> str:
        """16 hex digits, drawn once when this was made."""
        return self._epoch

    def put(
        self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool, boot_id: str | None = None
    ) -> int:
        """Number (`build(epoch, seq)`), store and return the seq; see `transport.ports.Outbox.put`."""
        check_channel(topic)
        with self._lock:
            self._boot_now = boot_id
            seq = self._last_seq + 1
            row = new_row(topic, build(self._epoch, seq), seq, alarm=alarm, clock=self._clock, boot_id=boot_id)
            if self._make_room(row):
                self._rows[seq] = row
            elif row.evictable:
                self._lose([row], GapCause.OUTBOX_FULL)
            else:
                raise OutboxFullError(f"no room for {topic}: the outbox is full of events that nobody has confirmed")
            self._last_seq = seq
            if row.boot_id is None:
                self._true_unix_ms = max(self._true_unix_ms, row.created_unix_ms)
            self._sweep_by_age()
            return seq

    def pending(
        self, after_seq: int, limit: int, *, before_seq: int | None = None, alarms_only: bool = False
    ) -> Sequence[OutboxRow]:
        """Rows not yet delivered between the two numbers, oldest first; none without a true time."""
        with self._lock:
            rows = [
                one
                for one in self._rows.values()
                if one.seq > after_seq
                and (before_seq is None or one.seq < before_seq)
                and (one.alarm or not alarms_only)
                and (self._is_timed(one) or one.store == "incidents")
            ]
            return [self._given(one) for one in rows[:limit]]

    def first_seq_since(self, created_unix_ms: int) -> int:
        """The seq where live begins; see `transport.ports.Outbox.first_seq_since`."""
        with self._lock:
            found = self._last_seq + 1
            for one in reversed(self._rows.values()):
                if self._is_timed(one) and self._created_unix_ms(one) < created_unix_ms:
                    break
                found = one.seq
            return found

    def delivered(self, epoch: str, seqs: Sequence[int], store: str) -> int:
        """Forget what `store` has confirmed; return how many rows that ended."""
        with self._lock:
            if epoch != self._epoch:
                return 0
            ended = {seq for seq in seqs if seq in self._rows and self._rows[seq].store == store}
            for seq in ended:
                del self._rows[seq]
            return len(ended)

    def settle_clock(self, boot_id: str, offset_ms: int) -> int:
        """This boot began at `offset_ms`; see `transport.ports.Outbox.settle_clock`."""
        with self._lock:
            if boot_id in self._offsets_ms:
                return 0
            self._offsets_ms[boot_id] = offset_ms
            self._age_clock.begin()
            self._gaps.settle(boot_id, offset_ms)
            never = [one for one in self._rows.values() if one.store == "readings" and self._is_lost_in_time(one)]
            self._lose(never, GapCause.CLOCK_NEVER_SET)
            known_unix_ms = min(self._true_unix_ms or offset_ms, offset_ms)
            self._gaps.settle_between(known_unix_ms, offset_ms, self._boot_now)
            return sum(one.boot_id == boot_id for one in self._rows.values())

    def note_lost(
        self, readings_count: int, from_unix_ms: int, until_unix_ms: int, cause: GapCause, boot_id: str | None = None
    ) -> None:
        """Name readings that were lost before they got a number."""
        with self._lock:
            if boot_id is None and is_since_boot(until_unix_ms):
                boot_id = self._boot_now
            lost = GapRange(self._epoch, None, None, from_unix_ms, until_unix_ms, 0, readings_count, cause, boot_id)
            offset_ms = self._offsets_ms.get(boot_id or "")
            self._gaps.add(lost if offset_ms is None else lost.settled(offset_ms))

    def flush_gaps(self, topic: Topic) -> int:
        """Turn the open gap ranges into numbered rows; see `transport.ports.Outbox.flush_gaps`."""
        with self._lock:
            if any(one.is_gap for one in self._rows.values()):
                return 0
            before = self._gaps.state()
            readings = gap_readings(self._gaps.take_ready(), topic.device, self._gap_times)
            rows: list[NewRow] = []
            for start in range(0, len(readings), READINGS_PER_ROW):
                seq = self._last_seq + 1 + len(rows)
                batch = GapBatch(epoch=self._epoch, seq=seq, readings=tuple(readings[start : start + READINGS_PER_ROW]))
                rows.append(new_row(topic, batch, seq, alarm=False, clock=self._clock, boot_id=None))
            kept = [one for one in self._rows.values() if not one.evictable]
            if sum(one.size_bytes for one in (*kept, *rows)) > self._bytes_max:
                self._gaps.restore(before)
                return 0
            for row in rows:
                self._make_room(row)
                self._rows[row.seq] = row
            self._last_seq += len(rows)
            self._gap_times = (*self._gap_times, *(one.time_unix_ms for one in readings))[-TIMES_KEPT_MAX:]
            return len(readings)

    def status(self) -> OutboxStatus:
        """Rows, bytes, drops, age."""
        with self._lock:
            rows = list(self._rows.values())
            oldest = self._created_unix_ms(rows[0]) if rows and self._is_timed(rows[0]) else None
            size_bytes = sum(one.size_bytes for one in rows)
            return OutboxStatus(len(rows), size_bytes, self._dropped_count, oldest, self._gaps.count)

    def close(self) -> None:
        """Nothing to end."""

    def _is_lost_in_time(self, row: NewRow) -> bool:
        return not self._is_timed(row) and row.boot_id != self._boot_now

    def _is_timed(self, row: NewRow) -> bool:
        return row.boot_id is None or row.boot_id in self._offsets_ms

    def _created_unix_ms(self, row: NewRow) -> int:
        if row.boot_id is None:
            return row.created_unix_ms
        return true_unix_ms(row.created_unix_ms, self._offsets_ms.get(row.boot_id, 0))

    def _given(self, row: NewRow) -> OutboxRow:
        body, offset_ms = unpack(row.kept), self._offsets_ms.get(row.boot_id or "")
        if offset_ms is not None:
            body = with_true_times(body, offset_ms)
        return OutboxRow(row.seq, row.topic, body, self._created_unix_ms(row), row.alarm)

    def _make_room(self, row: NewRow) -> bool:
        rows = list(self._rows.values())
        total = sum(one.size_bytes for one in rows)
        evictable = sum(one.size_bytes for one in rows if one.evictable)
        room = room_for(row, total, evictable, self._bytes_max)
        going, freed = [], 0
        for one in rows:
            if freed >= room.evict_bytes:
                break
            if one.evictable:
                going.append(one)
                freed += one.size_bytes
        self._lose(going, GapCause.OUTBOX_FULL)
        return room.fits

    def _sweep_by_age(self) -> None:
        now_s = self._clock.monotonic_s()
        if now_s - self._swept_s < self._sweep_period_s:
            return
        self._swept_s = now_s
        before_unix_ms = self._age_clock.unix_ms() - self._age_ms_max
        oldest = [one for one in self._rows.values() if one.evictable][:SWEEP_ROWS_MAX]
        aged = [one for one in oldest if self._is_timed(one) and self._created_unix_ms(one) < before_unix_ms]
        self._lose(aged, GapCause.OUTBOX_AGE)
        if len(aged) == SWEEP_ROWS_MAX:
            self._swept_s = now_s - self._sweep_period_s

    def _lose(self, rows: Iterable[NewRow], cause: GapCause) -> None:
        gone = []
        for one in rows:
            self._rows.pop(one.seq, None)
            gone.append(with_time(Gone(one.seq, one.made, one.boot_id), self._offsets_ms.get(one.boot_id or "")))
        self._dropped_count += len(gone)
        for lost in gaps_of(gone, self._epoch, cause):
            self._gaps.add(lost)
