"""Ultrasonic bays on mock pins: what gpiozero does badly is done well."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from contract.telemetry import BayReading, BayState, Reason
from edge.ports import Sensor
from edge.sensors.ultrasonic_bay import PLUGIN, UltrasonicBaySettings
from tests.edge.bench import Reports, context, echo_time_s, ping_count, wire_echo
from tests.eventually import eventually


def _settings(name: str, trigger: int, **more: float) -> UltrasonicBaySettings:
    pins = {"trigger_pin": trigger, "echo_pin": trigger + 1}
    quick = {"period_s": 0.1, "debounce_s": 0.2, "misses_max": 3} | more
    return UltrasonicBaySettings.model_validate(
        {"kind": "ultrasonic-bay", "name": name, "zone": "a", "lot": "main", **pins, **quick}
    )


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    made = MockFactory()
    yield made
    made.reset()


@pytest.fixture
def reports() -> Reports[BayReading]:
    return Reports(BayReading)


@pytest.fixture
def started() -> Iterator[list[Sensor]]:
    running: list[Sensor] = []
    yield running
    for sensor in running:
        sensor.stop()


def _start(
    settings: list[UltrasonicBaySettings],
    factory: MockFactory | None,
    reports: Reports[BayReading],
    folder: Path,
    started: list[Sensor],
) -> None:
    started.extend(PLUGIN.build(settings, context(factory, folder)))
    for sensor in started:
        sensor.start(reports)


def test_a_car_comes_and_goes(
    factory: MockFactory, reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]
) -> None:
    trigger = wire_echo(factory, 4, 5, 500)
    _start([_settings("a-01", 4)], factory, reports, tmp_path, started)

    eventually(lambda: reports.last.state is BayState.OCCUPIED)
    trigger.echo_time = echo_time_s(2000)
    eventually(lambda: reports.last.state is BayState.FREE)

    states = [reading.state for reading in reports.all]
    assert states == [BayState.UNKNOWN, BayState.OCCUPIED, BayState.FREE]  # a change is said once, at once
    assert reports.last.distance_mm == pytest.approx(2000, abs=200)


def test_an_echo_that_is_lost_becomes_unknown_and_not_what_it_was(
    factory: MockFactory, reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]
) -> None:
    trigger = wire_echo(factory, 4, 5, 500)
    _start([_settings("a-01", 4)], factory, reports, tmp_path, started)
    eventually(lambda: reports.last.state is BayState.OCCUPIED)

    trigger.echo_pin = factory.pin(27)  # the wire is cut

    eventually(lambda: reports.last.reason is Reason.NO_ECHO)
    assert reports.last.distance_mm is None


def test_a_sensor_that_never_answers_is_unknown_and_never_occupied(
    factory: MockFactory, reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]
) -> None:
    _start([_settings("a-01", 4)], factory, reports, tmp_path, started)

    eventually(lambda: reports.last.reason is Reason.NO_ECHO)
    assert {reading.state for reading in reports.all} == {BayState.UNKNOWN}


def test_four_dead_of_eight_leave_the_live_ones_more_than_a_reading_a_second(
    factory: MockFactory, reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]
) -> None:
    live = [wire_echo(factory, trigger, trigger + 1, 1800) for trigger in (4, 6, 8, 10)]
    bays = [_settings(f"a-{pin:02}", pin, period_s=0.5, misses_max=5) for pin in range(4, 20, 2)]
    begun_s = time.monotonic()
    _start(bays, factory, reports, tmp_path, started)

    eventually(lambda: min(ping_count(pin) for pin in live) >= 6, within_s=6.0)

    assert 6 / (time.monotonic() - begun_s) > 1.0
    dead = {reading.bay for reading in reports.all if reading.reason is Reason.NO_ECHO}
    assert dead <= {"a-12", "a-14", "a-16", "a-18"}


def test_a_dead_sensor_is_pinged_less_and_less(
    factory: MockFactory, reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]
) -> None:
    live = wire_echo(factory, 4, 5, 1800)
    dead = factory.pin(6)
    _start([_settings("a-01", 4), _settings("a-02", 6)], factory, reports, tmp_path, started)

    eventually(lambda: ping_count(live) >= 20)

    assert ping_count(dead) <= 9


def test_it_is_said_again_after_the_heartbeat(
    factory: MockFactory, reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]
) -> None:
    wire_echo(factory, 4, 5, 500)
    _start([_settings("a-01", 4, heartbeat_s=1.0)], factory, reports, tmp_path, started)

    eventually(lambda: [reading.state for reading in reports.all].count(BayState.OCCUPIED) >= 2)


def test_pins_that_are_taken_are_an_error_with_its_sentence_and_the_other_bay_works(
    factory: MockFactory, reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]
) -> None:
    wire_echo(factory, 4, 5, 500)
    wire_echo(factory, 6, 7, 500)
    first, second = _settings("a-01", 4), _settings("a-02", 4)
    _start([first, second, _settings("a-03", 6)], factory, reports, tmp_path, started)

    eventually(lambda: {r.bay for r in reports.all if r.state is BayState.OCCUPIED} == {"a-01", "a-03"})
    refused = next(reading for reading in reports.all if reading.bay == "a-02")
    assert refused.reason is Reason.SENSOR_ERROR
    assert "pins 4 and 5: pin GPIO5 is already in use" in (refused.detail or "")


def test_without_gpio_every_bay_says_so(reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]) -> None:
    if Path("/dev/gpiochip0").exists():
        pytest.skip("this machine has GPIO")
    _start([_settings("a-01", 4), _settings("a-02", 6)], None, reports, tmp_path, started)

    eventually(lambda: len({reading.bay for reading in reports.all}) == 2)
    assert {reading.reason for reading in reports.all} == {Reason.SENSOR_ERROR}
    assert "no GPIO on this machine" in (reports.last.detail or "")


def test_stop_releases_the_pins_within_a_second_and_start_works_again(
    factory: MockFactory, reports: Reports[BayReading], tmp_path: Path, started: list[Sensor]
) -> None:
    wire_echo(factory, 4, 5, 500)
    _start([_settings("a-01", 4)], factory, reports, tmp_path, started)
    eventually(lambda: reports.last.state is BayState.OCCUPIED)

    begun_s = time.monotonic()
    started[0].stop()

    assert time.monotonic() - begun_s < 1.0
    again: list[Sensor] = []
    later = Reports(BayReading)
    _start([_settings("b-01", 4)], factory, later, tmp_path, again)
    eventually(lambda: later.last.state is BayState.OCCUPIED)
    again[0].stop()
