"""The outbox on this disk: puts, drains, evictions and clock settling a second, and what a reading costs in flash."""

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from contract.catalog import topic_for
from contract.payload import Payload
from contract.telemetry import AgentBatch, AgentReading, BayBatch, BayReading, BayState, GateBatch, GateReading
from contract.topics import Topic
from runtime.clock import ManualClock, SystemClock
from transport.sqlite_outbox import SqliteOutbox

RUNS, BATCHES, BODY_READINGS, DRAIN_ROWS = 3, 2000, 8, 250
BYTES_MAX, BYTES_MAX_SMALL = 64_000_000, 1_000_000
BAYS, GATES, AGENT_EVERY_S, MIX_S, FORGET_EVERY_S, DAY_S = 12, 2, 10, 600, 2, 86_400
IO = Path("/proc/self/io")
OFFSET_MS = 1_767_225_600_000


def run(seed: int) -> None:
    """Measure `RUNS` times in a fresh directory under the temporary folder; print medians."""
    rng = random.Random(seed)  # noqa: S311 - measured data, no secret
    body = len(_bays(rng, BODY_READINGS, OFFSET_MS)("0" * 16, 1).to_bytes())
    print(f"outbox: {BATCHES} batches of {body} bytes, {RUNS} runs, seed {seed}, {tempfile.gettempdir()}")
    figures = [_speeds(rng) for _ in range(RUNS)]
    for name, what in (
        ("put", "batches/s (WAL, synchronous=FULL, one transaction each)"),
        ("put p99", "ms"),
        ("drain", f"batches/s ({DRAIN_ROWS} a receipt)"),
        ("put and evict", "batches/s (over the bound: the oldest goes, named by a gap record)"),
        ("settle", "batches/s (stored without a clock, given with their true time)"),
    ):
        print(f"{name:14}{statistics.median(one[name] for one in figures):10,.1f} {what}")
    _print_flash(rng)


def _speeds(rng: random.Random) -> dict[str, float]:
    topic = topic_for("jungang", "edge-1", BayBatch)
    builders = [_bays(rng, BODY_READINGS, OFFSET_MS) for _ in range(50)]
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        outbox = SqliteOutbox(Path(folder) / "outbox.db", bytes_max=BYTES_MAX, clock=SystemClock())
        puts_s = sorted(_put_s(outbox, topic, build) for build in _many(builders))
        found["put"], found["put p99"] = BATCHES / sum(puts_s), 1000 * puts_s[int(0.99 * BATCHES)]
        found["drain"] = BATCHES / _timed(lambda: _drain(outbox))
        outbox.close()
        outbox = SqliteOutbox(Path(folder) / "small.db", bytes_max=BYTES_MAX_SMALL, clock=SystemClock())
        while outbox.status().dropped_count == 0:
            outbox.put(topic, builders[0], alarm=False)
        evicting_s = sum(_put_s(outbox, topic, build) for build in _many(builders))
        found["put and evict"] = BATCHES / evicting_s
        outbox.close()
        found["settle"] = BATCHES / _settling_s(Path(folder) / "early.db", rng, topic)
    return found


def _put_s(outbox: SqliteOutbox, topic: Topic, build: Callable[[str, int], Payload]) -> float:
    return _timed(lambda: outbox.put(topic, build, alarm=False))


def _settling_s(path: Path, rng: random.Random, topic: Topic) -> float:
    clock = ManualClock(unix_ms=60_000)
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    build = _bays(rng, BODY_READINGS, 60_000)
    for _ in range(BATCHES):
        outbox.put(topic, build, alarm=False, boot_id="boot")

    def settle_and_read() -> None:
        outbox.settle_clock("boot", OFFSET_MS)
        outbox.pending(0, BATCHES)

    needed_s = _timed(settle_and_read)
    outbox.close()
    return needed_s


def _drain(outbox: SqliteOutbox) -> None:
    while rows := outbox.pending(0, DRAIN_ROWS):
        outbox.delivered(outbox.epoch, [row.seq for row in rows], "readings")


def _print_flash(rng: random.Random) -> None:
    """Bytes written to the disk for a device's usual mix, delivered as it comes and kept through an outage."""
    readings = MIX_S * (BAYS + GATES) + MIX_S // AGENT_EVERY_S
    print(f"flash-write budget: {BAYS} bays and {GATES} gates at 1 Hz, the agent every {AGENT_EVERY_S} s, {MIX_S} s")
    if not IO.exists():
        print("  this system does not count what a process writes (/proc/self/io)")
        return
    for name, confirm_every_s in (("delivered as it comes", FORGET_EVERY_S), ("kept, link down", 0)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "outbox.db"
            written, bodies = _written(path, rng, confirm_every_s)
            size = path.stat().st_size / readings
        day = written / MIX_S * DAY_S / 1e6
        print(
            f"  {name:22}{written / readings:8,.0f} bytes written a reading (JSON: {bodies / readings:,.0f}), "
            f"{day:8,.0f} MB a day; file {size:6,.1f} bytes a reading"
        )


def _written(path: Path, rng: random.Random, confirm_every_s: int) -> tuple[int, int]:
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=SystemClock())
    seconds = [_mix(rng, second) for second in range(MIX_S)]
    bodies = sum(len(build("0" * 16, 1).to_bytes()) for second in seconds for _, build in second)
    before, waiting = _write_bytes(), list[int]()
    for number, second in enumerate(seconds):
        waiting += [outbox.put(topic, build, alarm=False) for topic, build in second]
        if confirm_every_s and number % confirm_every_s == 0:
            outbox.delivered(outbox.epoch, waiting, "readings")
            waiting = []
    written = _write_bytes() - before
    outbox.close()
    return written, bodies


def _write_bytes() -> int:
    return next(int(line.split()[1]) for line in IO.read_text().splitlines() if line.startswith("write_bytes"))


def _timed(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s


def _many(builders: Sequence[Callable[[str, int], Payload]]) -> list[Callable[[str, int], Payload]]:
    return [builders[number % len(builders)] for number in range(BATCHES)]


def _mix(rng: random.Random, second: int) -> list[tuple[Topic, Callable[[str, int], Payload]]]:
    now_unix_ms = OFFSET_MS + second * 1000
    made = [
        (topic_for("jungang", "edge-1", BayBatch), _bays(rng, BAYS, now_unix_ms)),
        (topic_for("jungang", "edge-1", GateBatch), _gates(rng, now_unix_ms)),
    ]
    if second % AGENT_EVERY_S == 0:
        made.append((topic_for("jungang", "edge-1", AgentBatch), _agent(rng, now_unix_ms)))
    return made


def _bays(rng: random.Random, count: int, now_unix_ms: int) -> Callable[[str, int], Payload]:
    readings = tuple(
        BayReading(
            bay=f"bay-{number}",
            lot="main",
            time_unix_ms=now_unix_ms + rng.randrange(1000),
            state=rng.choice((BayState.FREE, BayState.OCCUPIED)),
            confidence=round(rng.random(), 2),
            distance_mm=round(rng.uniform(200, 2500), 1),
            since_unix_ms=now_unix_ms - rng.randrange(min(now_unix_ms, 3_600_000)),
        )
        for number in range(count)
    )
    return lambda epoch, seq: BayBatch(epoch=epoch, seq=seq, readings=readings)


def _gates(rng: random.Random, now_unix_ms: int) -> Callable[[str, int], Payload]:
    readings = tuple(
        GateReading(
            gate=f"gate-{number}",
            lot="main",
            state="live",
            time_unix_ms=now_unix_ms + rng.randrange(1000),
            in_count=rng.randrange(100_000),
            out_count=rng.randrange(100_000),
        )
        for number in range(GATES)
    )
    return lambda epoch, seq: GateBatch(epoch=epoch, seq=seq, readings=readings)


def _agent(rng: random.Random, now_unix_ms: int) -> Callable[[str, int], Payload]:
    reading = AgentReading(
        time_unix_ms=now_unix_ms,
        agent="edge-1",
        uptime_s=float(rng.randrange(100_000)),
        rss_bytes=rng.randrange(60_000_000),
        cpu_share=round(rng.random(), 4),
        outbox_rows=rng.randrange(10),
        outbox_bytes=rng.randrange(10_000),
        outbox_dropped_count=0,
    )
    return lambda epoch, seq: AgentBatch(epoch=epoch, seq=seq, readings=(reading,))
