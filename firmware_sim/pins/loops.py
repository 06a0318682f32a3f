"""A gate's two induction loops: each car closes one of them for a moment."""

from gpiozero.pins.mock import MockFactory

from firmware_sim.pins.contact import ContactPin, contact_pin
from firmware_sim.pins.player import Player
from firmware_sim.wiring import GateWiring

PULSE_S = 0.25
GAP_S = 0.6
"""Between two pulses of one loop: two cars do not stand on it at once."""

QUEUE_S_MAX = 30.0


class GateModel:
    """Plays cars over a gate's loops, one after the other on each.

    Cars that come faster queue; when the queue is `QUEUE_S_MAX` long the next car is refused. `played` counts the cars
    driven in and out so far, queued ones included.
    """

    def __init__(self, wiring: GateWiring, factory: MockFactory, player: Player) -> None:
        self._player = player
        self._loops = {"in": contact_pin(factory, wiring.in_pin), "out": contact_pin(factory, wiring.out_pin)}
        self._clear_from_s = {"in": 0.0, "out": 0.0}
        self._ticks = factory.ticks
        self.played = {"in": 0, "out": 0}

    def drive(self, direction: str) -> bool:
        """Let a car through, `in` or `out`. Returns whether there was room in the queue."""
        now_s: float = self._ticks()
        begin_s = max(now_s, self._clear_from_s[direction])
        if begin_s - now_s > QUEUE_S_MAX:
            return False
        self._clear_from_s[direction] = begin_s + PULSE_S + GAP_S
        self.played[direction] += 1
        self._pulse(self._loops[direction], begin_s)
        return True

    def _pulse(self, loop: ContactPin, begin_s: float) -> None:
        end_s = begin_s + PULSE_S
        self._player.at(begin_s, lambda: loop.switch(closed=True, at_s=begin_s))
        self._player.at(end_s, lambda: loop.switch(closed=False, at_s=end_s))
