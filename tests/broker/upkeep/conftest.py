"""A small house for upkeep: a central state with two markets, a store, and a clock that is moved."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broker.series.freshness import ROLLUP_STEP_MS, rolled_kind
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Sample, Series, SeriesStore
from broker.stores.database import migrate, open_database, sqlite_url, transaction
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from broker.stores.rollups import Rollups
from broker.stores.schema import dirty_windows
from broker.upkeep.progress import Progress
from broker.upkeep.rollups import RollUpJob
from broker.upkeep.settings import UpkeepSettings
from runtime.clock import ManualClock

T0 = 1_795_000_200_000  # the beginning of a window
W = ROLLUP_STEP_MS
BAY = Series("jungang", "pi-1", "bays", "a-01")
ROLLED_BAY = Series("jungang", "pi-1", rolled_kind("bays"), "a-01")


@dataclass
class House:
    """What the tests hold in their hands. `store` may be replaced before `job` is asked for."""

    settings: UpkeepSettings
    engine: Engine
    clock: ManualClock
    registry: Registry
    rollups: Rollups
    store: SeriesStore
    progress: Progress

    def job(self) -> RollUpJob:
        """A job as it is after a start."""
        return RollUpJob(self.settings, self.store, self.registry, self.rollups, self.clock, self.progress)

    def run(self, job: RollUpJob | None = None, steps_max: int = 2000) -> int:
        """Step until there is nothing to do; how many steps it took."""
        job = job or self.job()
        for steps in range(steps_max):
            if not job.step():
                return steps
        raise AssertionError(f"still something to do after {steps_max} steps")

    def read(self, offset_s: float, series: Series = BAY, **fields: FieldValue) -> None:
        """A reading `offset_s` after `T0` is in the store."""
        self.store.write([Sample(series, T0 + int(offset_s * 1000), fields or {"occupied": 1.0, "known": 1.0})])

    def late(self, offset_s: float, market: str = "jungang", **fields: FieldValue) -> None:
        """A late reading, marked as ingest marks it: after it was written."""
        self.read(offset_s, BAY._replace(market=market), **fields)
        time = T0 + int(offset_s * 1000)
        with transaction(self.engine) as connection:
            connection.execute(dirty_windows.insert().values(market=market, window_unix_ms=time - time % W))

    def rolled(self, field: str, series: Series = ROLLED_BAY) -> dict[int, FieldValue]:
        """A field of the roll-up by the number of its window after `T0`."""
        return {(time - T0) // W: value for time, value in self.store.range(series, field, 0, 2 * T0)}


def enrol(registry: Registry, *markets: str) -> None:
    for market in markets:
        subjects = (Subject("bays", "a-01", "pi-1"),)
        registry.enrol(MarketEntry(Named(market, "시장", "Market"), devices=("pi-1", "pi-2"), subjects=subjects))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    url = sqlite_url(tmp_path / "central.db")
    engine = open_database(url)
    migrate(engine)
    settings = UpkeepSettings.model_validate(
        {"database_url": url, "series": {"kind": "embedded", "path": str(tmp_path / "series.db")}}
    )
    registry = Registry(engine)
    enrol(registry, "jungang", "nambu")
    yield House(settings, engine, ManualClock(T0), registry, Rollups(engine), MemorySeriesStore(), Progress())
    engine.dispose()
