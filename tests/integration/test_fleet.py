"""A small fleet through a real Mosquitto, a real ingest and a real store: what it says is what happened."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from broker.program.mosquitto import find_mosquitto
from firmware_sim.fleet.fleet import Fleet, UnreachableBrokerError
from firmware_sim.fleet.link import Place
from firmware_sim.fleet.plan import FleetPlan
from jangteo.fleet_options import FleetOptions
from jangteo.fleet_run import run_fleet
from jangteo.fleet_stack import Stack, check_store, running_stack
from runtime.clock import SystemClock
from tests.absent import absent
from tests.eventually import eventually_async

pytestmark = pytest.mark.server
PLAN = FleetPlan(markets=6, stalls=10, period_s=1.0, batch=5)


@pytest.fixture(autouse=True)
def _with_mosquitto() -> None:
    if find_mosquitto() is None:
        absent("the mosquitto program is not installed")


@asynccontextmanager
async def loaded(folder: Path, workers: int = 1) -> AsyncIterator[tuple[Stack, Fleet, asyncio.Event]]:
    """A stack under load. The load ends with the block."""
    async with running_stack(folder, PLAN, None, workers) as stack:
        fleet, stop = Fleet(PLAN, stack.place), asyncio.Event()
        await fleet.connect(stop)
        load = asyncio.create_task(fleet.run(stop))
        try:
            yield stack, fleet, stop
        finally:
            stop.set()
            await load
            await fleet.close()


def test_the_command_proves_that_everything_is_in_the_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = tmp_path / "figures.json"
    code = run_fleet(FleetOptions(markets=4, stalls=10, period_s=1.0, batch=5, minutes=0.05, figures=figures))
    shown = capsys.readouterr()
    assert code == 0
    assert "every series holds exactly what was made" in shown.out
    assert "4 devices are connected" in shown.err
    told = json.loads(figures.read_text(encoding="utf-8"))
    assert told["made"] == told["receipted"] == told["stored"] >= 80
    assert set(told["parts"]) == {"broker", "ingest", "load"}


async def test_broker_and_ingest_may_go_and_come_and_nothing_is_lost(tmp_path: Path) -> None:
    begun_unix_ms = SystemClock().unix_ms()
    async with loaded(tmp_path) as (stack, fleet, stop):
        await eventually_async(lambda: fleet.counters.receipted > 60, what="receipts")
        await stack.stop("ingest")
        await eventually_async(lambda: fleet.waiting().readings > 60, what="a backlog with the broker")
        await stack.stop("broker")
        await eventually_async(lambda: fleet.connected_count() == 0, what="no links")
        made = fleet.counters.made
        await eventually_async(lambda: fleet.counters.made > made, what="readings without a link")
        stack.start("broker")
        stack.start("ingest")
        await eventually_async(lambda: fleet.connected_count() == 6, within_s=20, what="all back")
        stop.set()
        assert await fleet.drain(60, asyncio.Event())
        assert fleet.counters.disconnections >= 6
        assert fleet.counters.dropped == 0
    found = check_store(stack.store, fleet.devices, begun_unix_ms)
    assert found is not None
    assert (found.readings, found.wrong_series) == (fleet.counters.made, 0)


async def test_a_worker_of_a_group_may_go_and_come_and_nothing_is_lost(tmp_path: Path) -> None:
    begun_unix_ms = SystemClock().unix_ms()
    async with loaded(tmp_path, workers=2) as (stack, fleet, stop):
        assert len(stack.pids("ingest")) == 2
        await eventually_async(lambda: fleet.counters.receipted > 60, what="receipts")
        await stack.stop("ingest-w1")
        made = fleet.counters.made
        await eventually_async(lambda: fleet.counters.made > made + 60, what="readings with one worker")
        stack.start("ingest-w1")
        stop.set()
        assert await fleet.drain(60, asyncio.Event())
    found = check_store(stack.store, fleet.devices, begun_unix_ms)
    assert found is not None
    assert (found.readings, found.wrong_series) == (fleet.counters.made, 0)


async def test_a_reading_that_is_missing_in_the_store_is_found_out(tmp_path: Path) -> None:
    begun_unix_ms = SystemClock().unix_ms()
    async with loaded(tmp_path) as (stack, fleet, stop):
        await eventually_async(lambda: fleet.counters.receipted > 60, what="receipts")
        stop.set()
        assert await fleet.drain(30, asyncio.Event())
    fleet.devices[2].tallies[1].add(begun_unix_ms)
    found = check_store(stack.store, fleet.devices, begun_unix_ms)
    assert found is not None
    assert found.wrong_series == 5, "the stalls of one round"
    assert found.example.startswith("fleet-00003 stall-00")
    assert check_store(stack.store, fleet.devices, begun_unix_ms, lambda: True) is None


async def test_a_fleet_that_the_broker_refuses_says_why(tmp_path: Path) -> None:
    async with running_stack(tmp_path, PLAN, None) as stack:
        stranger = Place(stack.place.host, stack.place.port, lambda name: (name, "not the password"))
        fleet = Fleet(PLAN, stranger)
        with pytest.raises(UnreachableBrokerError, match=r"cannot be used: .*(password|may not connect)"):
            await fleet.connect(asyncio.Event())
        await fleet.close()
