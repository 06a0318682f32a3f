"""Readings and events on their way into the outbox."""

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.events import FireEvent, Phase
from contract.payload import Payload
from contract.telemetry import (
    AnyReading,
    BayBatch,
    BayReading,
    BayState,
    GapBatch,
    GapCause,
    GateReading,
)
from contract.topics import Topic
from edge.recording import BATCH_BYTES_MAX, READINGS_WAITING_MAX, Recorder, chunks
from tests.eventually import eventually
from transport.memory_outbox import MemoryOutbox
from transport.ports import OutboxFullError
from transport.sqlite_outbox import SqliteOutbox

TRUE_UNIX_MS = 1_767_225_600_000
GAPS = topic_for("jungang", "parking-1", GapBatch)
IDENTITY = DeviceIdentity("jungang", "parking-1")


def bay(name: str = "a-01", detail: str | None = None, time_unix_ms: int = 1) -> BayReading:
    return BayReading(
        time_unix_ms=time_unix_ms, bay=name, state=BayState.FREE, confidence=1.0, since_unix_ms=0, detail=detail
    )


def gate() -> GateReading:
    return GateReading(time_unix_ms=1, gate="g", lot="m", state="live", in_count=1, out_count=2)


def fire(epoch: str, seq: int) -> FireEvent:
    return FireEvent(
        epoch=epoch,
        seq=seq,
        event_id=uuid.uuid4().hex,
        time_unix_ms=1,
        phase=Phase.RAISED,
        zone="b",
        camera="cam-1",
        score=0.9,
        first_seen_unix_ms=1,
        decided_unix_ms=2,
    )


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[SqliteOutbox]:
    made = SqliteOutbox(tmp_path / "outbox.db", bytes_max=10_000_000)
    yield made
    made.close()


def test_readings_are_batched_by_kind_under_a_number(outbox: SqliteOutbox) -> None:
    stored = threading.Event()
    recorder = Recorder(outbox, IDENTITY, stored.set)
    for reading in (bay("a-01"), gate(), bay("a-02")):
        recorder.report(reading)
    recorder.start()

    assert stored.wait(5.0)
    rows = outbox.pending(0, 10)
    assert [str(row.topic).rpartition("parking-1/")[2] for row in rows] == ["telemetry/bays", "telemetry/gates"]
    assert [one.bay for one in BayBatch.from_bytes(rows[0].body).readings] == ["a-01", "a-02"]
    recorder.stop()


def test_stop_writes_what_is_waiting(outbox: SqliteOutbox) -> None:
    recorder = Recorder(outbox, IDENTITY, lambda: None)
    recorder.start()
    recorder.report(bay())
    recorder.record(FireEvent, fire)
    recorder.stop()

    assert sorted(row.topic.name for row in outbox.pending(0, 10)) == ["bays", "fire"]


def test_an_event_is_an_alarm_and_goes_before_readings_that_came_earlier(outbox: SqliteOutbox) -> None:
    recorder = Recorder(outbox, IDENTITY, lambda: None)
    recorder.report(bay())
    recorder.record(FireEvent, fire)
    recorder.start()

    eventually(lambda: len(outbox.pending(0, 10)) == 2)
    assert [(row.topic.name, row.alarm) for row in outbox.pending(0, 10)] == [("fire", True), ("bays", False)]
    recorder.stop()


def test_chunks_keep_order_and_stay_small() -> None:
    readings: list[AnyReading] = [bay(f"a-{place:03}", "가" * 300) for place in range(100)]

    found = chunks(readings)

    assert [one for chunk in found for one in chunk] == readings
    assert all(sum(len(one.model_dump_json().encode()) for one in chunk) <= BATCH_BYTES_MAX for chunk in found)
    assert len(found) > 1


class FullOutbox(MemoryOutbox):
    """An outbox on a full disk that gets room when told."""

    def __init__(self) -> None:
        super().__init__(bytes_max=1_000_000)
        self.full = True

    def put(
        self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool, boot_id: str | None = None
    ) -> int:
        if self.full:
            raise OutboxFullError("no room")
        return super().put(topic, build, alarm=alarm, boot_id=boot_id)

    @property
    def names(self) -> list[str]:
        return [row.topic.name for row in self.pending(0, 10)]


def test_on_a_full_disk_an_event_waits_and_readings_are_dropped_and_counted() -> None:
    outbox = FullOutbox()
    recorder = Recorder(outbox, IDENTITY, lambda: None)
    recorder.start()
    recorder.record(FireEvent, fire)
    recorder.report(bay())
    eventually(lambda: recorder.dropped_count == 1)

    outbox.full = False

    eventually(lambda: outbox.names == ["fire"])
    recorder.stop()
    outbox.flush_gaps(GAPS)
    (gap,) = GapBatch.from_bytes(outbox.pending(1, 10)[0].body).readings
    assert (gap.cause, gap.readings_count, gap.first_seq) == (GapCause.DISK_FULL, 1, None)


def test_an_event_that_cannot_be_made_does_not_hold_up_the_next() -> None:
    outbox = FullOutbox()
    outbox.full = False
    recorder = Recorder(outbox, IDENTITY, lambda: None)

    def impossible(_epoch: str, _seq: int) -> FireEvent:
        raise ValueError("no such fire")

    recorder.record(FireEvent, impossible)
    recorder.record(FireEvent, fire)
    recorder.start()

    eventually(lambda: outbox.names == ["fire"])
    assert recorder.dropped_count == 1
    recorder.stop()


def test_what_the_memory_has_no_room_for_is_named(outbox: SqliteOutbox) -> None:
    recorder = Recorder(outbox, IDENTITY, lambda: None)
    for place in range(READINGS_WAITING_MAX + 3):
        recorder.report(bay(time_unix_ms=TRUE_UNIX_MS + place))
    recorder.start()
    eventually(lambda: outbox.status().open_gaps == 1)
    recorder.stop()

    outbox.flush_gaps(GAPS)
    (gap,) = GapBatch.from_bytes(outbox.pending(0, 1000)[-1].body).readings
    assert (gap.cause, gap.readings_count, recorder.dropped_count) == (GapCause.MEMORY_FULL, 3, 3)
    assert (gap.from_unix_ms, gap.until_unix_ms) == (TRUE_UNIX_MS, TRUE_UNIX_MS + 2)


def test_readings_from_before_the_clock_was_set_wait_for_their_time(outbox: SqliteOutbox) -> None:
    boot: list[str | None] = ["boot"]
    recorder = Recorder(outbox, IDENTITY, lambda: None, lambda: boot[0])
    recorder.report(bay("a-01", time_unix_ms=5_000))
    boot[0] = None
    recorder.report(bay("a-02", time_unix_ms=TRUE_UNIX_MS))
    recorder.record(FireEvent, lambda epoch, seq: fire(epoch, seq).model_copy(update={"clock_set": False}))
    recorder.start()
    eventually(lambda: outbox.status().rows == 3)
    recorder.stop()

    assert [row.topic.name for row in outbox.pending(0, 10)] == ["fire", "bays"]
    outbox.settle_clock("boot", TRUE_UNIX_MS)
    bays = [BayBatch.from_bytes(row.body).readings[0] for row in outbox.pending(0, 10) if not row.alarm]
    times = {one.bay: one.time_unix_ms for one in bays}
    assert times == {"a-01": TRUE_UNIX_MS + 5_000, "a-02": TRUE_UNIX_MS}


def test_its_thread_says_that_it_lives(outbox: SqliteOutbox) -> None:
    recorder = Recorder(outbox, IDENTITY, lambda: None)
    recorder.start()
    recorder.report(bay())
    eventually(lambda: recorder.rounds_count >= 1)
    recorder.stop()
