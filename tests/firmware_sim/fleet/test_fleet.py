"""The rounds of a fleet without a broker: everything is made in its own period."""

import asyncio

from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.link import Place
from firmware_sim.fleet.plan import AGENTS, FleetPlan
from tests.eventually import eventually_async


async def test_a_device_reads_its_stalls_in_their_period_and_itself_in_its_own() -> None:
    fleet, stop = (
        Fleet(FleetPlan(markets=1, stalls=2, period_s=1.0), Place("", 1, lambda _: (None, None))),
        asyncio.Event(),
    )
    (device,) = fleet.devices
    assert [one.kind for one in device.plan.rounds] == ["people", AGENTS]
    load = asyncio.create_task(fleet.run(stop))
    await eventually_async(lambda: device.tallies[0].count == 3)
    stop.set()
    await load
    assert device.tallies[1].count == 1
    assert fleet.counters.made == 3 * 2 + 1
