"""Supervision: a component that raises comes back, and takes nobody with it."""

import asyncio

import pytest

from edge import supervision
from edge.supervision import Supervisor
from runtime.clock import SystemClock
from tests.eventually import eventually_async


class Shaky:
    """Fails `failures` times, then works."""

    name = "shaky"

    def __init__(self, failures: int) -> None:
        self.runs = 0
        self._failures = failures

    async def run(self) -> None:
        self.runs += 1
        if self.runs <= self._failures:
            raise RuntimeError("a defect")
        await asyncio.Event().wait()


async def test_a_failed_component_is_said_and_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "DELAY_S_MIN", 0.01)
    monkeypatch.setattr(supervision, "SETTLED_AFTER_S", 0.05)
    faults: list[tuple[str, str | None]] = []
    shaky = Shaky(2)
    supervisor = Supervisor(lambda name, detail: faults.append((name, detail)), SystemClock())
    task = asyncio.create_task(supervisor.keep(shaky))

    await eventually_async(lambda: faults == [("shaky", "RuntimeError: a defect")] * 2 + [("shaky", None)])
    assert shaky.runs == 3
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
