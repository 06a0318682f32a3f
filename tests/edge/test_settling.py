"""What enters the outbox is on one scale of time, whenever the clock is set."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.events import FireEvent, Phase
from contract.payload import Payload
from contract.telemetry import BayBatch, BayReading, BayState
from contract.topics import Topic
from edge.machine_time import ManualTime
from edge.settling import ASKED_MAX, SettlingOutbox
from edge.timekeeping import DeviceClock
from edge.timescale import QUANTUM_MS, ClockRules
from runtime.errors import RetryableError
from transport.memory_outbox import MemoryOutbox
from transport.ports import OutboxFullError

TRUE_MS = 1_800_000_000_000  # at the first boot
BAYS = Topic("jungang", "p-1", "telemetry", "bays")
FIRE = Topic("jungang", "p-1", "event", "fire")


def bay(time_unix_ms: int, since_unix_ms: int = 5_000) -> BayReading:
    return BayReading(
        time_unix_ms=time_unix_ms, bay="a-01", state=BayState.FREE, confidence=1.0, since_unix_ms=since_unix_ms
    )


def batch(*readings: BayReading) -> Callable[[str, int], Payload]:
    return lambda epoch, seq: BayBatch(epoch=epoch, seq=seq, readings=readings)


def fire(time_unix_ms: int, first_seen_unix_ms: int = 6_000) -> Callable[[str, int], Payload]:
    return lambda epoch, seq: FireEvent(
        epoch=epoch,
        seq=seq,
        event_id=uuid.uuid4().hex,
        time_unix_ms=time_unix_ms,
        phase=Phase.RAISED,
        zone="b",
        camera="cam-1",
        score=0.9,
        first_seen_unix_ms=first_seen_unix_ms,
        decided_unix_ms=7_000,
    )


class Device:
    """A device without a battery clock, and its outbox."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.machine = ManualTime()
        self.stored = MemoryOutbox(bytes_max=1_000_000)
        self.start()

    def start(self) -> None:
        """The agent starts."""
        self.clock = DeviceClock(ClockRules(), self.folder / "clock.json", self.machine)
        self.outbox = SettlingOutbox(self.stored, self.clock)

    def learn_the_time(self) -> None:
        self.clock.heard(TRUE_MS + self.machine.uptime_ms, self.clock.monotonic_s())

    def bays(self) -> list[BayReading]:
        rows = self.stored.pending(0, 100)
        return [one for row in rows if row.topic == BAYS for one in BayBatch.from_bytes(row.body).readings]

    def fires(self) -> list[FireEvent]:
        return [FireEvent.from_bytes(row.body) for row in self.stored.pending(0, 100) if row.topic == FIRE]


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


def test_telemetry_waits_for_the_clock_and_then_has_its_true_time(device: Device) -> None:
    device.outbox.put(BAYS, batch(bay(8_000)), alarm=False)
    assert device.bays() == []

    device.learn_the_time()
    device.outbox.settle()

    assert [(one.time_unix_ms, one.since_unix_ms) for one in device.bays()] == [(TRUE_MS + 8_000, TRUE_MS + 5_000)]
    assert not device.clock.owed


def test_what_was_made_before_the_clock_was_set_and_stored_after_is_true_too(device: Device) -> None:
    made = batch(bay(8_000))
    device.learn_the_time()

    device.outbox.put(BAYS, made, alarm=False)
    device.outbox.put(BAYS, batch(bay(TRUE_MS + 9_000)), alarm=False)

    assert [(one.time_unix_ms - TRUE_MS, one.since_unix_ms - TRUE_MS) for one in device.bays()] == [
        (8_000, 5_000),
        (9_000, 5_000),
    ]


def test_a_clock_that_is_set_while_a_message_is_built_leaves_no_mixture(device: Device) -> None:
    def build(epoch: str, seq: int) -> Payload:
        device.learn_the_time()
        return fire(TRUE_MS + 8_000)(epoch, seq)

    device.outbox.put(FIRE, build, alarm=True)

    found = device.fires()[0]
    assert found.clock_set
    assert (found.first_seen_unix_ms, found.decided_unix_ms) == (TRUE_MS + 6_000, TRUE_MS + 7_000)


def test_an_event_goes_at_once_and_says_that_its_times_count_from_boot(device: Device) -> None:
    device.outbox.put(FIRE, fire(8_000), alarm=True)
    assert [(one.clock_set, one.time_unix_ms) for one in device.fires()] == [(False, 8_000)]

    device.learn_the_time()
    device.outbox.settle()
    device.outbox.put(FIRE, fire(TRUE_MS + 9_000), alarm=True)

    assert [(one.clock_set, one.first_seen_unix_ms) for one in device.fires()] == [(True, TRUE_MS + 6_000)] * 2


def test_what_a_boot_is_owed_comes_before_anything_of_the_next_boot(device: Device) -> None:
    device.outbox.put(BAYS, batch(bay(8_000)), alarm=False)
    device.learn_the_time()
    device.machine.boot()
    device.start()

    device.outbox.put(BAYS, batch(bay(8_400)), alarm=False)

    assert [one.time_unix_ms for one in device.bays()] == [TRUE_MS + 8_000]
    assert device.clock.boot_id == "boot-2"
    device.clock.heard(TRUE_MS + 500_000, device.clock.monotonic_s())
    device.outbox.settle()
    assert [one.time_unix_ms for one in device.bays()] == [TRUE_MS + 8_000, TRUE_MS + 500_400]


def test_two_readings_of_one_subject_never_have_the_same_time(device: Device) -> None:
    device.learn_the_time()
    now_ms = device.clock.unix_ms()
    device.outbox.put(BAYS, batch(bay(now_ms), bay(now_ms)), alarm=False)
    device.outbox.put(BAYS, batch(bay(now_ms)), alarm=False)

    assert [one.time_unix_ms - now_ms for one in device.bays()] == [0, QUANTUM_MS, 2 * QUANTUM_MS]


def test_a_disk_that_cannot_settle_now_keeps_the_debt_and_takes_what_it_can(
    device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_boot_id: str, _offset_ms: int) -> int:
        raise OutboxFullError("the disk takes nothing")

    device.learn_the_time()
    monkeypatch.setattr(device.stored, "settle_clock", refuse)

    device.outbox.put(FIRE, fire(TRUE_MS + 9_000), alarm=True)
    with pytest.raises(RetryableError):
        device.outbox.settle()

    assert len(device.fires()) == 1
    assert device.clock.owed == ((device.machine.boot_id(), TRUE_MS),)


def test_it_remembers_when_a_number_was_stored_until_it_is_asked(device: Device) -> None:
    first = device.outbox.put(FIRE, fire(8_000), alarm=True)
    device.machine.advance(1)
    second = device.outbox.put(FIRE, fire(9_000), alarm=True)

    assert device.outbox.asked_s("0" * 16, [first]) is None
    assert device.outbox.asked_s(device.outbox.epoch, [first, second, 99]) == device.machine.monotonic_s()
    assert device.outbox.asked_s(device.outbox.epoch, [second]) is None


def test_it_remembers_so_many_numbers_and_no_more(device: Device) -> None:
    for _ in range(ASKED_MAX + 1):
        device.outbox._ask("0" * 16, device.machine.uptime_ms, 1.0)
        device.machine.uptime_ms += 1

    assert len(device.outbox._asked_s) == ASKED_MAX
