"""The canary holds for the fleet: its devices say how they are, and are stalled when that does not arrive."""

import asyncio
from pathlib import Path

import pytest

from broker.program.mosquitto import find_mosquitto
from broker.series.settings import open_series_store
from broker.stores.database import open_database, sqlite_url
from broker.stores.registry import Registry
from broker.stores.stalls import Stalls
from broker.upkeep.canary import Canary
from broker.upkeep.progress import Progress
from contract.access import DeviceIdentity
from contract.presence import Presence
from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.plan import FleetPlan
from jangteo.fleet_stack import running_stack
from runtime.clock import ManualClock, SystemClock
from tests.absent import absent
from tests.eventually import eventually_async

pytestmark = pytest.mark.server
PLAN = FleetPlan(markets=1, stalls=4, batch=2)
AGE_S_MAX = 60.0


def note_online(registry: Registry, identity: DeviceIdentity, unix_ms: int) -> None:
    said = {"state": "online", "epoch": "0" * 16, "time_unix_ms": unix_ms, "agent_version": "fleet"}
    registry.note_presence(identity, Presence.model_validate(said | {"started_unix_ms": unix_ms}))


async def test_a_fleet_is_fresh_while_it_runs_and_stalled_when_it_does_not(tmp_path: Path) -> None:
    if find_mosquitto() is None:
        absent("the mosquitto program is not installed")
    clock = ManualClock(SystemClock().unix_ms())
    async with running_stack(tmp_path, PLAN, None) as stack:
        engine, store = open_database(sqlite_url(tmp_path / "central.db")), open_series_store(stack.store)
        registry, progress = Registry(engine), Progress()
        note_online(registry, PLAN.fleet[0].identity, clock.unix_ms() - 3_600_000)
        canary = Canary(store, registry, Stalls(engine), clock, progress, age_s_max=AGE_S_MAX)
        canary.look()
        assert progress.counters()["canary_devices_stalled"] == 1, "nothing is in the store yet"
        fleet, stop = Fleet(PLAN, stack.place), asyncio.Event()
        await fleet.connect(stop)
        load = asyncio.create_task(fleet.run(stop))

        def looked() -> bool:
            canary.look()
            return progress.counters()["canary_ok"] == 1

        await eventually_async(looked, what="the device's own reading is in the store")
        stop.set()
        await load
        await fleet.close()
        clock.advance(AGE_S_MAX + 30)
        canary.look()
        assert [one.identity for one in Stalls(engine).all()] == [PLAN.fleet[0].identity]
        store.close()
        engine.dispose()
