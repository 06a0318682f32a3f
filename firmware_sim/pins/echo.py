"""An ultrasonic ranger: answers a trigger pulse with an echo as long as the way to the car or the ground and back."""

import random
from enum import StrEnum

from gpiozero.pins.mock import MockFactory

from firmware_sim.pins.player import Player
from firmware_sim.pins.stamped import StampedPin, stamp
from firmware_sim.wiring import EchoWiring

NOISE_MM = 2.5
"""Standard deviation of a reading, as an HC-SR04 shows it over a flat target."""

BURST_DELAY_S = 0.00045
"""From the end of the trigger pulse to the rise of the echo pin: an HC-SR04 sends its eight periods of 40 kHz first."""

IMPOSSIBLE_MM = 6.0
"""Nearer than the 20 mm within which the sensor is deaf."""

INTERMITTENT_SHARE = 0.4
"""Share of the pings that an intermittent sensor answers."""

ZERO_C_IN_K = 273.15
SPEED_AT_ZERO_C_M_S = 331.3


class EchoFault(StrEnum):
    """What may be wrong with a ranger."""

    NO_ECHO = "no-echo"
    FROZEN = "frozen"
    IMPOSSIBLE = "impossible"
    INTERMITTENT = "intermittent"


def speed_of_sound_m_s(temperature_c: float) -> float:
    """The speed of sound in dry air at `temperature_c`: c = 331.3 m/s * sqrt(T / 273.15 K), the ideal gas relation."""
    return SPEED_AT_ZERO_C_M_S * float(((temperature_c + ZERO_C_IN_K) / ZERO_C_IN_K) ** 0.5)


class _TriggerPin(StampedPin):
    """Tells its ranger when the trigger pulse ends."""

    ranger: "EchoRangerModel | None" = None

    def _change_state(self, value: bool) -> bool:
        changed = bool(super()._change_state(value))
        if changed and not value and self._get_function() == "output" and self.ranger is not None:
            self.ranger.answer()
        return changed


class EchoRangerModel:
    """A ranger on two mock pins. Set `distance_mm` for what stands before it and `fault` for what is wrong with it.

    The echo's edges are stamped with the time at which they should happen, so the pulse is as long as it should be even
    where the machine is late to play it. The same seed gives the same noise, ping by ping.
    """

    def __init__(
        self, wiring: EchoWiring, factory: MockFactory, player: Player, *, seed: str, temperature_c: float = 15.0
    ) -> None:
        self._player = player
        self._random = random.Random(f"{seed}/echo/{wiring.bay}")
        self._echo: StampedPin = factory.pin(wiring.echo_pin, pin_class=StampedPin)
        trigger: _TriggerPin = factory.pin(wiring.trigger_pin, pin_class=_TriggerPin)
        trigger.ranger = self
        self._speed_mm_s = speed_of_sound_m_s(temperature_c) * 1000.0
        self._frozen_s: float | None = None
        self.distance_mm = 2300.0
        self.fault: EchoFault | None = None

    def answer(self) -> None:
        """Play the echo of a ping that was sent now."""
        pulse_s = self._pulse_s()
        if pulse_s is None:
            return
        rise_s = stamp(self._echo.factory.ticks() + BURST_DELAY_S)
        fall_s = rise_s + pulse_s
        self._player.at(rise_s, lambda: self._echo.drive(level=True, at_s=rise_s))
        self._player.at(fall_s, lambda: self._echo.drive(level=False, at_s=fall_s))

    def _pulse_s(self) -> float | None:
        """The length of the next echo in whole stamps, or None for no echo."""
        noise_mm = self._random.gauss(0.0, NOISE_MM)
        heard = self._random.random() < INTERMITTENT_SHARE
        measured_s = stamp(2.0 * max(self.distance_mm + noise_mm, IMPOSSIBLE_MM) / self._speed_mm_s)
        if self.fault is not EchoFault.FROZEN:
            self._frozen_s = None
        match self.fault:
            case None:
                return measured_s
            case EchoFault.NO_ECHO:
                return None
            case EchoFault.IMPOSSIBLE:
                return stamp(2.0 * IMPOSSIBLE_MM / self._speed_mm_s)
            case EchoFault.INTERMITTENT:
                return measured_s if heard else None
            case EchoFault.FROZEN:
                self._frozen_s = self._frozen_s or measured_s
                return self._frozen_s
