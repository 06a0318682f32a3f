"""One history: a house, a schedule, an end, a verdict."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.faults.checker import Verdict, check
from benchmarks.faults.findings import gather
from benchmarks.faults.house import House, Options, running_house
from benchmarks.faults.journal import read_journal
from benchmarks.faults.kinds import kinds_of, make
from benchmarks.faults.schedule import BETWEEN_S, Planned, plan

DRAIN_S_MAX = 120.0
LOOK_S = 0.1
AFTER_LAST_S = 1.0


@dataclass(slots=True)
class History:
    """What happened. `undrained` names the devices that never got everything confirmed, empty if none."""

    seed: int
    options: Options
    planned: list[Planned] = field(default_factory=list)
    injected: list[Planned] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)
    undrained: str = ""
    ended_by_themselves: dict[str, list[int]] = field(default_factory=dict)
    faults_s: float = 0.0
    drain_s: float = 0.0

    @property
    def good(self) -> bool:
        """Whether every promise was kept, everything came to rest, and no part ended by itself."""
        return self.verdict.good and not self.undrained and not self.ended_by_themselves


async def run_history(
    folder: Path,
    seed: int,
    count: int,
    options: Options,
    *,
    between_s: tuple[float, float] = BETWEEN_S,
    only: frozenset[str] = frozenset(),
    tell: Callable[[str], None] = print,
) -> History:
    """Build the house in `folder`, inject `count` faults drawn from `seed`, mend all, wait, and check.

    Raises:
        FatalError: a program is not installed, or a part did not come up.
    """
    history = History(seed, options)
    async with running_house(folder, options) as house:
        kinds = [kind for kind in kinds_of(house) if not only or kind.name in only]
        history.planned = plan(seed, count, kinds, between_s=between_s)
        begun_s = time.monotonic()
        await _inject_all(house, history, tell)
        history.faults_s = time.monotonic() - begun_s
        await _drain(house, history)
        history.ended_by_themselves = {one.name: one.ended_by_itself for one in house.programs if one.ended_by_itself}
        records = {
            one.device: read_journal(process.journal_file(one.device))
            for process in house.processes
            for one in process.devices
        }
        evidence = await asyncio.to_thread(gather, house)
        (folder / "gaps.txt").write_text("".join(f"{gap}\n" for gap in evidence.gaps), encoding="utf-8")
        history.verdict = check(records, evidence)
    return history


async def _inject_all(house: House, history: History, tell: Callable[[str], None]) -> None:
    begun_s = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for planned in history.planned:
            await asyncio.sleep(max(0.0, begun_s + planned.at_s - time.monotonic()))
            group.create_task(_inject(house, history, planned, tell))
    await asyncio.sleep(AFTER_LAST_S)


async def _inject(house: House, history: History, planned: Planned, tell: Callable[[str], None]) -> None:
    fault = make(house, planned)
    if not await fault.begin():
        tell(f"{planned}  (not injected: broken already)")
        return
    tell(str(planned))
    history.injected.append(planned)
    try:
        await asyncio.sleep(planned.hold_s)
    finally:
        await fault.end()


async def _drain(house: House, history: History) -> None:
    """Nothing breaks any more, nothing new is made: everything must come to rest in the stores."""
    house.stop_making()
    begun_s = time.monotonic()
    while not house.drained():
        if time.monotonic() - begun_s > DRAIN_S_MAX:
            history.undrained = house.undrained()
            break
        await asyncio.sleep(LOOK_S)
    history.drain_s = time.monotonic() - begun_s
