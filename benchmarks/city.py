"""The city dashboard at 100,000 bays: how long InfluxDB takes for each of its questions."""

import json
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx

from broker.series.freshness import ROLLUP_STEP_MS as W
from broker.series.influx import InfluxSeriesStore
from broker.series.ports import FieldValue, Sample, Series, SeriesStore
from broker.upkeep.markets import MarketWindows
from broker.upkeep.rolling import Span, roll
from dashboards import city, queries
from dashboards.documents import dashboard_text
from dashboards.market_occupancy import BAY_FIELDS
from tests.dashboards.grafana import ALL, Source, Variable, View, queries_of
from tests.influx_fixtures import running_influx

MARKETS, BAYS, CAMERAS, RUNS = 500, 200, 2, 3
HOURS = 24
T0 = 1_795_046_400_000
BATCH = 5000
FLOWS: Mapping[str, FieldValue] = {
    f"{what}_{way}_count": 12.0 for what in ("vehicles", "people") for way in ("in", "out")
}


def run(seed: int) -> None:
    """Ask everything that the city dashboard asks, of every market, and beside it what asking each bay would take."""
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; seed {seed} (nothing is drawn)")
    if shutil.which("influxd") is None or shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
        print("InfluxDB or nginx is not installed: not measured")
        return
    with tempfile.TemporaryDirectory(prefix="jangteo-bench-") as name, running_influx(Path(name)) as server:
        bucket = server.new_bucket()
        store = InfluxSeriesStore(server.url, server.token, server.org, bucket, timeout_s=60)
        _fill(store)
        store.close()
        source = Source(server.url, server.token, bucket)
        _measure(source)
        source.close()


def _fill(store: SeriesStore) -> None:
    print(
        f"{MARKETS} markets of {BAYS} bays: {HOURS} h of the markets' windows; of every bay the last minute,"
        f" of an agent and {CAMERAS} cameras a market the last hour, read every 10 s"
    )
    batch: list[Sample] = []
    for sample in _samples():
        batch.append(sample)
        if len(batch) == BATCH:
            store.write(batch)
            batch = []
    store.write(batch)


def _samples() -> Iterator[Sample]:
    for number in range(MARKETS):
        market = f"m-{number:03}"
        for moment in range(T0 - 60_000, T0, 10_000):
            yield from (_bay(market, bay, moment) for bay in range(BAYS))
        for moment in range(T0 - 3_600_000, T0, 10_000):
            agent: dict[str, FieldValue] = {"uptime_s": 5.0, "outbox_rows": 2}
            yield Sample(Series(market, "pi-1", "agents", "pi-1"), moment, agent)
            for camera in range(CAMERAS):
                series = Series(market, "pi-1", "cameras", f"cam-{camera}")
                yield Sample(series, moment + 5000, {"state": "live", "known": 1.0, "fire_score": 0.01})
        fields = _window(market)
        for begin in range(T0 - HOURS * 3_600_000, T0 - W, W):
            yield Sample(Series(market, "market", "markets-5m", market), begin, fields)


def _bay(market: str, bay: int, moment: int) -> Sample:
    occupied = float(bay % 7 < 3)
    state = "occupied" if occupied else "free"
    fields: dict[str, FieldValue] = {"lot": "main", "state": state, "known": 1.0, "occupied": occupied}
    return Sample(Series(market, "pi-1", "bays", f"stall-{bay}"), moment, fields)


def _window(market: str) -> Mapping[str, FieldValue]:
    """What upkeep says of such a market in five minutes, and flows."""
    whole, span = MarketWindows(market, T0, T0 + W), Span(market, "bays", T0, T0 + W)
    readings = (_bay(market, bay, moment) for bay in range(BAYS) for moment in range(T0, T0 + W, 10_000))
    for _ in roll(readings, span, whole.add):
        pass
    return {**next(whole.samples()).fields, **FLOWS}


def _measure(source: Source) -> None:
    dashboard = json.loads(dashboard_text(city.build()))
    everything = View(
        T0 - HOURS * 3_600_000, T0, {"market": Variable("market", multi=True, all_value=".*")}, {"market": ALL}
    )
    closed = {one["title"] for row in dashboard["panels"] for one in row.get("panels", ())}
    taken: dict[bool, list[float]] = {False: [], True: []}
    for title, panel, target in queries_of(dashboard):
        is_closed = panel["title"] in closed
        text = everything.for_panel(panel).query(target["query"], panel.get("interval"))
        name = title.partition(" / ")[2] + (" (in a closed row)" if is_closed else "")
        taken[is_closed].append(_print(source, name, text))
    for is_closed, words in ((False, "asked when it is opened or renewed"), (True, "in closed rows")):
        print(f"{len(taken[is_closed])} questions {words}, one after the other: {sum(taken[is_closed]):.2f} s")
    counts = f"{queries.FREE}, {queries.OCCUPIED}, {queries.UNKNOWN}"
    each = queries.now("bays", counts, BAY_FIELDS, where=queries.MARKET, by='"market"')
    try:
        _print(source, "for comparison, each bay's newest reading", everything.query(each), runs=1)
    except httpx.TransportError:  # said in the figures, and the others go on
        print("  no answer within 60 s: for comparison, each bay's newest reading")


def _print(source: Source, title: str, text: str, *, runs: int = RUNS) -> float:
    walls: list[float] = []
    rows = 0
    for _ in range(runs):
        begun_s = time.perf_counter()
        rows = sum(len(one["values"]) for one in source.ask(text))
        walls.append(time.perf_counter() - begun_s)
    median = statistics.median(walls)
    print(f"  {median:7.3f} s median ({runs} times, at most {max(walls):.3f} s), {rows} rows: {title}")
    return median
