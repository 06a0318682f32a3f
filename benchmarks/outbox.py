"""The outbox on this disk: puts and drains a second, and what a reading costs in bytes."""

import random
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from contract.catalog import topic_for
from contract.payload import Payload
from contract.telemetry import BayBatch, BayReading, BayState
from runtime.clock import SystemClock
from transport.sqlite_outbox import SqliteOutbox

RUNS, BATCHES, READINGS, DRAIN_ROWS = 3, 3000, 12, 250
BYTES_MAX = 64_000_000


def run(seed: int) -> None:
    """Measure `RUNS` times in a fresh directory under the temporary folder; print medians last."""
    rng = random.Random(seed)  # noqa: S311 - measured data, no secret
    print(f"outbox: {BATCHES} batches of {READINGS} bay readings, {RUNS} runs, seed {seed}, {tempfile.gettempdir()}")
    figures = [_measure(rng) for _ in range(RUNS)]
    puts, p99s, drains, sizes = zip(*figures, strict=True)
    print(f"put           {statistics.median(puts):10.0f} batches/s (WAL, synchronous=FULL, one transaction each)")
    print(f"put p99       {statistics.median(p99s):10.2f} ms")
    print(f"drain         {statistics.median(drains):10.0f} batches/s ({DRAIN_ROWS} a receipt)")
    print(f"bytes on disk {statistics.median(sizes):10.1f} per reading")


def _measure(rng: random.Random) -> tuple[float, float, float, float]:
    topic = topic_for("jungang", "edge-1", BayBatch)
    readings = [_readings(rng) for _ in range(50)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "outbox.db"
        outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=SystemClock())
        puts_s = []
        for number in range(BATCHES):

            def build(epoch: str, seq: int, chosen: Sequence[BayReading] = readings[number % 50]) -> Payload:
                return BayBatch(epoch=epoch, seq=seq, readings=tuple(chosen))

            started_s = time.perf_counter()
            outbox.put(topic, build, alarm=False)
            puts_s.append(time.perf_counter() - started_s)
        outbox.close()
        size = path.stat().st_size / (BATCHES * READINGS)
        outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=SystemClock())
        started_s = time.perf_counter()
        while rows := outbox.pending(0, DRAIN_ROWS):
            outbox.delivered(outbox.epoch, [row.seq for row in rows], "readings")
        drain_s = time.perf_counter() - started_s
        outbox.close()
    return BATCHES / sum(puts_s), 1000 * sorted(puts_s)[int(0.99 * BATCHES)], BATCHES / drain_s, size


def _readings(rng: random.Random) -> list[BayReading]:
    now_unix_ms = SystemClock().unix_ms()
    return [
        BayReading(
            bay=f"bay-{number}",
            time_unix_ms=now_unix_ms,
            state=rng.choice((BayState.FREE, BayState.OCCUPIED)),
            confidence=round(rng.random(), 2),
            distance_mm=round(rng.uniform(200, 2500), 1),
            since_unix_ms=now_unix_ms,
        )
        for number in range(READINGS)
    ]
