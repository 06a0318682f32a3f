"""Shared rendering: once for all who ask, never from before the change that made them ask."""

import asyncio
import threading

import pytest

from broker.console.shared import SharedSections
from runtime.clock import ManualClock

KEY = ("live", "jungang", "ko")


class Renders:
    """Counts, and holds up while its gate is closed."""

    def __init__(self) -> None:
        self.count = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self) -> dict[str, str]:
        self.count += 1
        number = self.count
        assert self.gate.wait(5)
        return {"lots": str(number)}


async def test_many_who_ask_share_one_rendering_until_something_is_told_or_a_second_is_over() -> None:
    clock, told, renders = ManualClock(), [0], Renders()
    shared = SharedSections(clock, lambda: told[0])
    assert await asyncio.gather(*(shared.get(KEY, renders) for _ in range(50))) == [{"lots": "1"}] * 50
    told[0] += 1
    assert await shared.get(KEY, renders) == {"lots": "2"}
    clock.advance(0.9)
    assert await shared.get(KEY, renders) == {"lots": "2"}
    clock.advance(0.2)
    assert await shared.get(KEY, renders) == {"lots": "3"}
    assert await shared.get(("live", "jungang", "en"), renders) == {"lots": "4"}


async def test_who_asks_after_a_change_does_not_get_what_was_begun_before_it() -> None:
    told, renders = [0], Renders()
    shared = SharedSections(ManualClock(), lambda: told[0])
    renders.gate.clear()
    before = asyncio.create_task(shared.get(KEY, renders))
    await asyncio.sleep(0)
    told[0] += 1
    after = asyncio.create_task(shared.get(KEY, renders))
    await asyncio.sleep(0)
    renders.gate.set()
    first, second = (await before)["lots"], (await after)["lots"]
    assert {first, second} == {"1", "2"}


async def test_one_who_goes_away_takes_nothing_from_the_others() -> None:
    renders = Renders()
    shared = SharedSections(ManualClock(), lambda: 0)
    renders.gate.clear()
    gone, stays = (asyncio.create_task(shared.get(KEY, renders)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    renders.gate.set()
    assert await stays == {"lots": "1"}
    with pytest.raises(asyncio.CancelledError):
        await gone
