"""From a device's settings to what the simulator wires up: neither knows the other."""

from edge.sensors.gate_loop import GateLoopSettings
from edge.sensors.people_beams import PeopleBeamsSettings
from edge.sensors.ultrasonic_bay import UltrasonicBaySettings
from edge.settings import DeviceBlock
from firmware_sim.wiring import BeamWiring, DeviceWiring, EchoWiring, GateWiring, SirenWiring


def wiring_of(block: DeviceBlock) -> DeviceWiring:
    """The same pins, as the simulator names them."""
    sensors = block.sensors
    return DeviceWiring(
        device=block.device,
        echoes=tuple(
            EchoWiring(one.name, one.lot, one.trigger_pin, one.echo_pin)
            for one in sensors
            if isinstance(one, UltrasonicBaySettings)
        ),
        gates=tuple(
            GateWiring(one.name, one.lot, one.in_pin, one.out_pin)
            for one in sensors
            if isinstance(one, GateLoopSettings)
        ),
        beams=tuple(
            BeamWiring(one.name, one.outer_pin, one.inner_pin)
            for one in sensors
            if isinstance(one, PeopleBeamsSettings)
        ),
        sirens=tuple(SirenWiring(one.name, one.pin, one.active_high) for one in block.sirens),
    )
