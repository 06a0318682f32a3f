"""What the registry costs ingest, which holds it in memory: 500 markets with 200 stalls each."""

import argparse
import ctypes
import gc
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from sqlalchemy import Engine

from broker.ingest.known import MARKETS_PER_READ, REFRESH_S, KnownSeries
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.access import DeviceIdentity
from runtime.clock import ManualClock

DEVICE = "edge-1"
KIND = "bays"
REFRESHES = 20
STATM = Path("/proc/self/statm")
PAGE_BYTES = 4096
MB = 1e6


def main(arguments: Sequence[str]) -> int:
    """`scripts/bench registry [--database URL] [--markets N] [--stalls N]`: CPU time and memory of reading it."""
    parser = argparse.ArgumentParser(prog="scripts/bench registry", description=main.__doc__)
    parser.add_argument("--database", help="an empty PostgreSQL database's URL; a new SQLite file if none is given")
    parser.add_argument("--markets", type=int, default=500)
    parser.add_argument("--stalls", type=int, default=200, help="of each market")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(options.database or sqlite_url(Path(folder) / "central.db"))
        migrate(engine)
        _measure(engine, [f"market-{n:03}" for n in range(options.markets)], options.stalls)
        engine.dispose()
    return 0


def _measure(engine: Engine, markets: Sequence[str], stalls: int) -> None:
    registry, clock = Registry(engine), ManualClock()
    for market in markets:
        registry.enrol(_entry(market, stalls))
    registry.rosters(markets[:MARKETS_PER_READ])  # what the database's driver and SQLAlchemy keep is not the registry's
    known = KnownSeries(registry, clock)
    empty_mb = _rss_mb()

    def refresh() -> None:
        clock.advance(REFRESH_S + 1)
        known.begin()

    full_s = _cpu_s(refresh)
    full_mb = _rss_mb()
    unchanged_s = [_cpu_s(refresh) for _ in range(REFRESHES)]
    unchanged_mb = _rss_mb()
    changed_s = [_after_enrolment(registry, [market], stalls, refresh) for market in markets[:REFRESHES]]
    _after_enrolment(registry, markets, stalls, refresh)
    again_mb = _rss_mb()
    missing = sum(known.series(DeviceIdentity(market, DEVICE), KIND, _stall(stalls - 1)) is None for market in markets)
    print(
        f"{len(markets)} markets, {len(markets) * stalls} stalls in {engine.dialect.name}; CPU time, RSS of the process"
    )
    print(f"read whole: {full_s * 1e3:.0f} ms; the table: {full_mb - empty_mb:.1f} MB")
    print(f"refresh, nothing changed: median {median(unchanged_s) * 1e3:.2f} ms, max {max(unchanged_s) * 1e3:.2f} ms")
    print(f"refresh, one market enrolled again: median {median(changed_s) * 1e3:.2f} ms")
    print(f"growth over {REFRESHES} refreshes without a change: {unchanged_mb - full_mb:.1f} MB")
    print(f"growth over {REFRESHES} with one, and one with every market changed: {again_mb - unchanged_mb:.1f} MB")
    print(f"markets not known afterwards: {missing}")


def _entry(market: str, stalls: int) -> MarketEntry:
    subjects = tuple(Subject(KIND, _stall(number), DEVICE) for number in range(stalls))
    return MarketEntry(Named(market, market, market), devices=(DEVICE,), subjects=subjects)


def _stall(number: int) -> str:
    return f"stall-{number:03}"


def _after_enrolment(registry: Registry, markets: Sequence[str], stalls: int, refresh: Callable[[], None]) -> float:
    for market in markets:
        registry.enrol(_entry(market, stalls))
    return _cpu_s(refresh)


def _cpu_s(do: Callable[[], None]) -> float:
    begun_s = time.thread_time()
    do()
    return time.thread_time() - begun_s


def _rss_mb() -> float:
    """Resident memory, in MB, without what the allocator keeps of things that are gone."""
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL(None).malloc_trim(0)
    return int(STATM.read_text().split()[1]) * PAGE_BYTES / MB
