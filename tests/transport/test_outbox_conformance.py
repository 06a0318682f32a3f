"""What every outbox must do, run on the one on disk and the one in memory."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.catalog import UnknownChannelError
from contract.telemetry import BayBatch
from contract.topics import Topic
from runtime.clock import ManualClock
from tests.transport.payloads import BAYS, EPOCH, FIRE, PRESENCE, bays, fire, presence
from transport.encoding import PayloadTooLargeError
from transport.memory_outbox import MemoryOutbox
from transport.outbox_rules import telemetry_bytes_max
from transport.ports import Outbox, OutboxFullError
from transport.sqlite_outbox import SqliteOutbox

BYTES_MAX = 400_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["sqlite", "memory"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock) -> Iterator[Outbox]:
    made: Outbox
    if request.param == "sqlite":
        made = SqliteOutbox(tmp_path / "outbox.db", bytes_max=BYTES_MAX, clock=clock)
    else:
        made = MemoryOutbox(bytes_max=BYTES_MAX, clock=clock)
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
        last = outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=20), alarm=False)
    status = outbox.status()
    assert status.bytes <= telemetry_bytes_max(BYTES_MAX) + 1000
    assert [row.seq for row in outbox.pending(0, 2)] == [1, 2 + status.dropped_count]
    assert outbox.pending(last - 1, 10)[0].seq == last, "the newest is there"
    assert status.rows == last - status.dropped_count


def test_alarms_push_telemetry_out_and_are_refused_only_when_nothing_else_is_left(outbox: Outbox) -> None:
    for _ in range(500):
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=20), alarm=False)
    alarms = put_until_full(outbox)
    left = [row.seq for row in outbox.pending(0, 10_000) if not row.alarm]
    assert [row.seq for row in outbox.pending(0, 10_000, alarms_only=True)] == alarms
    assert len(left) <= 1, "telemetry goes as long as that makes room"
    assert len(alarms) * 350 > BYTES_MAX // 2
    before = outbox.status().dropped_count
    outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=20), alarm=False)
    assert outbox.status().dropped_count == before + 1, "telemetry without room is counted, not raised"
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
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=20), alarm=False)
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
