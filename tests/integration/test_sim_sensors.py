"""The real sensor plugins on simulated pins: what is reported is what really is there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gpiozero.pins.mock import MockFactory

from contract.telemetry import AnyReading, BayReading, GateReading, PeopleReading
from edge.gpio import Gpio
from edge.plugins import SensorContext, discover
from edge.ports import Sensor
from firmware_sim.occupancy_csv import bay_timeline, read_occupancy
from firmware_sim.wiring import BeamWiring, DeviceWiring, EchoWiring, GateWiring
from firmware_sim.world import DeviceWorld
from runtime.clock import SystemClock
from tests.eventually import eventually

BAYS = tuple(f"a-{number:02d}" for number in range(6))
WIRING = DeviceWiring(
    "parking-1",
    echoes=tuple(EchoWiring(bay, "main", 4 + 2 * number, 5 + 2 * number) for number, bay in enumerate(BAYS)),
    gates=(GateWiring("main-gate", "main", 24, 25),),
    beams=(BeamWiring("east", 26, 27),),
)
QUICK = {"period_s": 0.1, "debounce_s": 0.2}


class Rig:
    """A world and the plugins that look at it; the newest reading of each subject."""

    def __init__(self, state_dir: Path) -> None:
        factory = MockFactory()
        self.world = DeviceWorld(WIRING, factory, seed=3, timeline=())
        self.world.start()
        self.newest: dict[str, AnyReading] = {}
        context = SensorContext(Gpio(factory, work_dir=state_dir), SystemClock(), state_dir)
        self.sensors: list[Sensor] = []
        for kind, blocks in self._blocks().items():
            plugin = discover()[kind]
            self.sensors += plugin.build(
                [plugin.settings.model_validate({"kind": kind, **one}) for one in blocks], context
            )
        for sensor in self.sensors:
            sensor.start(self._take)

    def _blocks(self) -> dict[str, list[dict[str, Any]]]:
        # Any: settings as a file holds them; the plugins' own models validate them.
        return {
            "ultrasonic-bay": [
                {"name": one.bay, "zone": "a", "lot": one.lot, "trigger_pin": one.trigger_pin, "echo_pin": one.echo_pin}
                | QUICK
                for one in WIRING.echoes
            ],
            "gate-loop": [{"name": "main-gate", "zone": "a", "lot": "main", "in_pin": 24, "out_pin": 25}],
            "people-beams": [{"name": "east", "zone": "b", "outer_pin": 26, "inner_pin": 27}],
        }

    def _take(self, reading: AnyReading) -> None:
        match reading:
            case BayReading(bay=subject) | GateReading(gate=subject) | PeopleReading(counter=subject):
                self.newest[subject] = reading
            case _:
                raise AssertionError(f"no sensor here reports {reading!r}")

    def bay(self, name: str) -> tuple[str, str | None]:
        reading = self.newest.get(name)
        assert isinstance(reading, BayReading), f"{name} has not reported yet"
        return reading.state.value, None if reading.reason is None else reading.reason.value

    def counts(self, name: str) -> tuple[int, int]:
        reading = self.newest.get(name)
        assert isinstance(reading, GateReading | PeopleReading)
        assert reading.in_count is not None
        assert reading.out_count is not None
        return reading.in_count, reading.out_count

    def agrees(self) -> bool:
        return all(
            self.bay(name) == ("occupied" if occupied else "free", None)
            for name, occupied in self.world.truth().items()
        )

    def close(self) -> None:
        for sensor in self.sensors:
            sensor.stop()
        self.world.stop()


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    made = Rig(tmp_path)
    yield made
    made.close()


def test_real_occupancy_is_reported_bay_by_bay(rig: Rig, data_dir: Path) -> None:
    histories, _ = read_occupancy(data_dir / "parking" / "birmingham_occupancy.csv")
    timeline = bay_timeline(histories["BHMBCCMKT01"], BAYS, seed=3, start_unix_ms=0)
    for change in timeline[:8]:
        rig.world.set_bay(change.bay, change.occupied)
        eventually(rig.agrees, what=f"after {change}")


def test_each_fault_of_a_ranger_is_unknown_with_its_reason_and_ends_when_repaired(rig: Rig) -> None:
    rig.world.set_bay("a-03", occupied=True)
    eventually(rig.agrees)
    rig.world.fault("a-01", "no-echo")
    rig.world.fault("a-02", "impossible")
    eventually(lambda: rig.bay("a-01") == ("unknown", "no-echo"))
    eventually(lambda: rig.bay("a-02") == ("unknown", "impossible"))
    assert rig.bay("a-03") == ("occupied", None), "the others are not touched"
    rig.world.fault("a-01", None)
    rig.world.fault("a-02", None)
    eventually(rig.agrees, within_s=15.0)


def test_gates_and_entrances_count_what_was_played(rig: Rig) -> None:
    eventually(lambda: rig.counts("main-gate") == (0, 0) and rig.counts("east") == (0, 0))
    for direction in ("in", "in", "out"):
        rig.world.drive("main-gate", direction)
    for direction in ("in", "out", "in", "turn-back"):
        rig.world.cross("east", direction)
    eventually(lambda: rig.counts("main-gate") == (2, 1))
    eventually(lambda: rig.counts("east") == (2, 1))
