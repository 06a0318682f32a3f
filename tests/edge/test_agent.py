"""The agent as a whole, on the in-memory bus and on mock pins."""

import asyncio
import time
import uuid
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from contract.events import FireEvent, Phase, StillEvent, TroubleEvent
from contract.presence import Presence, SettingsReport
from contract.telemetry import BayBatch, BayReading, BayState, Reason
from contract.topics import Topic
from edge.agent import Agent
from edge.delivery import DeliveryRules
from edge.ports import FireDecision, StillPicture
from edge.safety.alarm import RESTORED_TTL_S
from runtime.clock import ManualClock, SystemClock
from tests.edge.bench import wire_echo
from tests.edge.device import BAY, QUICK, SIREN, Centre, running, settings
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus
from transport.memory_outbox import MemoryOutbox


def _decision(phase: Phase = Phase.RAISED, still: tuple[StillPicture, ...] = ()) -> FireDecision:
    return FireDecision(uuid.uuid4().hex, phase, "b", "cam-1", 0.9, 1000, 2000, stills=still)


@pytest.fixture
def factory() -> MockFactory:
    return MockFactory()


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


@pytest.fixture
def centre(bus: MemoryBus) -> Centre:
    return Centre(bus)


def _bays(centre: Centre) -> list[BayReading]:
    return [reading for batch in centre.of(BayBatch) for reading in batch.readings]


async def test_a_bay_s_state_reaches_the_bus_and_leaves_the_outbox_when_it_is_stored(
    tmp_path: Path, factory: MockFactory, bus: MemoryBus, centre: Centre
) -> None:
    wire_echo(factory, 4, 5, 500)
    outbox = MemoryOutbox(bytes_max=1_000_000)
    device = settings(tmp_path, sensors=[BAY | QUICK])
    agent = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"), outbox=outbox)

    async with running(centre, agent):
        await eventually_async(lambda: _bays(centre) and _bays(centre)[-1].state is BayState.OCCUPIED)
        await eventually_async(lambda: outbox.status().rows == 0)

        assert [one.state for one in centre.of(Presence)] == ["online"]
        assert len(centre.of(SettingsReport)[0].settings_sha256) == 64


async def test_it_ends_within_three_seconds_and_says_goodbye(
    tmp_path: Path, factory: MockFactory, bus: MemoryBus, centre: Centre
) -> None:
    wire_echo(factory, 4, 5, 500)
    device = settings(tmp_path, sensors=[BAY | QUICK], sirens=[SIREN])
    agent = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"))
    async with running(centre):
        task = asyncio.create_task(agent.run())
        await eventually_async(lambda: _bays(centre))

        begun_s = time.monotonic()
        task.cancel()
        await asyncio.wait([task])

        assert time.monotonic() - begun_s < 3.0
        await eventually_async(lambda: [one.state for one in centre.of(Presence)] == ["online", "offline"])
        assert factory.pin(17).function == "input"


async def test_a_decision_sounds_the_siren_before_it_returns_and_goes_out_with_its_still(
    tmp_path: Path, factory: MockFactory, bus: MemoryBus, centre: Centre
) -> None:
    agent = Agent(settings(tmp_path, sirens=[SIREN]), pin_factory=factory, session=bus.session("jungang.fire-1"))
    async with running(centre, agent):
        await eventually_async(lambda: centre.of(Presence))
        decision = _decision(still=(StillPicture(b"\xff\xd8 a picture", 320, 240),))

        agent.on_decision(decision)

        assert factory.pin(17).state
        await eventually_async(lambda: bool(centre.of(FireEvent)) and bool(centre.of(StillEvent)))
        fire, still = centre.of(FireEvent)[0], centre.of(StillEvent)[0]
        assert (fire.event_id, fire.alarm_sounded, still.event_id) == (decision.event_id, True, decision.event_id)


async def test_a_fire_of_another_device_on_the_bus_sounds_here(
    tmp_path: Path, factory: MockFactory, bus: MemoryBus, centre: Centre
) -> None:
    agent = Agent(settings(tmp_path, sirens=[SIREN]), pin_factory=factory, session=bus.session("jungang.fire-1"))
    other = FireEvent(
        epoch="0" * 16,
        seq=1,
        event_id=uuid.uuid4().hex,
        time_unix_ms=SystemClock().unix_ms(),
        phase=Phase.RAISED,
        zone="c",
        camera="cam-9",
        score=0.8,
        first_seen_unix_ms=1,
        decided_unix_ms=2,
    )
    async with running(centre, agent):
        await eventually_async(lambda: centre.of(Presence))
        await centre.session.publish(Topic("jungang", "fire-2", "event", "fire"), other)
        await eventually_async(lambda: factory.pin(17).state)

        await centre.session.publish(
            Topic("jungang", "fire-2", "event", "fire"), other.model_copy(update={"phase": Phase.CLEARED})
        )
        await eventually_async(lambda: not factory.pin(17).state)


async def test_what_was_measured_while_the_bus_was_away_arrives_marked_as_history(
    tmp_path: Path, factory: MockFactory, bus: MemoryBus, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.delivery.DeliveryRules", partial(DeliveryRules, backlog_delay_s_max=0.0))
    away = MemoryBus()
    away.go_down()
    wire_echo(factory, 4, 5, 500)
    device = settings(tmp_path, sensors=[BAY | QUICK])
    first = Agent(device, pin_factory=factory, session=away.session("jungang.fire-1"))
    async with running(first):
        await eventually_async(lambda: first._outbox.status().rows >= 2)

    clock = _OffsetClock()
    clock.jump_ms = 60_000
    second = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"), clock=clock)
    async with running(centre, second):
        await eventually_async(lambda: {batch.replayed for batch in centre.of(BayBatch)} == {True, False})


class _OffsetClock(SystemClock):
    """The machine's clock, whose wall time can be moved."""

    jump_ms = 0

    def unix_ms(self) -> int:
        return super().unix_ms() + self.jump_ms


async def test_a_sensor_that_stays_unknown_becomes_a_trouble_and_the_agent_lives(
    tmp_path: Path, factory: MockFactory, bus: MemoryBus, centre: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.trouble.RAISE_AFTER_S", 0.2)
    device = settings(tmp_path, sensors=[BAY | QUICK])
    agent = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"))
    async with running(centre, agent):
        await eventually_async(lambda: centre.of(TroubleEvent))

        trouble = centre.of(TroubleEvent)[0]
        assert (trouble.kind, trouble.subject, trouble.zone, trouble.phase) == ("bay", "a-01", "a", Phase.RAISED)
        await eventually_async(lambda: {one.reason for one in _bays(centre)} >= {Reason.NO_ECHO})


async def test_after_a_kill_during_a_fire_the_siren_goes_on_and_the_fire_is_cleared_when_no_camera_sees_it(
    tmp_path: Path, bus: MemoryBus, centre: Centre
) -> None:
    clock = ManualClock()
    device = settings(tmp_path, sirens=[SIREN])
    first = Agent(device, pin_factory=MockFactory(), session=bus.session("jungang.fire-1"), clock=clock)
    decision = _decision()
    async with running(centre):
        task = asyncio.create_task(first.run())
        await eventually_async(lambda: centre.of(Presence))
        first.on_decision(decision)
        await eventually_async((tmp_path / "fire-1" / "open_events.json").exists)
        task.cancel()
        await asyncio.wait([task])

        factory = MockFactory()
        second = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"), clock=clock)
        async with running(second):
            await eventually_async(lambda: factory.pin(17).state)
            clock.advance(RESTORED_TTL_S + 1)
            await eventually_async(lambda: not factory.pin(17).state)
            await eventually_async(
                lambda: (
                    [one.phase for one in centre.of(FireEvent) if one.event_id == decision.event_id][-1]
                    is Phase.CLEARED
                )
            )


async def test_a_drill_goes_out_as_one_and_sounds_nothing_and_a_restart_ends_it(
    tmp_path: Path, bus: MemoryBus, centre: Centre
) -> None:
    device = settings(tmp_path, sirens=[SIREN])
    drill = replace(_decision(still=(StillPicture(b"\xff\xd8 a picture", 320, 240, "first"),)), drill=True)
    factory = MockFactory()
    first = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"))
    async with running(centre):
        task = asyncio.create_task(first.run())
        await eventually_async(lambda: centre.of(Presence))
        first.on_decision(drill)
        assert not factory.pin(17).state
        await eventually_async(lambda: bool(centre.of(FireEvent)) and bool(centre.of(StillEvent)))
        fire, still = centre.of(FireEvent)[0], centre.of(StillEvent)[0]
        assert (fire.phase, fire.drill, fire.alarm_sounded, still.moment) == (Phase.RAISED, True, False, "first")
        await eventually_async((tmp_path / "fire-1" / "open_events.json").exists)
        assert len(centre.of(FireEvent)) == 1
        task.cancel()
        await asyncio.wait([task])

        factory = MockFactory()
        second = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"))
        async with running(second):
            await eventually_async(lambda: len(centre.of(FireEvent)) == 2)
            over = centre.of(FireEvent)[1]
            assert (over.phase, over.drill, over.event_id) == (Phase.CLEARED, True, drill.event_id)
            assert not factory.pin(17).state


@pytest.mark.parametrize("asked", [False, True])
async def test_a_drill_is_heard_where_the_settings_ask_for_it(
    tmp_path: Path, factory: MockFactory, bus: MemoryBus, centre: Centre, asked: bool
) -> None:
    device = settings(tmp_path, sirens=[SIREN], drill_siren=asked)
    clock = ManualClock()
    agent = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"), clock=clock)
    drill = replace(_decision(), drill=True)
    async with running(centre, agent):
        await eventually_async(lambda: centre.of(SettingsReport))
        assert centre.of(SettingsReport)[0].drill_siren is asked
        agent.on_decision(drill)
        assert agent.alarm.drill_sounds is asked
        assert not agent.alarm.fires
        if asked:
            await eventually_async(lambda: factory.pin(17).state)
        real = _decision()
        agent.on_decision(real)
        assert factory.pin(17).state, "a fire in a drill is a fire, at once"
        assert not agent.alarm.drill_sounds
        agent.on_decision(replace(real, phase=Phase.CLEARED))
        assert not factory.pin(17).state
        await eventually_async(lambda: len(centre.of(FireEvent)) == 3)
        assert [one.alarm_sounded for one in centre.of(FireEvent)] == [False, True, True]
