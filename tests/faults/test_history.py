"""A short history with every kind of fault, and one with a broken promise that the checker must see."""

import sys
from pathlib import Path

import pytest

from benchmarks.faults.history import History, run_history
from benchmarks.faults.house import Options
from benchmarks.faults.kinds import TABLE
from benchmarks.faults.report import lines
from broker.program.mosquitto import find_mosquitto
from tests.absent import absent

pytestmark = pytest.mark.server

SEED = 3
EVERY_KIND_ONCE = sum(row.kind.cards for row in TABLE)
SHORT = Options(devices=3, hour_readings=1200, alarm_period_s=1.0)


@pytest.fixture(autouse=True)
def mosquitto_is_there() -> None:
    if find_mosquitto() is None:
        absent("the mosquitto program is not installed")


def told(history: History) -> str:
    return "\n".join([*map(str, history.planned), *lines(history)])


async def test_nothing_is_lost_or_doubled_whatever_breaks(tmp_path: Path) -> None:
    history = await run_history(tmp_path, SEED, EVERY_KIND_ONCE, SHORT, between_s=(0.2, 1.0))
    assert history.good, told(history)
    verdict = history.verdict
    assert verdict.readings > 500
    assert verdict.alarms_stored > 10
    injected = {one.kind for one in history.injected}
    assert len(injected) >= len({one.kind for one in history.planned}) - 3, told(history)


async def test_an_ingest_that_confirms_before_it_writes_is_found_out(tmp_path: Path) -> None:
    careless = (sys.executable, "-m", "tests.faults.careless_ingest")
    options = Options(devices=2, ingest=careless)
    history = await run_history(tmp_path, SEED, 4, options, only=frozenset({"ingest-killed"}))
    assert history.verdict.lost > 0, told(history)
    assert not history.good
    assert "is nowhere" in history.verdict.sentences[0]
