"""One history: fires are raised while everything is killed at random; then the checker looks for each of them."""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.alert_crash.checker import Verdict, judge
from benchmarks.alert_crash.house import House, open_house
from benchmarks.alert_crash.town import DEVICE, Publisher, alarm_in, market_of, roster
from broker.stores.incidents import Incidents
from runtime.clock import SystemClock
from runtime.errors import RetryableError
from tests.eventually import eventually_async
from transport.mqtt_session import MqttSession

LOOK_S = 0.05
ACKNOWLEDGE_EVERY_S = 0.5
CONNECTED_S_MAX = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """How much of everything.

    `open_max` fires at most wait to be acknowledged: a thousand at once would be another benchmark. `between_s` lies
    between two kills; what was killed stays down for `down_s`. After `kills_max` there is peace: on a slow machine a
    service that is killed while it starts would never be there.
    """

    alarms: int = 3000
    per_s: float = 12.0
    open_max: int = 60
    between_s: tuple[float, float] = (1.5, 5.0)
    down_s: tuple[float, float] = (0.1, 3.0)
    kills_max: int = 10_000
    settle_s_max: float = 90.0
    with_kannel: bool = True


@dataclass(slots=True)
class History:
    """What happened, and what the checker says of it."""

    kills: Counter[str] = field(default_factory=Counter)
    took_s: float = 0.0
    settled_s: float = 0.0
    resent: int = 0
    acknowledged: int = 0
    verdict: Verdict | None = None


async def run_history(folder: Path, database_url: str, seed: int, options: Options) -> History:
    """Raise every alarm, killing meanwhile; then wait until everything is out, or for `settle_s_max`."""
    history, rng = History(), random.Random(seed)  # noqa: S311 — a schedule, not a secret
    with open_house(folder, database_url, alarms=options.alarms, seed=seed, with_kannel=options.with_kannel) as house:
        session = MqttSession(house.town())
        publisher = Publisher(session)
        running = [asyncio.create_task(session.run()), asyncio.create_task(_keep(house))]
        try:
            await eventually_async(lambda: session.connected, within_s=CONNECTED_S_MAX, what="the town is connected")
            # before the first subscription the broker keeps nothing: a market begins with its services there
            await eventually_async(house.linked, within_s=CONNECTED_S_MAX, what="both services are linked")
            begun_s = time.monotonic()
            people = asyncio.create_task(_acknowledge(house, options.alarms, history))
            killing = asyncio.create_task(_kill(house, rng, options, history))
            running += [people, killing]
            alarms = list(range(options.alarms))
            rng.shuffle(alarms)
            await publisher.raise_all(
                alarms, per_s=options.per_s, open_max=options.open_max, acknowledged=lambda: history.acknowledged
            )
            killing.cancel()
            history.took_s = time.monotonic() - begun_s
            await _settle(house, options, history)
        finally:
            for task in running:
                task.cancel()
            for task in running:
                with suppress(asyncio.CancelledError):
                    await task
        history.resent = publisher.resent
    return history


async def _keep(house: House) -> None:
    while True:
        house.look()
        await asyncio.sleep(LOOK_S)


async def _kill(house: House, rng: random.Random, options: Options, history: History) -> None:
    """Every part as often as the others, in an order drawn by lot."""
    while history.kills.total() < options.kills_max:
        for name in rng.sample(house.mortals(), len(house.mortals())):
            await asyncio.sleep(rng.uniform(*options.between_s))
            history.kills[name] += house.kill(name, rng.uniform(*options.down_s))


async def _acknowledge(house: House, alarms: int, history: History) -> None:
    """People take care of what all of them have been told; so nothing that is due is ever cancelled here."""
    incidents, waiting = Incidents(house.engine, SystemClock()), dict(roster(alarms))
    while True:
        await asyncio.sleep(ACKNOWLEDGE_EVERY_S)
        told = {(alarm_in(one.text), one.phone) for one in await asyncio.to_thread(house.received)}
        for alarm in [one for one, phones in waiting.items() if all((one, phone) in told for phone in phones)]:
            with suppress(RetryableError):
                if await asyncio.to_thread(_acknowledge_one, incidents, alarm):
                    del waiting[alarm]
                    history.acknowledged += 1


def _acknowledge_one(incidents: Incidents, alarm: int) -> bool:
    found = incidents.of_event(f"m{market_of(alarm)}", DEVICE, f"{alarm + 1:032x}")
    if found is not None:
        incidents.acknowledge(found.incident_id, "관리0", "console")
    return found is not None


async def _settle(house: House, options: Options, history: History) -> None:
    """Nothing is killed any more: what is missing now has its time to arrive, and no longer."""
    begun_s = time.monotonic()
    while True:
        history.verdict = await asyncio.to_thread(lambda: judge(options.alarms, house.received()))
        history.settled_s = time.monotonic() - begun_s
        if (not history.verdict.lost and house.running()) or history.settled_s > options.settle_s_max:
            return
        await asyncio.sleep(ACKNOWLEDGE_EVERY_S)
