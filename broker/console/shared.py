"""Shared work: what many open pages ask for at once is made once."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runtime.clock import Clock

SHARED_FOR_S = 1.0

Sections = Mapping[str, str]
Key = tuple[str, str | None, str]
"""Group, market, language: what a page's sections depend on, and nothing of its visitor."""


@dataclass(frozen=True, slots=True)
class _Making:
    told_count: int
    begun_s: float
    task: asyncio.Task[Sections]


class SharedSections:
    """Renders each key at most once for each change, and at most once a second without one.

    Who asks after a change gets what was begun after it, never what was begun before. Holds the newest of each key,
    of which there are a few for each market.
    """

    def __init__(self, clock: Clock, told_count: Callable[[], int]) -> None:
        self._clock = clock
        self._told_count = told_count
        self._newest: dict[Key, _Making] = {}

    async def get(self, key: Key, render: Callable[[], Sections]) -> Sections:
        """The sections; `render` runs in a thread. Raises what `render` raises, for everybody who shares it."""
        newest = self._newest.get(key)
        told_count, now_s = self._told_count(), self._clock.monotonic_s()
        if newest is None or newest.told_count != told_count or now_s - newest.begun_s >= SHARED_FOR_S:
            task = asyncio.create_task(asyncio.to_thread(render), name="sections")
            newest = self._newest[key] = _Making(told_count, now_s, task)
        return await asyncio.shield(newest.task)  # one page that goes away does not take it from the others
