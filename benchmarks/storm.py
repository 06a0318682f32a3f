"""The reconnect storm of `scripts/bench fleet --storm`: when 1,000 sessions are back, and when all is stored."""

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

from firmware_sim.fleet.figures import Lags
from firmware_sim.fleet.fleet import Fleet, device_backoff
from firmware_sim.fleet.plan import FleetPlan
from firmware_sim.fleet.storm import return_times_s, spread
from jangteo.fleet_stack import Stack, check_store, running_stack
from runtime.clock import SystemClock

SESSIONS, STALLS, PERIOD_S = 1000, 100, 10.0
OUTAGES_S = (0.0, 5.0, 30.0)
SETTLE_S = 15.0
CAUGHT_UP_S = 2.0
DEADLINE_S = 300.0


def measure_storms(seed: int) -> int:
    """Print what the back-off gives on paper, then what 1,000 real sessions did; 1 when a reading was lost."""
    for outage_s in OUTAGES_S:
        times = return_times_s(outage_s, [device_backoff(seed + number / SESSIONS) for number in range(SESSIONS)])
        print(f"on paper, broker away for {outage_s:4.0f} s: {spread(times)}")
    return asyncio.run(_storms(seed))


async def _storms(seed: int) -> int:
    plan = FleetPlan(markets=SESSIONS, stalls=STALLS, period_s=PERIOD_S, seed=seed)
    rates = f"{plan.readings_per_s:,.0f} readings/s in {plan.batches_per_s:,.0f} batches/s"
    print(f"{plan.sessions_count} sessions, {rates}")
    with tempfile.TemporaryDirectory(prefix="jangteo-storm-") as name:
        async with running_stack(Path(name), plan, None) as stack:
            back: list[float] = []
            fleet = Fleet(plan, stack.place, on_live=back.append)
            begun_unix_ms, stop = SystemClock().unix_ms(), asyncio.Event()
            await fleet.connect(stop)
            load = asyncio.create_task(fleet.run(stop))
            try:
                for outage_s in OUTAGES_S:
                    await asyncio.sleep(SETTLE_S)
                    await _storm(fleet, stack, back, outage_s)
            finally:
                stop.set()
                await load
            drained = await fleet.drain(DEADLINE_S, asyncio.Event())
            await fleet.close()
        found = await asyncio.to_thread(check_store, stack.store, fleet.devices, begun_unix_ms)
    stored = 0 if found is None else found.readings
    lost = fleet.counters.made - stored
    print(f"readings made {fleet.counters.made:,}, in the store {stored:,}, lost: {lost:,}, all receipted: {drained}")
    return int(lost != 0)


async def _storm(fleet: Fleet, stack: Stack, back: list[float], outage_s: float) -> None:
    clock = SystemClock()
    fleet.counters.lags = Lags()
    await stack.stop("broker")
    await asyncio.sleep(outage_s)
    back.clear()
    stack.start("broker")
    up_s = clock.monotonic_s()
    await _until(lambda: len(back) >= fleet.plan.sessions_count)
    times = sorted(at_s - up_s for at_s in back)
    backlog = fleet.waiting().readings
    print(f"broker away for {outage_s:4.0f} s and its own end: {spread(times)}")
    await _until(lambda: fleet.waiting().oldest_s < CAUGHT_UP_S)
    took_s = clock.monotonic_s() - up_s
    print(f"  {backlog:,} readings waited when the last was back; all but the live ones stored {took_s:.1f} s after it")


async def _until(probe: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not probe():  # noqa: ASYNC110 — figures of many sessions are looked at, there is no one event
            await asyncio.sleep(0.05)
