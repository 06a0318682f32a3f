"""What is wired to which pin of a simulated device. Pins are BCM numbers."""

from collections.abc import Iterator
from dataclasses import dataclass

from runtime.errors import FatalError


class WiringError(FatalError):
    """Two things on one pin; the sentence names both."""


@dataclass(frozen=True, slots=True)
class EchoWiring:
    """An ultrasonic ranger over a parking bay."""

    bay: str
    lot: str
    trigger_pin: int
    echo_pin: int


@dataclass(frozen=True, slots=True)
class GateWiring:
    """The two loops of a lot's gate: one closes for a car that drives in, the other for one that drives out."""

    gate: str
    lot: str
    in_pin: int
    out_pin: int


@dataclass(frozen=True, slots=True)
class BeamWiring:
    """The two light beams of an entrance, the outer one towards the street."""

    counter: str
    outer_pin: int
    inner_pin: int


@dataclass(frozen=True, slots=True)
class SirenWiring:
    """A siren's relay: what the agent drives and the simulator reads back."""

    siren: str
    pin: int
    active_high: bool = True


@dataclass(frozen=True, slots=True)
class DeviceWiring:
    """All that is wired to one device.

    Raises:
        WiringError: two things are wired to one pin.
    """

    device: str
    echoes: tuple[EchoWiring, ...] = ()
    gates: tuple[GateWiring, ...] = ()
    beams: tuple[BeamWiring, ...] = ()
    sirens: tuple[SirenWiring, ...] = ()

    def __post_init__(self) -> None:
        users: dict[int, str] = {}
        for user, pin in self._pins():
            if pin in users:
                raise WiringError(f"{self.device}: pin {pin} is wired to {users[pin]} and to {user}")
            users[pin] = user

    def _pins(self) -> Iterator[tuple[str, int]]:
        for echo in self.echoes:
            yield f"{echo.bay} (trigger)", echo.trigger_pin
            yield f"{echo.bay} (echo)", echo.echo_pin
        for gate in self.gates:
            yield f"{gate.gate} (in)", gate.in_pin
            yield f"{gate.gate} (out)", gate.out_pin
        for beam in self.beams:
            yield f"{beam.counter} (outer)", beam.outer_pin
            yield f"{beam.counter} (inner)", beam.inner_pin
        for siren in self.sirens:
            yield siren.siren, siren.pin
