"""A faulty device's made-up hours: what they leave in the journal must be what a real sensor could have made."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest

from benchmarks.faults.device import HOUR_STEP, FaultDevice
from benchmarks.faults.journal import Numbered, read_journal
from benchmarks.faults.machine import start_board
from benchmarks.faults.plans import AMPLE, HOUR, DevicePlan, Order, ProcessPlan
from contract.ids import CLOCK_FLOOR_UNIX_MS
from runtime.secret_files import write_secret

DEVICE = DevicePlan(market="jungang", device="d1", port=1, outbox=AMPLE)
AN_HOUR = Order(device="d1", do="hour", amount=3 * HOUR_STEP)


@pytest.fixture
def plan(tmp_path: Path) -> ProcessPlan:
    plan = ProcessPlan(folder=tmp_path, data=tmp_path, devices=(DEVICE,), period_s=1.0, alarm_period_s=60.0)
    write_secret(plan.password_file("d1"), "word")
    return plan


@contextmanager
def started(plan: ProcessPlan, *, has_time_service: bool) -> Iterator[FaultDevice]:
    """The device on a board that was started now; it ends without goodbye."""
    start_board(plan.boot_file, has_time_service=has_time_service)
    device = FaultDevice(plan, DEVICE)
    yield device
    device._held.close()
    device._journal.close()


def stamps(plan: ProcessPlan) -> dict[Numbered, int]:
    """Under which time each reading of the journal was made."""
    return {name: made.true_unix_ms for name, made in read_journal(plan.journal_file("d1")).made.items()}


async def test_two_hours_come_one_after_the_other(plan: ProcessPlan) -> None:
    with started(plan, has_time_service=True) as device:
        await asyncio.gather(device.obey(AN_HOUR), device.obey(AN_HOUR))
    made = stamps(plan)
    assert list(made) == [(f"d1-{HOUR}", number) for number in range(1, 6 * HOUR_STEP + 1)]
    runs = [(of_hour, len(list(those))) for of_hour, those in groupby(stamp % 1000 for stamp in made.values())]
    assert runs == [(1, 3 * HOUR_STEP), (2, 3 * HOUR_STEP)], "each has a millisecond of its own, and is whole"
    assert len(set(made.values())) == len(made)


async def test_an_hour_after_a_restart_has_another_millisecond(plan: ProcessPlan) -> None:
    for _ in range(2):
        with started(plan, has_time_service=True) as device:
            await device.obey(AN_HOUR)
    made = stamps(plan)
    assert {stamp % 1000 for stamp in made.values()} == {1, 2}
    assert len(made) == len(set(made.values())) == 6 * HOUR_STEP


async def test_a_board_without_a_clock_has_no_hour_behind_it(plan: ProcessPlan) -> None:
    with started(plan, has_time_service=False) as device:
        await device.obey(AN_HOUR)
    assert stamps(plan) == {}
    with started(plan, has_time_service=True) as device:
        await device.obey(AN_HOUR)
    assert min(stamps(plan).values()) > CLOCK_FLOOR_UNIX_MS
