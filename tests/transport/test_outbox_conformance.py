"""What every outbox must do, run on the one on disk and the one in memory."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.catalog import UnknownChannelError
from contract.events import FireEvent
from contract.telemetry import BayBatch, GapCause
from contract.topics import Topic
from runtime.clock import ManualClock
from tests.transport.outbox_payloads import GAPS, fire_at, named, noisy, take_gaps
from tests.transport.payloads import BAYS, EPOCH, FIRE, PRESENCE, bays, fire, presence
from transport.encoding import PayloadTooLargeError
from transport.memory_outbox import MemoryOutbox
from transport.outbox_rules import telemetry_bytes_max
from transport.ports import Outbox, OutboxFullError
from transport.sqlite_outbox import SqliteOutbox

BYTES_MAX = 100_000
DAY_S = 86_400


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "memory"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Outbox]:
    made: Outbox
    if request.param == "sqlite":
        made = SqliteOutbox(tmp_path / "outbox.db", bytes_max=BYTES_MAX, age_s_max=30 * DAY_S, clock=clock)
    else:
        made = MemoryOutbox(bytes_max=BYTES_MAX, age_s_max=30 * DAY_S, clock=clock)
    yield made
    made.close()


def test_rows_come_back_oldest_first_with_their_numbers_inside(outbox: Outbox, clock: ManualClock) -> None:
    assert outbox.put(BAYS, bays, alarm=False) == 1
    clock.advance(1)
    assert outbox.put(FIRE, fire, alarm=True) == 2
    first, second = outbox.pending(0, 10)
    assert (first.seq, first.topic, first.alarm) == (1, BAYS, False)
    assert BayBatch.from_bytes(first.body) == bays(outbox.epoch, 1)
    assert second.created_unix_ms - first.created_unix_ms == 1000
    assert [row.seq for row in outbox.pending(1, 10)] == [2]
    assert [row.seq for row in outbox.pending(0, 1)] == [1]
    assert [row.seq for row in outbox.pending(0, 10, alarms_only=True)] == [2]


def test_a_row_ends_only_when_the_right_store_confirms_it(outbox: Outbox) -> None:
    outbox.put(BAYS, bays, alarm=False)
    outbox.put(FIRE, fire, alarm=True)
    assert outbox.delivered(EPOCH, [1, 2], "readings") == 0, "another outbox's numbers"
    assert outbox.delivered(outbox.epoch, [2], "readings") == 0, "a fire is not delivered by being a reading"
    assert outbox.delivered(outbox.epoch, [1], "incidents") == 0
    assert outbox.delivered(outbox.epoch, [1, 77], "readings") == 1
    assert outbox.delivered(outbox.epoch, [1], "readings") == 0
    assert outbox.delivered(outbox.epoch, [1, 2], "incidents") == 1
    assert outbox.status().rows == 0
    assert outbox.status().bytes == 0
    assert outbox.status().oldest_unix_ms is None


def test_numbers_never_repeat_after_everything_is_delivered(outbox: Outbox) -> None:
    seqs = [outbox.put(BAYS, bays, alarm=False) for _ in range(3)]
    outbox.delivered(outbox.epoch, seqs, "readings")
    assert outbox.put(BAYS, bays, alarm=False) == 4


def test_over_the_bound_the_oldest_telemetry_goes_and_is_counted(outbox: Outbox) -> None:
    outbox.put(FIRE, fire, alarm=True)
    last = 0
    while outbox.status().dropped_count < 5:
        last = outbox.put(BAYS, noisy(), alarm=False)
    status = outbox.status()
    assert status.bytes <= telemetry_bytes_max(BYTES_MAX) + 1000
    assert status.bytes > telemetry_bytes_max(BYTES_MAX) // 3
    assert [row.seq for row in outbox.pending(0, 2)] == [1, 2 + status.dropped_count]
    assert outbox.pending(last - 1, 10)[0].seq == last, "the newest is there"
    assert status.rows == last - status.dropped_count


def test_alarms_push_telemetry_out_and_are_refused_only_when_nothing_else_is_left(outbox: Outbox) -> None:
    for _ in range(100):
        outbox.put(BAYS, noisy(), alarm=False)
    alarms = put_until_full(outbox)
    left = [row.seq for row in outbox.pending(0, 10_000) if not row.alarm]
    assert [row.seq for row in outbox.pending(0, 10_000, alarms_only=True)] == alarms
    assert len(left) <= 1, "telemetry goes as long as that makes room"
    assert len(alarms) > 100
    before = outbox.status()
    for _ in range(3):
        outbox.put(BAYS, noisy(), alarm=False)
    after = outbox.status()
    # One may fit where no alarm does: of a file at its bound, the pages of its indexes may be what is full.
    assert after.dropped_count + after.rows == before.dropped_count + before.rows + 3, "counted, not raised"
    assert after.dropped_count >= before.dropped_count + 2
    outbox.delivered(outbox.epoch, alarms[:1000], "incidents")
    assert outbox.put(FIRE, fire, alarm=True) > alarms[-1]


def put_until_full(outbox: Outbox) -> list[int]:
    alarms: list[int] = []
    while True:
        try:
            seq = outbox.put(FIRE, fire, alarm=True)
        except OutboxFullError:
            return alarms
        alarms.append(seq)


def test_events_are_kept_even_when_they_are_no_alarm(outbox: Outbox) -> None:
    outbox.put(FIRE, fire, alarm=False)
    while outbox.status().dropped_count < 2:
        outbox.put(BAYS, noisy(), alarm=False)
    assert outbox.pending(0, 1)[0].topic == FIRE


def test_what_can_never_be_delivered_is_refused(outbox: Outbox) -> None:
    with pytest.raises(ValueError, match="a store confirms"):
        outbox.put(PRESENCE, lambda _epoch, _seq: presence("online"), alarm=False)
    with pytest.raises(UnknownChannelError, match="not FireEvent"):
        outbox.put(BAYS, fire, alarm=False)
    with pytest.raises(UnknownChannelError):
        outbox.put(Topic("jungang", "edge-1", "telemetry", "tea"), bays, alarm=False)
    assert outbox.put(BAYS, bays, alarm=False) == 1, "a refused put uses no number"


def test_a_body_over_its_channels_bound_is_refused(outbox: Outbox) -> None:
    def build(epoch: str, seq: int) -> BayBatch:
        batch = bays(epoch, seq, count=500)
        readings = tuple(one.model_copy(update={"detail": "x" * 500}) for one in batch.readings)
        return batch.model_copy(update={"readings": readings})

    with pytest.raises(PayloadTooLargeError, match="over the 262144"):
        outbox.put(BAYS, build, alarm=False)


def test_many_threads_get_different_numbers(outbox: Outbox) -> None:
    seqs: list[int] = []

    def work() -> None:
        for _ in range(20):
            seq = outbox.put(BAYS, bays, alarm=False)
            seqs.append(seq)

    threads = [threading.Thread(target=work) for _ in range(5)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(seqs) == list(range(1, 101))


def test_against_a_model(outbox: Outbox) -> None:
    rng = random.Random(2)
    expected: dict[int, str] = {}
    for _ in range(400):
        if rng.random() < 0.6:
            alarm = rng.random() < 0.2
            seq = outbox.put(FIRE if alarm else BAYS, fire if alarm else bays, alarm=alarm)
            expected[seq] = "incidents" if alarm else "readings"
        elif expected:
            some = rng.sample(sorted(expected), k=min(len(expected), 5))
            store = rng.choice(["incidents", "readings"])
            ended = [seq for seq in some if expected[seq] == store]
            assert outbox.delivered(outbox.epoch, some, store) == len(ended)
            for seq in ended:
                del expected[seq]
        assert outbox.status().rows == len(expected)
    assert [row.seq for row in outbox.pending(0, 1000)] == sorted(expected)


# --- what is lost is named


def test_what_was_evicted_is_named_exactly(outbox: Outbox, clock: ManualClock) -> None:
    first_unix_ms = clock.unix_ms()
    while outbox.status().dropped_count < 5:
        outbox.put(BAYS, noisy(3, time_unix_ms=clock.unix_ms()), alarm=False)
        clock.advance(1)
    dropped = outbox.status().dropped_count
    (gap,) = take_gaps(outbox)
    assert (gap.first_seq, gap.last_seq) == (1, dropped)
    assert (gap.batches_count, gap.readings_count) == (dropped, 3 * dropped)
    assert (gap.device, gap.gap_epoch, gap.cause) == ("edge-1", outbox.epoch, GapCause.OUTBOX_FULL)
    assert (gap.from_unix_ms, gap.until_unix_ms) == (first_unix_ms, first_unix_ms + 1000 * (dropped - 1) + 2)
    assert gap.time_unix_ms == gap.from_unix_ms


def test_no_delivered_number_is_inside_a_range(outbox: Outbox) -> None:
    seqs = [outbox.put(BAYS, noisy(), alarm=False) for _ in range(20)]
    delivered = seqs[3::4]
    outbox.delivered(outbox.epoch, delivered, "readings")
    while outbox.status().dropped_count < 15:
        seqs.append(outbox.put(BAYS, noisy(), alarm=False))
    still_there = [row.seq for row in outbox.pending(0, 1000)]
    gaps = take_gaps(outbox)
    assert sorted([*named(gaps), *delivered, *still_there]) == seqs
    assert len(gaps) > 3, "ranges end where something was delivered"


def test_gap_records_are_never_evicted_and_a_second_flush_waits_for_the_first(outbox: Outbox) -> None:
    while outbox.status().dropped_count < 5:
        outbox.put(BAYS, noisy(), alarm=False)
    assert outbox.flush_gaps(GAPS) == 1
    assert outbox.status().open_gaps == 0
    before = outbox.status().dropped_count
    while outbox.status().dropped_count < before + 100:
        outbox.put(BAYS, noisy(), alarm=False)
    assert outbox.flush_gaps(GAPS) == 0, "the first is not confirmed yet"
    (row,) = (row for row in outbox.pending(0, 1000) if row.topic == GAPS)
    assert outbox.delivered(outbox.epoch, [row.seq], "incidents") == 0, "it travels like telemetry"
    assert outbox.delivered(outbox.epoch, [row.seq], "readings") == 1
    assert outbox.flush_gaps(GAPS) >= 1


def test_telemetry_without_any_room_is_named_and_an_alarm_without_room_uses_no_number(outbox: Outbox) -> None:
    alarms = put_until_full(outbox)
    refused = outbox.put(BAYS, noisy(), alarm=False)
    assert refused == alarms[-1] + 1
    with pytest.raises(OutboxFullError):
        outbox.put(FIRE, fire, alarm=True)
    outbox.delivered(outbox.epoch, alarms, "incidents")
    assert outbox.put(FIRE, fire, alarm=True) == refused + 1
    assert named(take_gaps(outbox)) == [refused]


def test_what_never_got_a_number_is_named_by_time_and_count(outbox: Outbox, clock: ManualClock) -> None:
    now = clock.unix_ms()
    outbox.note_lost(10, now, now + 5_000, GapCause.MEMORY_FULL)
    outbox.note_lost(7, now + 5_000, now + 9_000, GapCause.MEMORY_FULL)
    outbox.note_lost(1, now + 3_600_000, now + 3_600_000, GapCause.MEMORY_FULL)
    first, second = take_gaps(outbox)
    assert (first.readings_count, first.from_unix_ms, first.until_unix_ms) == (17, now, now + 9_000)
    assert (first.first_seq, first.last_seq, first.batches_count) == (None, None, 0)
    assert (second.readings_count, second.from_unix_ms) == (1, now + 3_600_000), "an hour later is another gap"


def test_two_gaps_never_have_the_same_time(outbox: Outbox, clock: ManualClock) -> None:
    now, times = clock.unix_ms(), []
    for _ in range(3):
        outbox.note_lost(1, now, now, GapCause.MEMORY_FULL)
        outbox.note_lost(1, now, now, GapCause.DISK_FULL)
        times += [one.time_unix_ms for one in take_gaps(outbox)]
    assert sorted(times) == list(range(now, now + 6))


def test_open_ranges_are_bounded_and_the_counts_stay_true(outbox: Outbox) -> None:
    seqs = []
    for _ in range(4):
        seqs += [outbox.put(BAYS, noisy(), alarm=False) for _ in range(60)]
        there = [row.seq for row in outbox.pending(0, 1000) if row.seq % 2]
        outbox.delivered(outbox.epoch, there, "readings")
    status = outbox.status()
    assert status.dropped_count > 40
    assert status.open_gaps <= BYTES_MAX // 4096
    gaps = take_gaps(outbox)
    assert sum(one.batches_count for one in gaps) == status.dropped_count
    assert sum(one.readings_count for one in gaps) == 8 * status.dropped_count
    assert set(named(gaps)).isdisjoint(row.seq for row in outbox.pending(0, 1000))
    without_numbers = [one for one in gaps if one.first_seq is None]
    assert len(without_numbers) == 1
    assert len(named(gaps)) + without_numbers[0].batches_count == status.dropped_count


# --- age


def test_telemetry_goes_when_it_is_too_old_and_events_stay(outbox: Outbox, clock: ManualClock) -> None:
    old = [outbox.put(BAYS, bays, alarm=False) for _ in range(3)]
    alarm = outbox.put(FIRE, fire, alarm=True)
    clock.advance(29 * DAY_S)
    young = outbox.put(BAYS, bays, alarm=False)
    clock.advance(2 * DAY_S)
    newest = outbox.put(BAYS, bays, alarm=False)
    assert [row.seq for row in outbox.pending(0, 10)] == [alarm, young, newest]
    (gap,) = take_gaps(outbox)
    assert (gap.cause, named([gap])) == (GapCause.OUTBOX_AGE, old)


def test_a_clock_that_jumps_makes_nothing_old(outbox: Outbox, clock: ManualClock) -> None:
    outbox.put(BAYS, bays, alarm=False)
    clock.jump(400 * DAY_S)
    clock.advance(3600)
    outbox.put(BAYS, bays, alarm=False)
    clock.jump(-800 * DAY_S)
    clock.advance(3600)
    outbox.put(BAYS, bays, alarm=False)
    assert outbox.status().rows == 3


# --- where live begins


def test_rows_can_be_read_up_to_a_number_and_live_begins_at_a_time(outbox: Outbox, clock: ManualClock) -> None:
    for _ in range(5):
        outbox.put(BAYS, bays, alarm=False)
        clock.advance(10)
    assert [row.seq for row in outbox.pending(1, 10, before_seq=4)] == [2, 3]
    now = clock.unix_ms()
    assert outbox.first_seq_since(now - 20_000) == 4
    assert outbox.first_seq_since(now + 1) == 6
    assert outbox.first_seq_since(0) == 1
    outbox.delivered(outbox.epoch, [1, 2, 3, 4, 5], "readings")
    assert outbox.first_seq_since(0) == 6


# --- a boot without a clock

BOOT = "b1b1b1b1-0000-4000-8000-000000000000"


@pytest.fixture
def unset(clock: ManualClock) -> int:
    """The clock shows 60 s since boot; the offset that makes its times true is answered."""
    offset_ms = clock.unix_ms() - 60_000
    clock.jump(-offset_ms / 1000)
    return offset_ms


def test_telemetry_waits_for_its_time_and_an_event_does_not(outbox: Outbox, clock: ManualClock, unset: int) -> None:
    since_boot_ms = clock.unix_ms()
    bay = outbox.put(BAYS, noisy(2, time_unix_ms=since_boot_ms), alarm=False, boot_id=BOOT)
    fire_seq = outbox.put(FIRE, fire_at(since_boot_ms, clock_set=False), alarm=True, boot_id=BOOT)
    (given,) = outbox.pending(0, 10)
    early = FireEvent.from_bytes(given.body)
    assert (given.seq, early.time_unix_ms, early.clock_set) == (fire_seq, since_boot_ms, False)
    assert outbox.status().rows == 2
    assert outbox.status().oldest_unix_ms is None, "nobody knows its age"

    clock.advance(5)
    clock.jump(unset / 1000)
    assert outbox.settle_clock(BOOT, unset) == 2
    assert outbox.settle_clock(BOOT, unset + 777) == 0, "once and for all"

    first, second = outbox.pending(0, 10)
    batch = BayBatch.from_bytes(first.body)
    true_unix_ms = since_boot_ms + unset
    assert (first.seq, first.created_unix_ms, outbox.status().oldest_unix_ms) == (bay, true_unix_ms, true_unix_ms)
    assert [one.time_unix_ms for one in batch.readings] == [true_unix_ms, true_unix_ms + 1]
    assert batch.readings[0].since_unix_ms == true_unix_ms
    late = FireEvent.from_bytes(second.body)
    assert (late.time_unix_ms, late.first_seen_unix_ms, late.clock_set) == (true_unix_ms, true_unix_ms - 1, True)


def test_a_true_time_inside_an_early_reading_stays_and_a_late_put_of_that_boot_is_moved(
    outbox: Outbox, clock: ManualClock, unset: int
) -> None:
    def build(epoch: str, seq: int) -> BayBatch:
        batch = noisy(1, time_unix_ms=60_000)(epoch, seq)
        since_last_week = batch.readings[0].model_copy(update={"since_unix_ms": unset - 1})
        return batch.model_copy(update={"readings": (since_last_week,)})

    outbox.settle_clock(BOOT, unset)
    clock.jump(unset / 1000)
    outbox.put(BAYS, build, alarm=False, boot_id=BOOT)
    (row,) = outbox.pending(0, 10)
    reading = BayBatch.from_bytes(row.body).readings[0]
    assert (reading.time_unix_ms, reading.since_unix_ms) == (60_000 + unset, unset - 1)
    assert row.created_unix_ms == 60_000 + unset


def test_rows_beside_those_without_a_time_are_given(outbox: Outbox, clock: ManualClock, unset: int) -> None:
    clock.jump(unset / 1000)
    before = outbox.put(BAYS, bays, alarm=False)
    clock.jump(-unset / 1000)
    early = [outbox.put(BAYS, noisy(), alarm=False, boot_id=BOOT) for _ in range(2)]
    outbox.note_lost(1, unset, unset, GapCause.MEMORY_FULL)
    assert outbox.flush_gaps(GAPS) == 1
    early.append(outbox.put(BAYS, noisy(), alarm=False, boot_id=BOOT))
    clock.jump(unset / 1000)
    after = outbox.put(BAYS, bays, alarm=False)
    assert [row.seq for row in outbox.pending(0, 10)] == [before, before + 3, after]
    assert [row.seq for row in outbox.pending(before, 1)] == [before + 3]
    outbox.settle_clock(BOOT, unset)
    assert [row.seq for row in outbox.pending(0, 10)] == list(range(before, after + 1))


def test_what_a_boot_without_any_time_made_is_dropped_and_named(outbox: Outbox, clock: ManualClock, unset: int) -> None:
    clock.jump(unset / 1000)
    known_unix_ms = clock.unix_ms()
    outbox.put(BAYS, bays, alarm=False)
    clock.jump(-unset / 1000)
    lost = [outbox.put(BAYS, noisy(2), alarm=False, boot_id="earlier") for _ in range(3)]
    alarm = outbox.put(FIRE, fire_at(1_000, clock_set=False), alarm=True, boot_id="earlier")
    outbox.note_lost(5, 1_000, 2_000, GapCause.MEMORY_FULL, "earlier")
    own = outbox.put(BAYS, noisy(), alarm=False, boot_id=BOOT)
    offset_ms = unset + 7 * DAY_S * 1000
    assert outbox.settle_clock(BOOT, offset_ms) == 1
    assert [row.seq for row in outbox.pending(0, 10)] == [1, alarm, own], "an alarm is given all the same"
    by_cause = {one.cause: one for one in take_gaps(outbox)}
    gap = by_cause[GapCause.CLOCK_NEVER_SET]
    assert (named([gap]), gap.readings_count) == (lost, 6)
    assert (gap.from_unix_ms, gap.until_unix_ms) == (known_unix_ms, offset_ms)
    memory = by_cause[GapCause.MEMORY_FULL]
    assert (memory.readings_count, memory.from_unix_ms, memory.until_unix_ms) == (5, known_unix_ms, offset_ms)


def test_gaps_of_a_boot_wait_for_their_time(outbox: Outbox, unset: int) -> None:
    while outbox.status().dropped_count < 3:
        outbox.put(BAYS, noisy(time_unix_ms=1_000), alarm=False, boot_id=BOOT)
    outbox.note_lost(2, 4_000, 5_000, GapCause.MEMORY_FULL, BOOT)
    assert outbox.flush_gaps(GAPS) == 0
    outbox.settle_clock(BOOT, unset)
    full, memory = take_gaps(outbox)
    assert (full.cause, full.first_seq, full.from_unix_ms) == (GapCause.OUTBOX_FULL, 1, 1_000 + unset)
    assert (memory.from_unix_ms, memory.until_unix_ms) == (4_000 + unset, 5_000 + unset)


def test_an_earlier_boot_that_is_settled_late_takes_nothing_from_the_present_one(outbox: Outbox, unset: int) -> None:
    earlier = outbox.put(BAYS, noisy(1, time_unix_ms=1_000), alarm=False, boot_id="earlier")
    now = outbox.put(BAYS, noisy(1, time_unix_ms=2_000), alarm=False, boot_id=BOOT)
    outbox.note_lost(1, 3_000, 3_000, GapCause.MEMORY_FULL)
    assert outbox.settle_clock("earlier", unset - 90_000) == 1
    assert [row.seq for row in outbox.pending(0, 10)] == [earlier]
    assert outbox.flush_gaps(GAPS) == 0
    assert outbox.settle_clock(BOOT, unset) == 1
    assert [row.seq for row in outbox.pending(0, 10)] == [earlier, now]
    (memory,) = take_gaps(outbox)
    assert memory.from_unix_ms == 3_000 + unset, "a loss since boot is the present boot's"
