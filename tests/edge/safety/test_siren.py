"""The siren on a mock pin."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from contract.cameras import DRILL_SOUND_S
from contract.events import Phase
from contract.telemetry import Reason, SirenReading
from edge.gpio import Gpio
from edge.ports import FireDecision
from edge.safety.alarm import MarketAlarm
from edge.safety.siren import Siren
from edge.settings import SirenSettings
from runtime.clock import ManualClock, SystemClock
from tests.edge.bench import Reports
from tests.eventually import eventually_async

PIN = 17


@dataclass
class Rig:
    factory: MockFactory
    alarm: MarketAlarm
    siren: Siren
    reports: Reports[SirenReading]

    def level(self) -> bool:
        return bool(self.factory.pin(PIN).state)

    def drill(self) -> None:
        self.alarm.sound_drill(FireDecision(uuid.uuid4().hex, Phase.RAISED, "b", "cam-1", 0.9, 1000, 2000, drill=True))

    def fire(self, event_id: str, phase: Phase = Phase.RAISED) -> None:
        self.alarm.on_decision(FireDecision(event_id, phase, "b", "cam-1", 0.9, 1000, 2000))


def rig(
    folder: Path, *, active_high: bool = True, factory: MockFactory | None = None, clock: ManualClock | None = None
) -> Rig:
    factory = factory or MockFactory()
    alarm, reports = MarketAlarm("fire-1", clock or SystemClock()), Reports(SirenReading)
    settings = SirenSettings(name="siren-1", zone="b", pin=PIN, active_high=active_high)
    siren = Siren(settings, Gpio(factory, work_dir=folder), alarm, reports, SystemClock())
    return Rig(factory, alarm, siren, reports)


@contextlib.asynccontextmanager
async def running(made: Rig) -> AsyncIterator[None]:
    task = asyncio.create_task(made.siren.run())
    await eventually_async(lambda: made.reports.all)
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("active_high", [True, False])
async def test_it_sounds_before_the_decision_returns_and_ends_with_the_fire(tmp_path: Path, active_high: bool) -> None:
    made = rig(tmp_path, active_high=active_high)
    async with running(made):
        assert made.level() is not active_high

        event_id = uuid.uuid4().hex
        made.fire(event_id)
        assert made.level() is active_high  # no turn of the loop between
        assert made.reports.last.sounding

        made.fire(event_id, Phase.CLEARED)
        assert made.level() is not active_high
        assert not made.reports.last.sounding


async def test_silenced_it_stays_silent_for_this_fire_and_sounds_for_the_next(tmp_path: Path) -> None:
    made = rig(tmp_path)
    async with running(made):
        first = uuid.uuid4().hex
        made.fire(first)
        assert made.siren.silence()
        assert not made.level()
        assert (made.reports.last.sounding, made.reports.last.silenced) == (False, True)

        made.fire(first, Phase.ONGOING)
        assert not made.level()
        made.fire(uuid.uuid4().hex)
        assert made.level()


async def test_a_drill_sounds_for_a_moment(tmp_path: Path) -> None:
    clock = ManualClock()
    made = rig(tmp_path, clock=clock)
    async with running(made):
        made.drill()
        await eventually_async(made.level)
        assert made.reports.last.sounding
        clock.advance(DRILL_SOUND_S)
        await eventually_async(lambda: not made.level())
        assert not made.reports.last.sounding


async def test_a_fire_takes_the_place_of_a_drills_sound_at_once(tmp_path: Path) -> None:
    clock = ManualClock()
    made = rig(tmp_path, clock=clock)
    async with running(made):
        made.drill()
        await eventually_async(made.level)
        fire = uuid.uuid4().hex
        made.fire(fire)
        clock.advance(DRILL_SOUND_S)
        made.fire(fire, Phase.ONGOING)
        assert made.level(), "the fire sounds on when the drill's time is over"
        made.drill()
        assert made.siren.silence()
        assert not made.level(), "no drill sounds where a fire was silenced"
        made.fire(fire, Phase.CLEARED)
        assert not made.level()


async def test_a_pin_that_is_taken_is_said_and_claimed_when_it_is_free(tmp_path: Path) -> None:
    made = rig(tmp_path)
    holder = rig(tmp_path, factory=made.factory)
    async with running(holder):
        task = asyncio.create_task(made.siren.run())
        await eventually_async(lambda: made.reports.all and made.reports.last.reason is Reason.SENSOR_ERROR)
        assert "already in use" in (made.reports.last.detail or "")
        made.fire(uuid.uuid4().hex)
        assert not made.reports.last.sounding  # it does not claim to sound

    await eventually_async(lambda: made.reports.last.state == "live")
    await eventually_async(lambda: made.reports.last.sounding and made.level())
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_its_pin_is_free_after_the_end(tmp_path: Path) -> None:
    made = rig(tmp_path)
    async with running(made):
        made.fire(uuid.uuid4().hex)

    async with running(rig(tmp_path, factory=made.factory)):
        assert not made.level()
