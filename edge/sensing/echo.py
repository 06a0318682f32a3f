"""An ultrasonic ranger on two pins: gpiozero's `DistanceSensor` without its thread, its smoothing and its waits."""

import math
import threading
import time
import warnings
from typing import TYPE_CHECKING

from gpiozero import DistanceSensor
from gpiozero.exc import PWMSoftwareFallback

from edge.sensing.bay_state import Echo

if TYPE_CHECKING:
    from gpiozero import Factory

ECHO_WAIT_S = 0.06  # an HC-SR04 answers within 38 ms, obstacle or not
TRIGGER_PULSE_S = 0.00001
ZERO_C_IN_K = 273.15
SPEED_AT_ZERO_C = 331.3  # m/s in dry air

_MAKING = threading.Lock()


def speed_of_sound_m_s(temperature_c: float) -> float:
    """The speed of sound in dry air: 331.3 m/s times the square root of T / 273.15 K.

    Source: the ideal gas relation c = sqrt(gamma R T / M), e.g. Bohn, "Environmental Effects on the Speed of Sound",
    J. Audio Eng. Soc. 36 (1988). Ten degrees are 1.8 % of every distance.
    """
    return SPEED_AT_ZERO_C * math.sqrt((temperature_c + ZERO_C_IN_K) / ZERO_C_IN_K)


class EchoRanger(DistanceSensor):  # type: ignore[misc] # gpiozero ships no types
    """Pings when told and says what came back within a bounded time; remembers nothing.

    gpiozero's own thread is ended before it has read once: it would ignore missing echoes, and hold a lock for 100 ms
    at each. Its pin handling, edge times and reservations are what is used.
    """

    def __init__(self, trigger_pin: int, echo_pin: int, temperature_c: float, factory: "Factory") -> None:
        self._rise_ticks: float | None = None
        self._fall_ticks = 0.0
        with _MAKING, warnings.catch_warnings():
            # It advises pigpio, which does not run on a Raspberry Pi 5.
            warnings.simplefilter("ignore", PWMSoftwareFallback)
            super().__init__(echo=echo_pin, trigger=trigger_pin, queue_len=1, partial=True, pin_factory=factory)
        self._queue.stop()
        self._metres_per_s = speed_of_sound_m_s(temperature_c)

    def ping(self) -> Echo:
        """Send one ping and wait for its echo, at most 2 x 60 ms."""
        self._echo.clear()
        if self.echo.state and not self._echo.wait(ECHO_WAIT_S):
            return Echo(None, fault="the echo pin stays high")
        with DistanceSensor.ECHO_LOCK:
            self._rise_ticks = None
            self._echo.clear()
            self._send_trigger()
            if not self._echo.wait(ECHO_WAIT_S):
                return Echo(None, fault=self._why_no_echo())
        return self._measured()

    def _why_no_echo(self) -> str:
        return "" if self._rise_ticks is None else "the echo did not end"

    def _measured(self) -> Echo:
        if self._rise_ticks is None:
            return Echo(None, fault="the echo was too short to be seen")
        pulse_s = float(self.pin_factory.ticks_diff(self._fall_ticks, self._rise_ticks))
        return Echo(pulse_s * self._metres_per_s / 2 * 1000, pulse_s)

    def _echo_changed(self, ticks: float, level: int) -> None:
        """Called by gpiozero, in the pins' thread, at every edge of the echo."""
        if level:
            self._rise_ticks = ticks
        else:
            self._fall_ticks = ticks
            self._echo.set()

    def _send_trigger(self) -> None:
        self.trigger.state = True
        time.sleep(TRIGGER_PULSE_S)
        self.trigger.state = False

    def _read(self) -> None:
        """Here gpiozero's queue asks for values here; nobody listens to it."""
