"""Roll-ups at the national load: CPU per 1,000 series-windows, and how much of one core 100,000 stalls take."""

import os
import resource
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.freshness import ROLLUP_STEP_MS as W
from broker.series.influx import InfluxSeriesStore
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Sample, Series, SeriesStore
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.registry import MarketEntry, Named, Registry
from broker.stores.rollups import Rollups
from broker.upkeep.progress import Progress
from broker.upkeep.rolling import Span, roll
from broker.upkeep.rollups import RollUpJob
from broker.upkeep.settings import UpkeepSettings
from runtime.clock import ManualClock
from tests.influx_fixtures import running_influx

STALLS, MARKETS, WINDOWS, RUNS = 200, 5, 3, 3
PERIOD_MS = 10_000
NATIONAL_SERIES = 100_000
T0 = 1_795_000_200_000


def run(seed: int) -> None:
    """Fill each store that this machine has with `MARKETS` markets of `STALLS` bays, and roll them up."""
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; seed {seed} (nothing is drawn)")
    readings = MARKETS * STALLS * WINDOWS * (W // PERIOD_MS)
    print(
        f"{MARKETS} markets of {STALLS} bays, a reading in {PERIOD_MS // 1000} s, {WINDOWS} windows: {readings} in all"
    )
    _print_arithmetic()
    with tempfile.TemporaryDirectory(prefix="jangteo-bench-") as name:
        folder = Path(name)
        path = folder / "series.db"
        embedded = EmbeddedSeriesStore(path)
        _measure("embedded store", folder, embedded, None)
        _print_removal(embedded)
        if shutil.which("influxd") is None or shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
            print("InfluxDB or nginx is not installed: not measured")
            return
        with running_influx(folder) as server:
            store = InfluxSeriesStore(server.url, server.token, server.org, server.new_bucket(), timeout_s=60)
            assert server.process is not None  # noqa: S101 - it runs inside this block
            _measure("InfluxDB behind nginx", folder, store, psutil.Process(server.process.pid))
            store.close()


def _print_arithmetic() -> None:
    store = MemorySeriesStore()
    _fill(store, 1)
    samples = list(store.scan("m-0", "bays", 0, 2 * T0))
    begun_s = time.process_time()
    made = len(list(roll(samples, Span("m-0", "bays", T0, T0 + WINDOWS * W))))
    took_s = time.process_time() - begun_s
    print(f"arithmetic alone: {took_s / made * 1e6:.0f} ms CPU per 1,000 series-windows")


def _fields(number: int) -> dict[str, FieldValue]:
    occupied = float(number % 7 < 3)
    state = "occupied" if occupied else "free"
    return {
        "lot": "main",
        "state": state,
        "confidence": 0.95,
        "distance_mm": 1500.5 + number % 400,
        "since_unix_ms": T0,
        "known": 1.0,
        "occupied": occupied,
    }


def _fill(store: SeriesStore, markets: int) -> None:
    for market in range(markets):
        for moment in range(T0, T0 + WINDOWS * W, PERIOD_MS):
            store.write(
                [
                    Sample(
                        Series(f"m-{market}", "pi-1", "bays", f"stall-{stall}"), moment, _fields(moment // 1000 + stall)
                    )
                    for stall in range(STALLS)
                ]
            )


def _measure(name: str, folder: Path, store: SeriesStore, server: psutil.Process | None) -> None:
    _fill(store, MARKETS)
    url = sqlite_url(folder / f"central-{name.partition(' ')[0]}.db")
    engine = open_database(url)
    migrate(engine)
    registry = Registry(engine)
    for market in range(MARKETS):
        registry.enrol(MarketEntry(Named(f"m-{market}", "시장", "Market")))
    settings = UpkeepSettings.model_validate(
        {"database_url": url, "series": {"kind": "embedded", "path": str(folder / "unused.db")}}
    )
    clock = ManualClock(T0 + WINDOWS * W + 120_000)
    ours, theirs, walls = [], [], []
    for _ in range(RUNS):  # again from the beginning: it changes nothing but costs the same
        with engine.begin() as connection:
            connection.exec_driver_sql("DELETE FROM rollups")
        rollups = Rollups(engine)
        for market in range(MARKETS):
            rollups.note_done(f"m-{market}", T0)
        job = RollUpJob(settings, store, registry, rollups, clock, Progress())
        cpu_s, server_s, begun_s = time.process_time(), _cpu_s(server), time.perf_counter()
        while job.step():
            pass
        ours.append(time.process_time() - cpu_s)
        theirs.append(_cpu_s(server) - server_s)
        walls.append(time.perf_counter() - begun_s)
    engine.dispose()
    _print(name, statistics.median(ours), statistics.median(theirs), statistics.median(walls))


def _cpu_s(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)


def _print(name: str, ours_s: float, theirs_s: float, wall_s: float) -> None:
    thousands = MARKETS * STALLS * WINDOWS / 1000
    share = ours_s / thousands * (NATIONAL_SERIES / 1000) / (W / 1000)
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{name} (median of {RUNS}):")
    each = ours_s / thousands * 1000
    print(f"  {each:.0f} ms CPU of upkeep per 1,000 series-windows, {wall_s / thousands * 1000:.0f} ms of time")
    if theirs_s:
        print(f"  {theirs_s / thousands * 1000:.0f} ms CPU of the server beside it")
    print(f"  {NATIONAL_SERIES:,} series: {share:.1%} of one core for upkeep; RSS of this process at most {rss:.0f} MB")


def _print_removal(store: EmbeddedSeriesStore) -> None:
    """What another writer waits while old readings are removed."""
    waits: list[float] = []
    with _writing(store, waits):
        begun_s, calls = time.perf_counter(), 0
        while not store.prune(["bays"], T0 + (WINDOWS - 1) * W):
            calls += 1
            time.sleep(0.2)
        took_s = time.perf_counter() - begun_s
    ordered = sorted(waits)
    print(f"  removal: {calls} pieces in {took_s:.1f} s; a writer beside it waits", end=" ")
    print(f"{_ms(ordered, 0.5)} ms (median), {_ms(ordered, 0.99)} ms (p99), {_ms(ordered, 1.0)} ms (at most)")


def _ms(ordered: Sequence[float], share: float) -> str:
    return f"{ordered[int(share * (len(ordered) - 1))] * 1000:.1f}"


@contextmanager
def _writing(store: EmbeddedSeriesStore, waits: list[float]) -> Iterator[None]:
    stop, other = threading.Event(), EmbeddedSeriesStore(store._path)  # noqa: SLF001 - the same file, as ingest has it

    def write() -> None:
        number = 0
        while not stop.wait(0.01):
            batch = [
                Sample(Series("m-0", "pi-1", "bays", f"stall-{stall}"), 2 * T0 + number, _fields(stall))
                for stall in range(STALLS)
            ]
            begun_s = time.perf_counter()
            other.write(batch)
            waits.append(time.perf_counter() - begun_s)
            number += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        other.close()
