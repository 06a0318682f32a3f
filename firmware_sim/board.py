"""All simulated parts of one device, by name, on the pins they are wired to."""

import random
from collections.abc import Mapping
from typing import TypeVar

from gpiozero.pins.mock import MockFactory

from firmware_sim.pins.beams import BeamModel
from firmware_sim.pins.echo import EchoFault, EchoRangerModel
from firmware_sim.pins.loops import GateModel
from firmware_sim.pins.player import Player
from firmware_sim.pins.sirens import SirenModel
from firmware_sim.wiring import DeviceWiring
from runtime.errors import FatalError

FLOOR_MM = (2250.0, 2350.0)
CAR_MM = (600.0, 1100.0)
"""From the sensor down to the ground, and to the roof of a car."""

T = TypeVar("T")


class UnknownPartError(FatalError):
    """There is no such bay, counter, gate or siren on this device; the sentence lists those there are."""


class Board:
    """The models of a device's parts. Made before the agent claims its pins."""

    def __init__(
        self, wiring: DeviceWiring, factory: MockFactory, player: Player, *, seed: str, temperature_c: float
    ) -> None:
        self._chance = random.Random(f"{seed}/board")
        self._echoes = {
            one.bay: EchoRangerModel(one, factory, player, seed=seed, temperature_c=temperature_c)
            for one in wiring.echoes
        }
        self._gates = {one.gate: GateModel(one, factory, player) for one in wiring.gates}
        self._beams = {one.counter: BeamModel(one, factory, player) for one in wiring.beams}
        self._sirens = {one.siren: SirenModel(one, factory) for one in wiring.sirens}
        self._floor_mm = {bay: self._chance.uniform(*FLOOR_MM) for bay in self._echoes}
        for bay in self._echoes:
            self.park(bay, occupied=False)

    def park(self, bay: str, *, occupied: bool) -> None:
        """Put a car of some height under a bay's sensor, or take it away."""
        echo = self.echo(bay)
        echo.distance_mm = self._chance.uniform(*CAR_MM) if occupied else self._floor_mm[bay]

    def fault(self, bay: str, kind: EchoFault | None) -> None:
        """Break a bay's sensor, or repair it."""
        self.echo(bay).fault = kind

    def echo(self, bay: str) -> EchoRangerModel:
        """The ranger over `bay`. Raises `UnknownPartError`."""
        return _part("bay", self._echoes, bay)

    def gate(self, gate: str) -> GateModel:
        """The gate `gate`. Raises `UnknownPartError`."""
        return _part("gate", self._gates, gate)

    def beam(self, counter: str) -> BeamModel:
        """The beams of `counter`. Raises `UnknownPartError`."""
        return _part("counter", self._beams, counter)

    def siren(self, siren: str) -> SirenModel:
        """The siren `siren`. Raises `UnknownPartError`."""
        return _part("siren", self._sirens, siren)


def _part(kind: str, parts: Mapping[str, T], name: str) -> T:
    if name not in parts:
        raise UnknownPartError(f"no {kind} {name!r} on this device: it has {', '.join(sorted(parts)) or 'none'}")
    return parts[name]
