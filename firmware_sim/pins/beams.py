"""An entrance's two light beams: people who walk through, people who turn round, and a beam that stays blocked."""

from enum import StrEnum

from gpiozero.pins.mock import MockFactory

from firmware_sim.pins.contact import contact_pin
from firmware_sim.pins.player import Player
from firmware_sim.wiring import BeamWiring

STEP_S = 0.08
"""From one edge of a crossing to the next: a brisk walk through beams 10 cm apart."""

GAP_S = 0.2
QUEUE_S_MAX = 30.0


class Crossing(StrEnum):
    """What a person at the entrance does."""

    IN = "in"
    OUT = "out"
    TURN_BACK = "turn-back"
    """Breaks the outer beam, then thinks better of it."""


_EDGES: dict[Crossing, tuple[tuple[str, bool], ...]] = {
    Crossing.IN: (("outer", True), ("inner", True), ("outer", False), ("inner", False)),
    Crossing.OUT: (("inner", True), ("outer", True), ("inner", False), ("outer", False)),
    Crossing.TURN_BACK: (("outer", True), ("outer", False)),
}


class BeamModel:
    """Plays people through two beams, one after the other.

    People who come faster queue; when the queue is `QUEUE_S_MAX` long the next one is refused, as is everybody while a
    beam is blocked. `played` counts crossings so far, queued ones included.
    """

    def __init__(self, wiring: BeamWiring, factory: MockFactory, player: Player) -> None:
        self._player = player
        self._beams = {
            "outer": contact_pin(factory, wiring.outer_pin),
            "inner": contact_pin(factory, wiring.inner_pin),
        }
        self._clear_from_s = 0.0
        self._ticks = factory.ticks
        self._blocked = False
        self.played = dict.fromkeys(Crossing, 0)

    def cross(self, crossing: Crossing) -> bool:
        """Let a person through. Returns whether there was room in the queue."""
        now_s: float = self._ticks()
        begin_s = max(now_s, self._clear_from_s)
        if self._blocked or begin_s - now_s > QUEUE_S_MAX:
            return False
        edges = _EDGES[crossing]
        for step, (beam, broken) in enumerate(edges):
            self._play(beam, broken, begin_s + step * STEP_S)
        self._clear_from_s = begin_s + len(edges) * STEP_S + GAP_S
        self.played[crossing] += 1
        return True

    def block(self, *, blocked: bool) -> None:
        """Something stands in the outer beam, or has been taken away."""
        self._blocked = blocked
        self._play("outer", blocked, self._ticks())

    def _play(self, beam: str, broken: bool, at_s: float) -> None:
        self._player.at(at_s, lambda: self._beams[beam].switch(broken, at_s))
