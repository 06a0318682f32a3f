"""Where ingest's time goes, per reading: each step timed alone, in one thread, on the messages of the benchmark."""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.ingest_load import EPOCH
from broker.ingest.known import KnownSeries
from broker.ingest.samples import batch_forms
from broker.ingest.stages.decode import Decode
from broker.ingest.work import Work
from broker.series.checks import complaint
from broker.series.influx_lines import lines_of
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.telemetry import BayBatch, BayReading, BayState
from runtime.clock import SystemClock
from transport import consumer_packets as packets
from transport.ports import RawMessage

MARKET, DEVICES, BAYS, BATCHES = "bench", 20, 20, 12
ROUNDS = 15


def print_profile() -> None:
    """Print µs a reading of CPU time for each step, the median of `ROUNDS`."""
    with tempfile.TemporaryDirectory(prefix="jangteo-profile-") as folder:
        engine = open_database(sqlite_url(Path(folder) / "central.db"))
        migrate(engine)
        devices = tuple(f"pi-{number}" for number in range(DEVICES))
        subjects = tuple(Subject("bays", bay, device) for device in devices for bay in _bays(device))
        Registry(engine).enrol(MarketEntry(Named(MARKET, "시장", "Market"), devices=devices, subjects=subjects))
        clock = SystemClock()
        now = clock.unix_ms()
        messages = [_message(device, seq, now) for seq in range(1, BATCHES + 1) for device in devices]
        wire = b"".join(
            packets.publish(one.topic, one.body, qos=1, retain=False, packet_id=number % 60_000 + 1)
            for number, one in enumerate(messages)
        )
        decode, forms = Decode(KnownSeries(Registry(engine), clock)), batch_forms()
        work = Work(messages, now)
        decode(work)

        def parse() -> None:
            reader = packets.PacketReader(300_000)
            for start in range(0, len(wire), 262_144):
                reader.feed(wire[start : start + 262_144])
                reader.read(len(messages))

        steps: dict[str, Callable[[], object]] = {
            "MQTT packets into messages": parse,
            "acknowledgements into bytes": lambda: packets.pubacks(range(1, len(messages) + 1)),
            "messages into samples (decode, whole stage)": lambda: decode(Work(messages, now)),
            "  of which: JSON and every constraint of the contract": lambda: [
                forms["bays"].read(one.body) for one in messages
            ],
            "  the same by the contract's models, for comparison": lambda: [
                BayBatch.from_bytes(one.body) for one in messages
            ],
            "samples checked": lambda: [complaint(sample) for sample in work.samples],
            "samples into line protocol": lambda: lines_of(work.samples),
        }
        print(f"profile: CPU µs a reading, {len(messages)} messages of {BAYS} readings, median of {ROUNDS}")
        for name, step in steps.items():
            print(f"  {name:<56}{_us(step, len(work.samples)):7.3f}")
        engine.dispose()


def _us(step: Callable[[], object], readings: int) -> float:
    took = []
    for _ in range(ROUNDS):
        begun_s = time.process_time()
        step()
        took.append(time.process_time() - begun_s)
    return statistics.median(took) / readings * 1e6


def _bays(device: str) -> tuple[str, ...]:
    return tuple(f"{device}-bay-{number}" for number in range(BAYS))


def _message(device: str, seq: int, now: int) -> RawMessage:
    readings = tuple(
        BayReading(
            time_unix_ms=now - seq,
            bay=bay,
            state=BayState.OCCUPIED if index % 3 else BayState.FREE,
            confidence=0.95,
            distance_mm=1000.5 + seq,
            since_unix_ms=now - 7000,
        )
        for index, bay in enumerate(_bays(device))
    )
    body = BayBatch(epoch=EPOCH, seq=seq, readings=readings).to_bytes()
    return RawMessage(f"market/v1/{MARKET}/{device}/telemetry/bays", body)
