"""Keeps components running: one that raises is said, waits, and runs again. None takes another down."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from edge.ports import Component
from runtime.backoff import Backoff
from runtime.clock import Clock

log = structlog.get_logger(__name__)

SETTLED_AFTER_S = 30.0
DELAY_S_MIN, DELAY_S_MAX = 0.5, 30.0

FaultSink = Callable[[str, str | None], None]
"""A component's name and what is wrong with it now; None once it has run for a while again."""


@dataclass(frozen=True, slots=True)
class Supervisor:
    """Runs components until cancelled, restarting with bounded back-off."""

    on_fault: FaultSink
    clock: Clock

    async def keep(self, component: Component) -> None:
        """Run `component`, again and again."""
        backoff = Backoff(DELAY_S_MIN, DELAY_S_MAX)
        while True:
            begun_s = self.clock.monotonic_s()
            settled = asyncio.get_running_loop().call_later(SETTLED_AFTER_S, self.on_fault, component.name, None)
            try:
                await component.run()
                detail = "it ended by itself"
            except Exception as error:
                detail = f"{type(error).__name__}: {error}"
                log.exception("component.failed", component=component.name)
            finally:
                settled.cancel()
            self.on_fault(component.name, detail[:500])
            if self.clock.monotonic_s() - begun_s >= SETTLED_AFTER_S:
                backoff.reset()
            delay_s = backoff.next_delay_s()
            log.warning("component.restarts", component=component.name, delay_s=round(delay_s, 1))
            await asyncio.sleep(delay_s)
