import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiozero import OutputDevice
from gpiozero.pins.mock import MockFactory

from firmware_sim import traffic
from firmware_sim.pins.echo import EchoFault
from firmware_sim.timeline import BayChange, Happening
from firmware_sim.wiring import BeamWiring, DeviceWiring, EchoWiring, GateWiring, SirenWiring
from firmware_sim.world import DeviceWorld, UnknownPartError, WorldExtras
from runtime.clock import ManualClock
from tests.eventually import eventually

START_MS = 1_767_571_200_000  # 2026-01-05 09:00 in Seoul, a Monday
BAYS = ("a-01", "a-02", "a-03")
WIRING = DeviceWiring(
    "parking-1",
    echoes=tuple(EchoWiring(bay, "main", 4 + 2 * number, 5 + 2 * number) for number, bay in enumerate(BAYS)),
    gates=(GateWiring("main-gate", "main", 24, 25),),
    beams=(BeamWiring("east", 26, 27),),
    sirens=(SirenWiring("siren-1", 17),),
)


def still_world(extras: WorldExtras | None = None) -> DeviceWorld:
    return DeviceWorld(WIRING, MockFactory(), timeline=(), extras=extras)


@pytest.fixture
def world() -> Iterator[DeviceWorld]:
    with still_world() as made:
        yield made


def test_a_day_at_600_times_is_what_the_traffic_says_bay_by_bay() -> None:
    clock = ManualClock(START_MS)
    extras = WorldExtras(clock=clock)
    world = DeviceWorld(WIRING, MockFactory(), seed=5, speed=600.0, start_unix_ms=START_MS, extras=extras)
    expected = traffic.endless({"main": list(BAYS)}, ["east"], START_MS, "5/parking-1")
    coming = next(expected)
    occupied = dict.fromkeys(BAYS, False)
    changes = 0
    with world:
        for _ in range(288):
            clock.advance(0.5)
            world.catch_up()
            while coming.time_unix_ms <= world.sim_unix_ms():
                if isinstance(coming, BayChange):
                    occupied[coming.bay] = coming.occupied
                    changes += 1
                coming = next(expected)
            assert world.truth() == occupied
    assert world.sim_unix_ms() == START_MS + 86_400_000
    assert changes > 10


def test_a_timeline_is_played_to_its_end_and_the_truth_is_logged(tmp_path: Path) -> None:
    timeline: tuple[Happening, ...] = (
        BayChange(START_MS, "a-01", occupied=True),
        BayChange(START_MS + 1_800_000, "a-02", occupied=True),
        BayChange(START_MS + 3_600_000, "a-01", occupied=False),
        BayChange(START_MS + 3_600_000, "elsewhere", occupied=True),
    )
    path = tmp_path / "truth.jsonl"
    extras = WorldExtras(truth_path=path)
    world = DeviceWorld(WIRING, MockFactory(), speed=3600.0, timeline=timeline, start_unix_ms=START_MS, extras=extras)
    with world:
        assert world.truth()["a-01"], "what is so at the start is so when it starts"
        eventually(lambda: world.is_over)
        assert world.truth() == {"a-01": False, "a-02": True, "a-03": False}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [(line["bay"], line["occupied"]) for line in lines if line["sim_unix_ms"] > START_MS + 1_000_000] == [
        ("a-02", True),
        ("a-01", False),
    ]
    assert {line["bay"] for line in lines} == set(BAYS)


def test_a_bay_held_by_hand_ignores_the_traffic_until_released() -> None:
    clock = ManualClock(START_MS)
    timeline = (BayChange(START_MS + 1_000, "a-01", occupied=True),)
    extras = WorldExtras(clock=clock)
    with DeviceWorld(WIRING, MockFactory(), timeline=timeline, start_unix_ms=START_MS, extras=extras) as world:
        world.set_bay("a-01", occupied=False)
        clock.advance(2.0)
        world.catch_up()
        assert not world.truth()["a-01"]
        world.release_bay("a-01")
        assert world.truth()["a-01"]


def test_cars_and_people_are_counted_as_they_are_played(world: DeviceWorld) -> None:
    assert world.drive("main-gate", "in")
    assert world.cross("east", "out")
    assert world.cross("east", "turn-back")
    assert world.gate_counts("main-gate") == {"in": 1, "out": 0}
    assert world.people_counts("east") == {"in": 0, "out": 1, "turn-back": 1}


def test_the_siren_is_read_back(world: DeviceWorld) -> None:
    factory = MockFactory()
    with DeviceWorld(WIRING, factory, timeline=()) as other:
        relay = OutputDevice(17, pin_factory=factory)
        relay.on()
        assert other.siren_sounding("siren-1")
        relay.close()
    assert not world.siren_sounding("siren-1")


def test_what_is_not_there_is_named_with_what_is(world: DeviceWorld) -> None:
    with pytest.raises(UnknownPartError, match="no bay 'a-09' on this device: it has a-01, a-02, a-03"):
        world.set_bay("a-09", occupied=True)
    for call in (
        lambda: world.fault("a-09", EchoFault.FROZEN),
        lambda: world.cross("west", "in"),
        lambda: world.drive("west", "in"),
        lambda: world.siren_sounding("siren-9"),
    ):
        with pytest.raises(UnknownPartError):
            call()
    with pytest.raises(ValueError, match="sick"):
        world.fault("a-01", "sick")


@pytest.mark.parametrize("speed", [0.0, -1.0, 3601.0, float("nan")])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="is not possible"):
        DeviceWorld(WIRING, MockFactory(), speed=speed)


def test_orders_in_the_control_file_are_obeyed_and_bad_ones_change_nothing(tmp_path: Path) -> None:
    path, truth_path = tmp_path / "control.jsonl", tmp_path / "truth.jsonl"
    with still_world(WorldExtras(truth_path, path)) as world:
        with path.open("a", encoding="utf-8") as file:
            file.write('{"bay": "a-01", "occupied": "maybe"}\n{"bay": "a-09", "occupied": true}\nnonsense\n')
            file.write('{"bay": "a-02", "occupied": true}\n{"bay": "a-03", "fault": "frozen"}\n')
            file.write('{"counter": "east", "cross": "in"}\n{"gate": "main-gate", "drive": "out"}\n')
        eventually(lambda: world.gate_counts("main-gate")["out"] == 1)
        assert world.truth() == {"a-01": False, "a-02": True, "a-03": False}
        assert world.people_counts("east")["in"] == 1
        assert '"fault": "frozen"' in truth_path.read_text(encoding="utf-8")


def test_a_gate_without_bays_of_its_own_still_sees_cars() -> None:
    clock = ManualClock(START_MS)
    wiring = DeviceWiring("gate-1", gates=(GateWiring("main-gate", "main", 24, 25),))
    extras = WorldExtras(clock=clock)
    with DeviceWorld(wiring, MockFactory(), start_unix_ms=START_MS, extras=extras) as world:
        clock.advance(3600.0)
        world.catch_up()
        assert world.gate_counts("main-gate")["in"] > 0


async def test_it_runs_as_a_task_until_cancelled() -> None:
    world = still_world()
    task = asyncio.create_task(world.run())
    await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


def test_a_device_of_cameras_and_screens_alone_has_no_traffic_and_starts_at_once() -> None:
    with DeviceWorld(DeviceWiring("screens-1"), MockFactory(), seed=1) as world:
        assert world.truth() == {}
        assert world.is_over
