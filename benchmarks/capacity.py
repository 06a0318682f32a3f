"""What 1, 3 and 10 times the national fleet need: two short runs measured, the rest computed from them."""

import argparse
import asyncio
import os
import random
from collections.abc import Sequence

from firmware_sim.fleet.capacity import Costs, Measured, Worker, costs_of, need, queue
from jangteo.fleet_options import FleetOptions
from jangteo.fleet_run import measure
from jangteo.fleet_watch import FleetFigures

MINUTES = 1.0
LARGE, SMALL = 20, 5
SCALES = (1, 3, 10)
LINGER_MS = 20.0
SIMULATED_S = 120.0
NATIONAL_READINGS_PER_S = 10_000.0


def main(arguments: Sequence[str]) -> int:
    """Measure the costs of a batch and of a reading, then print the table of needs and the workers' lag."""
    parser = argparse.ArgumentParser(prog="scripts/bench capacity", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long each of the two runs is")
    asked = parser.parse_args(arguments)
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    sizes = (LARGE, SMALL)
    runs = [asyncio.run(measure(FleetOptions(minutes=asked.minutes, batch=size, seed=asked.seed))) for size in sizes]
    if not all(one.all_there for one in runs):
        print("a run lost readings: nothing can be concluded from it")
        return 1
    large, small = runs
    costs = costs_of(_measured(large), _measured(small))
    print(
        f"measured: broker {costs.broker_batch_s * 1e6:.0f} us a batch, ingest {costs.ingest_batch_s * 1e6:.0f} us a"
        f" batch and {costs.ingest_reading_s * 1e6:.1f} us a reading (the embedded store's writing included)"
    )
    for batch in (LARGE, SMALL):
        _needs(costs, batch)
    # What the median lag holds beside the linger is what a write costs however small it is.
    write_s = max(0.0, (large.lag_p50_ms or 0.0) - LINGER_MS) / 1000.0
    print(f"a write: {write_s * 1000:.0f} ms beside its batches")
    for scale in SCALES:
        _lags(costs, write_s, scale, asked.seed)
    return 0


def _measured(one: FleetFigures) -> Measured:
    cores = {name: part.cores for name, part in one.parts.items()}
    return Measured(
        one.readings_per_s,
        one.batches_per_s,
        cores.get("broker", 0.0),
        cores.get("ingest", 0.0),
        cores.get("store", 0.0),
    )


def _needs(costs: Costs, batch: int) -> None:
    for scale in SCALES:
        one = need(costs, scale * NATIONAL_READINGS_PER_S, batch)
        print(
            f"{scale:>3} x, batches of {batch:>2}: {one.readings_per_s:>8,.0f} readings/s {one.batches_per_s:>7,.0f}"
            f" batches/s  broker {one.broker_cores:5.2f} cores ({one.brokers})  ingest {one.ingest_cores:5.2f} cores"
            f" ({one.workers} workers at 60 %)"
        )


def _lags(costs: Costs, write_s: float, scale: int, seed: int) -> None:
    batches_per_s = scale * NATIONAL_READINGS_PER_S / LARGE
    wanted = need(costs, scale * NATIONAL_READINGS_PER_S, LARGE).workers
    for workers in sorted({max(1, wanted // 2), wanted, wanted + 1}):
        worker = Worker(costs.worker_batch_s(LARGE), write_s)
        lags = queue(worker, workers, batches_per_s, SIMULATED_S, random.Random(seed))  # noqa: S311 - reproducible
        p50, p99 = lags.percentile_ms(0.5), lags.percentile_ms(0.99)
        print(
            f"{scale:>3} x with {workers:>2} workers: simulated lag p50 {p50:,.0f} ms  p99 {p99:,.0f} ms"
            f"  max {lags.max_ms:,.0f} ms"
        )
