"""A siren's relay, read back from the pin that the agent drives."""

from gpiozero.pins.mock import MockFactory

from firmware_sim.pins.stamped import StampedPin
from firmware_sim.wiring import SirenWiring


class SirenModel:
    """Says whether the siren would sound: its pin is an output and at the relay's active level."""

    def __init__(self, wiring: SirenWiring, factory: MockFactory) -> None:
        self._pin: StampedPin = factory.pin(wiring.pin, pin_class=StampedPin)
        self._active_high = wiring.active_high

    @property
    def is_sounding(self) -> bool:
        """Whether the relay is closed now."""
        return self._pin.function == "output" and bool(self._pin.state) is self._active_high
