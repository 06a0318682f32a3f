"""Readings and events on their way into the outbox."""

import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contract.access import DeviceIdentity
from contract.events import FireEvent, Phase
from contract.payload import Payload
from contract.telemetry import AnyReading, BayBatch, BayReading, BayState, GateReading
from contract.topics import Topic
from edge.recording import BATCH_BYTES_MAX, Recorder, chunks
from tests.eventually import eventually
from transport.memory_outbox import MemoryOutbox
from transport.ports import OutboxFullError
from transport.sqlite_outbox import SqliteOutbox

IDENTITY = DeviceIdentity("jungang", "parking-1")


def bay(name: str = "a-01", detail: str | None = None) -> BayReading:
    return BayReading(time_unix_ms=1, bay=name, state=BayState.FREE, confidence=1.0, since_unix_ms=0, detail=detail)


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

    def put(self, topic: Topic, build: Callable[[str, int], Payload], *, alarm: bool) -> int:
        if self.full:
            raise OutboxFullError("no room")
        return super().put(topic, build, alarm=alarm)

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
