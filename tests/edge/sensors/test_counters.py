"""Gate loops and people beams on mock pins: counts, restarts, blocked inputs."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory, MockPin

from contract.telemetry import GateReading, PeopleReading, Reason
from edge.ports import Sensor
from edge.sensors import gate_loop, people_beams
from tests.edge.bench import Reports, context
from tests.eventually import eventually

Build = Callable[..., Sensor]


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    made = MockFactory()
    yield made
    made.reset()


def _gate(factory: MockFactory | None, folder: Path, **more: object) -> Sensor:
    settings = gate_loop.GateLoopSettings.model_validate(
        {"kind": "gate-loop", "name": "main", "zone": "a", "lot": "m", "in_pin": 24, "out_pin": 25, "gap_s_min": 0}
        | more
    )
    return gate_loop.build([settings], context(factory, folder))[0]


def _beams(factory: MockFactory | None, folder: Path, **more: object) -> Sensor:
    settings = people_beams.PeopleBeamsSettings.model_validate(
        {"kind": "people-beams", "name": "east", "zone": "a", "outer_pin": 26, "inner_pin": 27} | more
    )
    return people_beams.build([settings], context(factory, folder))[0]


def _pulse(pin: MockPin, times: int) -> None:
    for _ in range(times):
        pin.drive_high()
        pin.drive_low()


def test_a_gate_counts_both_ways(factory: MockFactory, tmp_path: Path) -> None:
    reports, sensor = Reports(GateReading), _gate(factory, tmp_path)
    sensor.start(reports)
    eventually(lambda: reports.last.state == "live")

    _pulse(factory.pin(24), 5)
    _pulse(factory.pin(25), 2)

    eventually(lambda: (reports.last.in_count, reports.last.out_count) == (5, 2))
    sensor.stop()


def test_a_burst_of_pulses_loses_none(factory: MockFactory, tmp_path: Path) -> None:
    reports, sensor = Reports(GateReading), _gate(factory, tmp_path)
    sensor.start(reports)
    eventually(lambda: reports.last.state == "live")

    _pulse(factory.pin(24), 500)

    eventually(lambda: reports.last.in_count == 500)
    sensor.stop()


def test_counts_go_on_after_a_restart_and_no_reported_count_is_lost(factory: MockFactory, tmp_path: Path) -> None:
    reports, sensor = Reports(GateReading), _gate(factory, tmp_path)
    sensor.start(reports)
    eventually(lambda: reports.last.state == "live")
    _pulse(factory.pin(24), 3)
    eventually(lambda: reports.last.in_count == 3)
    # No stop: what was reported is on the disk already.
    later, successor = Reports(GateReading), _gate(MockFactory(), tmp_path)
    successor.start(later)

    eventually(lambda: later.all and later.last.in_count == 3)
    successor.stop()
    sensor.stop()


def test_counts_that_cannot_be_read_are_kept_beside_and_begin_at_zero(factory: MockFactory, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "main.json").write_text("{broken", encoding="utf-8")
    reports, sensor = Reports(GateReading), _gate(factory, tmp_path)
    sensor.start(reports)

    eventually(lambda: reports.last.in_count == 0)
    assert (tmp_path / "state" / "main.unreadable").read_text(encoding="utf-8") == "{broken"
    sensor.stop()


def test_contacts_to_ground_count_too(factory: MockFactory, tmp_path: Path) -> None:
    reports, sensor = Reports(GateReading), _gate(factory, tmp_path, active_high=False)
    sensor.start(reports)
    eventually(lambda: reports.last.state == "live")

    pin: MockPin = factory.pin(24)
    pin.drive_low()
    pin.drive_high()

    eventually(lambda: reports.last.in_count == 1)
    sensor.stop()


def test_people_are_counted_by_the_order_of_the_beams(factory: MockFactory, tmp_path: Path) -> None:
    reports, sensor = Reports(PeopleReading), _beams(factory, tmp_path)
    sensor.start(reports)
    eventually(lambda: reports.last.state == "live")
    outer, inner = factory.pin(26), factory.pin(27)

    for first, second in ((outer, inner), (outer, inner), (inner, outer)):
        first.drive_high()
        second.drive_high()
        first.drive_low()
        second.drive_low()

    eventually(lambda: (reports.last.in_count, reports.last.out_count) == (2, 1))
    sensor.stop()


def test_a_blocked_beam_is_unknown_with_its_name_and_recovers(factory: MockFactory, tmp_path: Path) -> None:
    reports, sensor = Reports(PeopleReading), _beams(factory, tmp_path, stuck_after_s=1, heartbeat_s=1)
    outer: MockPin = factory.pin(26)
    sensor.start(reports)
    eventually(lambda: reports.last.state == "live")

    outer.drive_high()
    eventually(lambda: reports.last.reason is Reason.FROZEN)
    assert "outer_pin has been active for 1 s" in (reports.last.detail or "")

    outer.drive_low()
    eventually(lambda: reports.last.state == "live")
    sensor.stop()


@pytest.mark.parametrize("build", [_gate, _beams])
def test_pins_that_are_taken_are_an_error_with_its_sentence(build: Build, factory: MockFactory, tmp_path: Path) -> None:
    holder_reports: Reports[GateReading | PeopleReading] = Reports(object)  # type: ignore[arg-type] # either kind
    holder, second = build(factory, tmp_path / "1"), build(factory, tmp_path / "2")
    reports: Reports[GateReading | PeopleReading] = Reports(object)  # type: ignore[arg-type] # either kind
    holder.start(holder_reports)
    eventually(lambda: holder_reports.last.state == "live")
    second.start(reports)

    eventually(lambda: reports.last.reason is Reason.SENSOR_ERROR)
    assert "already in use" in (reports.last.detail or "")
    second.stop()
    holder.stop()


def test_pins_are_free_after_stop(factory: MockFactory, tmp_path: Path) -> None:
    first, second = _gate(factory, tmp_path), _gate(factory, tmp_path)
    for sensor in (first, second):
        reports = Reports(GateReading)
        sensor.start(reports)
        eventually(lambda seen=reports: bool(seen.all) and seen.last.state == "live")  # type: ignore[misc] # a bound default
        sensor.stop()
