"""The watch: compares what is said of each market with what was said before, and tells the hub what changed.

It looks at once when the bus brings something (gathering for a moment), and every second because values also change by
growing old. Incidents come from the database, every half second.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import structlog
from sqlalchemy.exc import DBAPIError

from broker.console.directory import Directory
from broker.console.hub import Change, Hub
from broker.console.incidents import incident_view
from broker.stores.incidents import Incidents
from runtime.clock import Clock
from runtime.errors import JangteoError

log = structlog.get_logger(__name__)

GATHER_S = 0.1
TICK_S = 1.0
INCIDENTS_EVERY_S = 0.5
INCIDENTS_OVERLAP_MS = 2000

Facts = Mapping[tuple[str, str], Mapping[str, object]]
"""By (part of the answer, subject): what is said of it, without its age."""


class Watch:
    """Runs `facts(market)` in a thread and tells what differs."""

    def __init__(
        self,
        directory: Directory,
        facts: Callable[[str], Facts],
        incidents: Incidents,
        hub: Hub,
        clock: Clock,
    ) -> None:
        self._directory = directory
        self._facts = facts
        self._incidents = incidents
        self._hub = hub
        self._clock = clock
        self._said: dict[str, Facts] = {}
        self._dirty: set[str] = set()
        self._woken = asyncio.Event()
        self._seen: dict[int, str] = {}

    def wake(self, market: str) -> None:
        """Something was heard of this market. To be called on the loop."""
        self._dirty.add(market)
        self._woken.set()

    async def run(self) -> None:
        """Look until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._look_on())
            group.create_task(self._look_at_incidents_on())

    async def _look_on(self) -> None:
        all_looked_at_s = -TICK_S
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), TICK_S)
                await asyncio.sleep(GATHER_S)
            self._woken.clear()
            markets, self._dirty = self._dirty, set()
            if self._clock.monotonic_s() - all_looked_at_s >= TICK_S:
                all_looked_at_s = self._clock.monotonic_s()
                markets |= await asyncio.to_thread(self._all_markets)
            for market in markets:
                await self.look(market)

    async def look(self, market: str) -> None:
        """Compare one market and tell what changed."""
        try:
            fresh = await asyncio.to_thread(self._facts, market)
        except (DBAPIError, JangteoError, LookupError) as error:
            log.warning("console.not-looked", market=market, reason=str(error))
            return
        before = self._said.get(market, {})
        self._said[market] = fresh
        changed: dict[str, list[Mapping[str, object]]] = {}
        for key, fact in fresh.items():
            if before.get(key) != fact:
                changed.setdefault(key[0], []).append(fact)
        for part in ("occupancy", "devices"):
            entries = {name.partition(".")[2]: found for name, found in changed.items() if name.startswith(part)}
            if entries:
                now = self._clock.unix_ms()
                self._hub.tell(Change(part, market, {"market": market, "now_unix_ms": now, **entries}))

    async def _look_at_incidents_on(self) -> None:
        since = self._clock.unix_ms()
        while True:
            since = await self.look_at_incidents(since)
            await asyncio.sleep(INCIDENTS_EVERY_S)

    async def look_at_incidents(self, since_unix_ms: int) -> int:
        """Tell the incidents that changed since; return from when to ask next."""
        try:
            changed = await asyncio.to_thread(self._incidents.changed_since, since_unix_ms)
        except (DBAPIError, JangteoError) as error:
            log.warning("console.incidents-unread", reason=str(error))
            return since_unix_ms
        fresh: dict[int, str] = {}
        now = self._clock.unix_ms()
        for one in changed:
            view = incident_view(one, now).model_dump(mode="json", exclude={"age_s"})
            fresh[one.incident_id] = repr(view)
            if self._seen.get(one.incident_id) != fresh[one.incident_id]:
                self._hub.tell(Change("incident", one.market, view))
        self._seen = fresh  # what falls out of the window cannot come again unless it changes
        # two processes' transactions may commit out of the order of their stamps: ask a little further back
        return max([since_unix_ms, *(one.updated_unix_ms - INCIDENTS_OVERLAP_MS for one in changed)])

    def _all_markets(self) -> set[str]:
        try:
            return {one.market.id for one in self._directory.markets()}
        except DBAPIError as error:
            log.warning("console.registry-unread", reason=str(error))
            return set()
