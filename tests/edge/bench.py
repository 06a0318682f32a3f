"""A device's bench: mock pins wired as on a real one, and a list that collects what is reported."""

import threading
from pathlib import Path
from typing import Generic, TypeVar

from gpiozero.pins.mock import MockFactory, MockPin, MockTriggerPin

from contract.telemetry import AnyReading
from edge.gpio import Gpio
from edge.plugins import SensorContext
from runtime.clock import SystemClock

SPEED_M_S = 340.27  # at 15 degrees Celsius

R = TypeVar("R")


class Reports(Generic[R]):
    """Collects readings of one kind, from any thread."""

    def __init__(self, kind: type[R]) -> None:
        self._kind = kind
        self._lock = threading.Lock()
        self._readings: list[R] = []

    def __call__(self, reading: AnyReading) -> None:
        assert isinstance(reading, self._kind)
        with self._lock:
            self._readings.append(reading)

    @property
    def all(self) -> list[R]:
        with self._lock:
            return list(self._readings)

    @property
    def last(self) -> R:
        return self.all[-1]


def echo_time_s(distance_mm: float) -> float:
    return 2 * distance_mm / 1000 / SPEED_M_S


def wire_echo(factory: MockFactory, trigger: int, echo: int, distance_mm: float) -> MockTriggerPin:
    """A living ranger on two pins."""
    pin: MockTriggerPin = factory.pin(
        trigger, pin_class=MockTriggerPin, echo_pin=factory.pin(echo), echo_time=echo_time_s(distance_mm)
    )
    return pin


def ping_count(pin: MockPin) -> int:
    """How often a trigger was fired."""
    return sum(bool(state.state) for state in pin.states)


def context(factory: MockFactory | None, folder: Path) -> SensorContext:
    return SensorContext(Gpio(factory, work_dir=folder / "gpio"), SystemClock(), folder / "state")
