"""The national fleet: 500 markets x 200 stalls, every 10 s, through Mosquitto, ingest and each store."""

import argparse
import asyncio
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import storm
from broker.program.mosquitto import find_mosquitto
from jangteo.fleet_options import FleetOptions
from jangteo.fleet_run import measure
from jangteo.fleet_watch import FleetFigures, summary
from runtime.secret_files import write_secret
from tests.influx_fixtures import running_influx

MINUTES = 5.0
LAG_P99_MS_GOAL = 2000.0
RSS_BYTES_GOAL = 200e6
SHARE_GOAL = 0.5
GROWTH_MAX = 1.5


def main(arguments: Sequence[str]) -> int:
    """Print each run's summary and which goals it met; 1 when a reading was lost."""
    parser = argparse.ArgumentParser(prog="scripts/bench fleet", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long each store is under load")
    parser.add_argument("--store", choices=("embedded", "influx"), help="this store alone")
    parser.add_argument("--workers", type=int, default=1, help="how many ingest workers share the load")
    parser.add_argument("--storm", action="store_true", help="1,000 sessions lose their broker instead")
    asked = parser.parse_args(arguments)
    if find_mosquitto() is None:
        print("Mosquitto is not installed: nothing measured")
        return 0
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    if asked.storm:
        return storm.measure_storms(asked.seed)
    options = FleetOptions(minutes=asked.minutes, seed=asked.seed, workers=asked.workers)
    return max([run(options) for name, run in STORES.items() if asked.store in {None, name}])


def _embedded(options: FleetOptions) -> int:
    print("\nembedded store")
    return _report(asyncio.run(measure(options)))


def _influx(options: FleetOptions) -> int:
    if shutil.which("influxd") is None or shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
        print("\nInfluxDB or nginx is not installed: not measured")
        return 0
    print("\nInfluxDB 1.6 behind nginx, which is counted as the store's, too")
    with tempfile.TemporaryDirectory(prefix="jangteo-fleet-influx-") as name, running_influx(Path(name)) as server:
        write_secret(Path(name) / "token", server.token)
        there = dataclasses.replace(
            options,
            store="influx",
            influx_url=server.url,
            influx_token_file=Path(name) / "token",
            influx_bucket=server.new_bucket(),
            influx_org=server.org,
        )
        pids = () if server.process is None else (server.process.pid,)
        return _report(asyncio.run(measure(there, pids)))


STORES = {"embedded": _embedded, "influx": _influx}


def _report(figures: FleetFigures) -> int:
    print(summary(figures))
    first, last = figures.lag_p99_ms_first_quarter, figures.lag_p99_ms_last_quarter
    ingest = figures.parts.get("ingest")
    goals = {
        "nothing lost": figures.all_there,
        f"lag p99 under {LAG_P99_MS_GOAL:.0f} ms": (figures.lag_p99_ms or LAG_P99_MS_GOAL) < LAG_P99_MS_GOAL,
        "lag does not grow": first is not None and last is not None and last < GROWTH_MAX * first,
        f"under {SHARE_GOAL:.0%} of two cores": figures.central_cores < SHARE_GOAL * 2,
        f"ingest under {RSS_BYTES_GOAL / 1e6:.0f} MB": ingest is not None and ingest.rss_max_bytes < RSS_BYTES_GOAL,
    }
    for goal, met in goals.items():
        print(f"  {'met    ' if met else 'NOT MET'}  {goal}")
    return 0 if figures.all_there else 1
