"""What happens in a simulated market, as a list in order of time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BayChange:
    """At this simulated time a car has parked in the bay, or has left it."""

    time_unix_ms: int
    bay: str
    occupied: bool


@dataclass(frozen=True, slots=True)
class GatePass:
    """At this simulated time a car drives through a gate of the lot, in or out."""

    time_unix_ms: int
    lot: str
    inwards: bool


@dataclass(frozen=True, slots=True)
class PersonPass:
    """At this simulated time a person walks through the counted entrance, in or out."""

    time_unix_ms: int
    counter: str
    inwards: bool


Happening = BayChange | GatePass | PersonPass
