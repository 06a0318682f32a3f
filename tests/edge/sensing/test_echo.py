"""The ranger on mock pins: bounded waits, temperature, and what of gpiozero it relies on."""

import inspect
import threading
import time
from collections.abc import Iterator

import pytest
from gpiozero import DistanceSensor
from gpiozero.pins.mock import MockFactory, MockPin

from edge.sensing.echo import EchoRanger, speed_of_sound_m_s
from tests.edge.bench import wire_echo


@pytest.fixture
def factory() -> Iterator[MockFactory]:
    made = MockFactory()
    yield made
    made.reset()


@pytest.mark.parametrize(
    ("temperature_c", "metres_per_s"), [(0, 331.3), (15, 340.3), (20, 343.2), (-10, 325.2), (35, 351.9)]
)
def test_the_speed_of_sound_is_the_tabulated_one(temperature_c: float, metres_per_s: float) -> None:
    assert speed_of_sound_m_s(temperature_c) == pytest.approx(metres_per_s, abs=0.15)


def test_a_ping_measures_the_distance(factory: MockFactory) -> None:
    wire_echo(factory, 4, 5, 800)
    ranger = EchoRanger(4, 5, 15.0, factory)

    echo = ranger.ping()

    assert echo.distance_mm == pytest.approx(800, abs=120)  # the mock's threads wake late, never early
    assert echo.pulse_s is not None
    ranger.close()


def test_no_echo_is_said_in_bounded_time(factory: MockFactory) -> None:
    factory.pin(4)
    ranger = EchoRanger(4, 5, 15.0, factory)

    begun_s = time.monotonic()
    echo = ranger.ping()

    assert echo.distance_mm is None
    assert time.monotonic() - begun_s < 0.25
    ranger.close()


def test_an_echo_pin_that_stays_high_is_said_in_bounded_time(factory: MockFactory) -> None:
    ranger = EchoRanger(4, 5, 15.0, factory)
    pin: MockPin = factory.pin(5)
    pin.drive_high()

    begun_s = time.monotonic()
    echo = ranger.ping()

    assert (echo.distance_mm, echo.fault) == (None, "the echo pin stays high")
    assert time.monotonic() - begun_s < 0.25
    ranger.close()


def test_an_echo_of_the_last_ping_is_not_taken_for_this_one(factory: MockFactory) -> None:
    ranger = EchoRanger(4, 5, 15.0, factory)
    pin: MockPin = factory.pin(5)
    pin.drive_high()
    late = threading.Timer(0.02, pin.drive_low)
    late.start()

    echo = ranger.ping()  # the late edge ends before this ping is sent; this one has no echo

    assert echo.distance_mm is None
    late.join()
    ranger.close()


def test_it_leaves_no_thread_and_gives_back_its_pins(factory: MockFactory) -> None:
    before = threading.active_count()
    ranger = EchoRanger(4, 5, 15.0, factory)

    assert threading.active_count() == before
    ranger.close()
    EchoRanger(4, 5, 15.0, factory).close()  # the pins are free again


def test_gpiozero_still_has_what_the_ranger_relies_on() -> None:
    source = inspect.getsource(DistanceSensor)

    for needed in ("self._queue.start()", "self.pin.when_changed = self._echo_changed", "self._echo = Event()"):
        assert needed in source
