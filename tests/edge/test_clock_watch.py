"""How a device finds out the time over the bus, and what it says meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from contract.delivery import Delivered
from contract.events import FireEvent, Phase, TroubleEvent
from contract.payload import Payload
from contract.presence import Presence
from contract.telemetry import AgentBatch, BayBatch, BayReading, BayState, Reason
from contract.topics import Topic
from edge.agent import Agent
from edge.clock_watch import ClockWatch
from edge.delivery import DeliveryRules
from edge.machine_time import LinuxTime, ManualTime
from edge.ports import FireDecision
from edge.settling import SettlingOutbox
from edge.timekeeping import DeviceClock
from edge.timescale import ClockRules, Sight
from runtime.clock import SystemClock
from tests.edge.bench import wire_echo
from tests.edge.device import BAY, QUICK, SIREN, Centre, running, settings
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus
from transport.memory_outbox import MemoryOutbox

TRUE_MS = 1_800_000_000_000
EPOCH_TOPIC = Topic("jungang", "fire-1", "event", "trouble")


class Watched:
    """A clock watch whose tellings are collected."""

    def __init__(self, folder: Path) -> None:
        self.machine = ManualTime()
        self.clock = DeviceClock(ClockRules(), folder / "clock.json", self.machine)
        self.stored = MemoryOutbox(bytes_max=1_000_000)
        self.outbox = SettlingOutbox(self.stored, self.clock)
        self.told: list[Reason | None] = []
        self.details: list[str] = []
        self.asked = 0
        self.announced = 0
        self.bus = MemoryBus()
        self.session = self.bus.session("jungang.fire-1")
        self.watch = ClockWatch(
            self.clock,
            self.outbox,
            on_clock=self._tell,
            ask=self._ask,
            announce=self._announce,
            skew_ms_max=5_000,
        )

    def _tell(self, reason: Reason | None, detail: str) -> None:
        self.told.append(reason)
        self.details.append(detail)

    def _ask(self) -> bool:
        self.asked += 1
        self.outbox.put(EPOCH_TOPIC, self._trouble, alarm=True)
        return True

    def _trouble(self, epoch: str, seq: int) -> Payload:
        return TroubleEvent(
            epoch=epoch,
            seq=seq,
            event_id="0" * 32,
            time_unix_ms=self.clock.unix_ms(),
            phase=Phase.ONGOING,
            kind="clock",
            subject="fire-1",
            reason=Reason.CLOCK_UNSET,
        )

    async def _announce(self) -> None:
        self.announced += 1

    async def receipt(self, seq: int, central_unix_ms: int | None) -> None:
        delivered = Delivered(epoch=self.stored.epoch, seqs=(seq,), store="incidents", time_unix_ms=central_unix_ms)
        await self.watch._on_delivered(EPOCH_TOPIC, delivered)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        yield
        task.cancel()
        await asyncio.wait([task])


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    monkeypatch.setattr("edge.clock_watch.LOOK_EVERY_S", 0.01)
    return Watched(tmp_path)


async def test_a_receipt_that_came_too_late_is_asked_for_again_and_a_quick_one_sets_the_clock(watched: Watched) -> None:
    async with watched.running():
        await eventually_async(lambda: watched.asked == 1)
        assert watched.told[-1] is Reason.CLOCK_UNSET
        watched.machine.advance(60)
        await watched.receipt(1, TRUE_MS)
        assert watched.clock.boot_id is not None
        await eventually_async(lambda: watched.asked == 2)

        watched.machine.advance(0.2)
        await watched.receipt(2, TRUE_MS + 61_000)

        await eventually_async(lambda: watched.clock.boot_id is None)
        await eventually_async(lambda: watched.announced == 1 and not watched.clock.owed)
        await eventually_async(lambda: watched.told[-1] is None)
        assert watched.asked == 2


async def test_without_an_answer_it_does_not_ask_twice_and_never_more_often_than_it_may(watched: Watched) -> None:
    async with watched.running():
        await eventually_async(lambda: watched.asked == 1)
        watched.machine.advance(3_600)
        told = len(watched.told)
        await eventually_async(lambda: len(watched.told) > told + 3)
        assert watched.asked == 1

        await watched.receipt(1, None)
        await eventually_async(lambda: watched.asked == 2)
        watched.machine.advance(3_600)
        told = len(watched.told)
        await eventually_async(lambda: len(watched.told) > told + 3)
        assert watched.asked == 2

        await watched.receipt(2, None)
        await eventually_async(lambda: watched.asked == 3)
        watched.machine.advance(2)
        await watched.receipt(3, None)
        told = len(watched.told)
        await eventually_async(lambda: len(watched.told) > told + 3)
        assert watched.asked == 3


async def test_a_clock_that_differs_from_the_centre_s_is_said_with_how_much(watched: Watched) -> None:
    watched.machine.set_wall(TRUE_MS + 20_000)
    watched.machine.synchronised = True
    watched.clock.look()
    seq = watched.outbox.put(EPOCH_TOPIC, watched._trouble, alarm=True)
    await watched.receipt(seq, TRUE_MS)

    async with watched.running():
        await eventually_async(lambda: Reason.CLOCK_SKEW in watched.told)

    assert watched.details[-1] == "20.0 s ahead of the central clock"


class Blind(LinuxTime):
    """This machine with a wall clock that is wrong, and nothing that vouches for it."""

    def wall_unix_ms(self) -> int:
        return super().wall_unix_ms() - 40 * 86_400_000

    def sight(self) -> Sight:
        return Sight(self.boot_ms(), self.wall_unix_ms())


async def test_an_agent_without_a_clock_sounds_its_fires_learns_the_time_and_sends_what_it_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge.trouble.RAISE_AFTER_S_BY_KIND", {"clock": 0.0})
    monkeypatch.setattr("edge.life_signs.PERIOD_S", 0.2)
    monkeypatch.setattr("edge.delivery.DeliveryRules", partial(DeliveryRules, backlog_delay_s_max=0.0))
    bus, factory, now = MemoryBus(), MockFactory(), SystemClock()
    centre, began_ms = Centre(bus, now), now.unix_ms()
    wire_echo(factory, 4, 5, 500)
    device = settings(tmp_path, sensors=[BAY | QUICK], sirens=[SIREN], clock={"source": "auto"})
    clock = DeviceClock(ClockRules(), tmp_path / "clock.json", Blind())
    bus.go_down()
    agent = Agent(device, pin_factory=factory, session=bus.session("jungang.fire-1"), clock=clock)

    async with running(agent):
        await eventually_async(lambda: agent._outbox.status().rows >= 2)
        assert clock.boot_id is not None
        agent.on_decision(FireDecision("1" * 32, Phase.RAISED, "b", "cam-1", 0.9, clock.unix_ms(), clock.unix_ms()))
        assert agent.sirens[0].sounding
        bus.come_up()
        async with running(centre):
            await eventually_async(lambda: clock.boot_id is None)
            await eventually_async(lambda: "central" in {one.readings[0].clock_source for one in centre.of(AgentBatch)})
            await eventually_async(lambda: centre.of(Presence)[-1].started_unix_ms > began_ms - 10_000)
            await eventually_async(lambda: {Phase.RAISED, Phase.CLEARED} <= {one.phase for one in troubles(centre)})

            await eventually_async(lambda: BayState.UNKNOWN in {one.state for one in bays(centre)})
            assert min(one.time_unix_ms for one in bays(centre)) > began_ms - 5_000
            assert {one.clock_set for one in centre.of(FireEvent)} == {False}
            assert abs(agent.alarm.fires[0].since_unix_ms - now.unix_ms()) < 60_000


def bays(centre: Centre) -> list[BayReading]:
    return [one for found in centre.of(BayBatch) for one in found.readings]


def troubles(centre: Centre) -> list[TroubleEvent]:
    return [one for one in centre.of(TroubleEvent) if one.kind == "clock"]
