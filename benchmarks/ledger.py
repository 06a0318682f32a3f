"""What the ledger costs for each message, as 7,500 messages a second from 500 devices would use it."""

import argparse
import random
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import quantiles

from broker.stores.database import migrate, open_database, sqlite_url, transaction
from broker.stores.deliveries import Arrival, Deliveries, Delivery
from broker.stores.gap_rows import Source
from broker.stores.schema import parts
from broker.stores.sequences import Sequences
from runtime.clock import SystemClock

DEVICES = 500
BATCH_MESSAGES = 750  # what a tenth of a second brings
BATCHES_PER_REVIEW = 50  # five seconds
LOOK_EVERY_S = 0.005


def main(arguments: Sequence[str]) -> int:
    """`scripts/bench ledger [--database URL] [--reviews N]`: CPU and wall time a message, and how long others wait."""
    parser = argparse.ArgumentParser(prog="scripts/bench ledger", description=main.__doc__)
    parser.add_argument("--database", help="a PostgreSQL URL; a new SQLite file if none is given")
    parser.add_argument("--reviews", type=int, default=4, help="how often five seconds of traffic are taken")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        _measure(options.database or sqlite_url(Path(folder) / "central.db"), options.reviews)
    return 0


def _measure(url: str, reviews: int) -> None:
    engine = open_database(url)
    migrate(engine)
    deliveries, ledger = Deliveries(engine), Sequences(engine, SystemClock())
    sources = [Source(f"market-{n:03}", "edge-1", "0123456789abcdef") for n in range(DEVICES)]
    newest, chance = [0] * DEVICES, random.Random(1)  # noqa: S311 - which device is next, no secret
    waits_s: list[float] = []
    ended = threading.Event()
    other = threading.Thread(target=_write_like_alerts, args=(url, ended, waits_s))
    other.start()
    spent = {"record": [0.0, 0.0], "review": [0.0, 0.0]}
    for _ in range(reviews):
        for _ in range(BATCHES_PER_REVIEW):
            batch = _batch(sources, newest, chance)
            _timed(spent["record"], partial(deliveries.record, Delivery(arrivals=batch)))
        _timed(spent["review"], ledger.review)
    ended.set()
    other.join()
    messages = reviews * BATCHES_PER_REVIEW * BATCH_MESSAGES
    print(f"{messages} messages of {DEVICES} devices into {engine.dialect.name}, batches of {BATCH_MESSAGES}")
    for name, (wall_s, cpu_s) in spent.items():
        print(f"{name}: {wall_s / messages * 1e6:.1f} µs wall, {cpu_s / messages * 1e6:.1f} µs CPU a message")
    marks = quantiles(waits_s, n=100)
    p50_ms, p99_ms, most_ms = marks[49] * 1e3, marks[98] * 1e3, max(waits_s) * 1e3
    print(f"another writer's transaction takes: p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms, max {most_ms:.0f} ms")
    engine.dispose()


def _batch(sources: Sequence[Source], newest: list[int], chance: random.Random) -> list[Arrival]:
    found, now = [], time.time_ns() // 1_000_000
    for _ in range(BATCH_MESSAGES):
        index = chance.randrange(DEVICES)
        newest[index] += 1
        found.append((*sources[index], newest[index], now))
    return found


def _timed(spent: list[float], do: Callable[[], object]) -> None:
    wall_s, cpu_s = time.perf_counter(), time.thread_time()
    do()
    spent[0] += time.perf_counter() - wall_s
    spent[1] += time.thread_time() - cpu_s


def _write_like_alerts(url: str, ended: threading.Event, waits_s: list[float]) -> None:
    """Small transactions in the same database, as alerts has them: how long each takes."""
    engine = open_database(url)
    row = {"part": "bench", "state": "ok", "detail": "", "started_unix_ms": 0, "updated_unix_ms": 0}
    row |= {"stale_after_s": 1.0, "counters": {}}
    while not ended.wait(LOOK_EVERY_S):
        begun_s = time.perf_counter()
        with transaction(engine) as connection:
            connection.execute(parts.delete().where(parts.c.part == "bench"))
            connection.execute(parts.insert(), [row])
        waits_s.append(time.perf_counter() - begun_s)
    engine.dispose()
