import asyncio
import dataclasses

import pytest

from firmware_sim.fleet.fleet import Fleet
from firmware_sim.fleet.link import Place
from firmware_sim.fleet.plan import FleetPlan
from jangteo.fleet_watch import FleetFigures, Watch, summary

PLAN = FleetPlan(markets=1, stalls=4, batch=2)


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(PLAN, Place("127.0.0.1", 1, lambda name: (name, "word")))


def watched(fleet: Fleet) -> Watch:
    return Watch(fleet, lambda _: (), lambda: 0, 0.0)


async def test_the_line_tells_the_last_seconds_and_the_figures_everything(fleet: Fleet) -> None:
    watch = watched(fleet)
    fleet.counters.sent = fleet.counters.receipted = fleet.counters.made = 50
    fleet.counters.lags.add(100.0, 50)
    first = watch.line(5.0)
    assert "sent 10/s  receipted 10/s  lag p50 100 ms p99 100 ms" in first
    fleet.counters.sent = 90
    assert "sent 8/s  receipted 0/s  lag p50 unknown" in watch.line(10.0)
    figures = watch.figures(10.0)
    assert (figures.made, figures.readings_per_s, figures.lag_p99_ms, figures.lost) == (50, 5.0, 100.0, 0)
    assert "load" in figures.parts
    assert "lost: 0  (the store was not read back)" in summary(figures)


async def test_growing_lag_shows_between_the_first_and_the_last_quarter(fleet: Fleet) -> None:
    watch = watched(fleet)
    for step in range(1, 9):
        fleet.counters.lags.add(step * 100.0)
        watch.line(step * 5.0)
    figures = watch.figures(40.0)
    assert figures.lag_p99_ms_first_quarter == pytest.approx(150, rel=0.03)
    assert figures.lag_p99_ms_last_quarter == pytest.approx(750, rel=0.03)


async def test_what_is_lost_is_the_most_that_either_side_misses(fleet: Fleet) -> None:
    watch = watched(fleet)
    fleet.counters.made, fleet.counters.dropped = 100, 3
    await asyncio.sleep(0)
    figures = watch.figures(1.0)
    assert figures.lost == 3
    assert lost(figures, stored=90) == 10
    assert lost(figures, stored=100) == 3
    assert "series differ, first: stall-1" in summary(
        replaced(figures, stored=100, wrong_series=1, first_wrong="stall-1")
    )
    assert not replaced(figures, dropped=0, stored=100, wrong_series=1).all_there


def lost(figures: FleetFigures, stored: int) -> int:
    return replaced(figures, stored=stored).lost


def replaced(figures: FleetFigures, **changes: object) -> FleetFigures:
    return dataclasses.replace(figures, **changes)  # type: ignore[arg-type] # a test's own table
