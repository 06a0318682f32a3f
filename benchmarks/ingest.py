"""Ingest end to end: devices → Mosquitto → ingest → store, everything found again, and bytes on disk per reading."""

import asyncio
import json
import multiprocessing
import os
import random
import secrets
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import yaml

from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from broker.series.ports import Series, SeriesStore
from broker.series.settings import EmbeddedStoreSettings, InfluxStoreSettings, open_series_store
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.parts import Parts
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.telemetry import BayBatch, BayReading, BayState
from runtime.clock import SystemClock
from runtime.secret_files import write_secret
from tests.influx_fixtures import running_influx
from tests.postgres_fixtures import loopback_port
from transport.mqtt_session import MqttSession
from transport.ports import BrokerSettings

MARKET = "bench"
DEVICES = 10
BAYS_PER_DEVICE = 20
BATCHES_PER_DEVICE = 600
AT_ONCE = 50
DEADLINE_S = 180.0

_INGEST = """
import signal, sys, threading
from pathlib import Path
from broker.ingest.service import run_ingest
from broker.ingest.settings import IngestSettings
from runtime.logs import configure_logs
from runtime.settings_file import load_settings
configure_logs("ingest")
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
run_ingest(load_settings(Path(sys.argv[1]), IngestSettings), stop)
"""

Store = EmbeddedStoreSettings | InfluxStoreSettings


@dataclass(frozen=True, slots=True)
class House:
    """What the load needs to know: where the broker is, and everyone's password."""

    folder: Path
    port: int
    passwords: dict[str, str]
    seed: int

    def broker(self, username: str) -> BrokerSettings:
        """How `username` connects."""
        secret = self.folder / f"{username}.password"
        write_secret(secret, self.passwords[username])
        return BrokerSettings("127.0.0.1", self.port, username, username, secret)


def identities() -> list[DeviceIdentity]:
    """The devices of the load."""
    return [DeviceIdentity(MARKET, f"pi-{number}") for number in range(DEVICES)]


def bays() -> list[str]:
    """The bays of each device."""
    return [f"bay-{number}" for number in range(BAYS_PER_DEVICE)]


def run(seed: int) -> None:
    """Print readings/s end to end into each store that this machine has, and bytes on disk per reading."""
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    program = find_mosquitto()
    if program is None:
        print("Mosquitto is not installed: nothing measured")
        return
    with tempfile.TemporaryDirectory(prefix="jangteo-bench-") as name:
        folder = Path(name) / "embedded"
        path = folder / "readings.db"
        seconds = _measure(folder, program, seed, EmbeddedStoreSettings(kind="embedded", path=path))
        size = sum(part.stat().st_size for part in folder.glob("readings.db*"))
        _print("embedded store", seconds, size)
        if shutil.which("influxd") is None or shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
            print("InfluxDB or nginx is not installed: not measured")
            return
        folder = Path(name) / "influx"
        folder.mkdir()
        with running_influx(folder) as server:
            write_secret(folder / "token", server.token)
            store = InfluxStoreSettings(
                kind="influx", url=server.url, token_file=folder / "token", bucket=server.new_bucket()
            )
            seconds = _measure(folder / "house", program, seed, store)
            _print("InfluxDB behind nginx", seconds, None)


@dataclass(frozen=True, slots=True)
class Figures:
    """One measurement. `stored_s` runs from the first publish until the last reading is found in the store."""

    stored_s: float
    ingest_cpu_s: float
    rss_bytes: int
    latest_ms: float
    range_ms: float


def _print(name: str, figures: Figures, size: int | None) -> None:
    readings = DEVICES * BAYS_PER_DEVICE * BATCHES_PER_DEVICE
    print(f"{name}: {readings} readings in {DEVICES * BATCHES_PER_DEVICE} messages, all found again")
    print(f"  end to end {readings / figures.stored_s:,.0f} readings/s ({figures.stored_s:.1f} s, load included)")
    print(
        f"  ingest {readings / figures.ingest_cpu_s:,.0f} readings per CPU second, RSS {figures.rss_bytes / 1e6:.0f} MB"
    )
    print(f"  newest sample of {DEVICES * BAYS_PER_DEVICE} series {figures.latest_ms:.1f} ms")
    print(f"  {BATCHES_PER_DEVICE} readings of one series {figures.range_ms:.1f} ms")
    if size is not None:
        print(f"  {size / readings:.1f} bytes on disk per reading (a bay's: 6 fields)")


def _measure(folder: Path, program: Path, seed: int, settings: Store) -> Figures:
    folder.mkdir(exist_ok=True, mode=0o700)
    names = [one.username for one in identities()] + ["ingest"]
    house = House(folder, loopback_port(), {name: secrets.token_hex(12) for name in names}, seed)
    _enrol(folder)
    mosquitto = MosquittoProgram(program, folder, house.port, house.passwords, identities())
    with (
        _process(mosquitto.command()),
        _process([sys.executable, "-c", _INGEST, str(_settings(house, settings))]) as ingest,
    ):
        _wait_for_ingest(folder)
        before = _cpu_s(ingest)
        load = multiprocessing.get_context("spawn").Process(target=_load, args=(house,))
        started_s = time.perf_counter()
        load.start()
        store = open_series_store(settings)
        _wait_for_readings(store, seed)
        stored_s = time.perf_counter() - started_s
        cost = (_cpu_s(ingest) - before, ingest.memory_info().rss)
        one = Series(MARKET, "pi-0", "bays", _own("pi-0")[0])
        latest_ms = _median_ms(lambda: store.latest(MARKET))
        range_ms = _median_ms(lambda: store.range(one, "distance_mm", 0, 2_000_000_000_000))
        figures = Figures(stored_s, *cost, latest_ms, range_ms)
        store.close()
        load.join()
    return figures


def _median_ms(ask: Callable[[], object]) -> float:
    took = []
    for _ in range(5):
        begun_s = time.perf_counter()
        ask()
        took.append((time.perf_counter() - begun_s) * 1000)
    return statistics.median(took)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


@contextmanager
def _process(command: list[str]) -> Iterator[psutil.Process]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def _enrol(folder: Path) -> None:
    engine = open_database(sqlite_url(folder / "central.db"))
    migrate(engine)
    devices = [one.device for one in identities()]
    subjects = tuple(Subject("bays", bay, device) for device in devices for bay in _own(device))
    Registry(engine).enrol(MarketEntry(Named(MARKET, "시장", "Market"), devices=tuple(devices), subjects=subjects))
    engine.dispose()


def _own(device: str) -> list[str]:
    return [f"{device}-{bay}" for bay in bays()]  # a bay's name is one of its market


def _settings(house: House, store: Store) -> Path:
    broker = house.broker("ingest")
    content = {
        "broker": {"port": broker.port, "username": "ingest", "password_file": str(broker.password_file)},
        "database_url": sqlite_url(house.folder / "central.db"),
        "series": json.loads(store.model_dump_json()),
    }
    path = house.folder / "ingest.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _wait_for_ingest(folder: Path) -> None:
    engine = open_database(sqlite_url(folder / "central.db"))
    parts = Parts(engine, SystemClock())
    deadline = time.monotonic() + DEADLINE_S
    while not any(part.part == "ingest" and part.state == "ok" for part in parts.all()):
        if time.monotonic() > deadline:
            raise TimeoutError("ingest did not connect")
        time.sleep(0.1)
    engine.dispose()


def _wait_for_readings(store: SeriesStore, seed: int) -> None:
    """Until the last time of every device is in the store; then check that every reading is, with its value."""
    start_ms, values = _plan(seed)
    last_ms = start_ms + BATCHES_PER_DEVICE - 1
    deadline = time.monotonic() + DEADLINE_S
    while True:
        latest = store.latest(MARKET)
        if len(latest) == DEVICES * BAYS_PER_DEVICE and all(one.time_unix_ms == last_ms for one in latest):
            break
        if time.monotonic() > deadline:
            raise TimeoutError("not every reading reached the store")
        time.sleep(0.1)
    expected = tuple((start_ms + number, value) for number, value in enumerate(values))
    for one in identities():
        for bay in _own(one.device):
            found = store.range(Series(MARKET, one.device, "bays", bay), "distance_mm", 0, last_ms + 1)
            if tuple(found) != expected:
                raise AssertionError(f"{one.device} {bay}: {len(found)} of {len(expected)} readings found")


def _plan(seed: int) -> tuple[int, list[float]]:
    """The first reading's time, and the distance that every bay has in each batch."""
    rng = random.Random(seed)  # noqa: S311 - a reproducible load, not a secret
    return 1_790_000_000_000, [round(rng.uniform(200, 3000), 1) for _ in range(BATCHES_PER_DEVICE)]


def _load(house: House) -> None:
    """Runs in a process of its own: every device publishes its batches, `AT_ONCE` under way at a time."""
    asyncio.run(_publish_all(house))


async def _publish_all(house: House) -> None:
    async with asyncio.TaskGroup() as group:
        for one in identities():
            group.create_task(_device(house, one))


async def _device(house: House, identity: DeviceIdentity) -> None:
    session = MqttSession(house.broker(identity.username))
    connected = asyncio.Event()

    async def tell() -> None:
        connected.set()

    session.on_connect(tell)
    running = asyncio.create_task(session.run())
    await connected.wait()
    topic = topic_for(identity.market, identity.device, BayBatch)
    start_ms, values = _plan(house.seed)
    for first in range(0, BATCHES_PER_DEVICE, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, BATCHES_PER_DEVICE))
        await asyncio.gather(
            *(session.publish(topic, _batch(identity.device, n, start_ms + n, values[n])) for n in numbers)
        )
    running.cancel()
    await asyncio.wait([running])


def _batch(device: str, number: int, time_unix_ms: int, distance_mm: float) -> BayBatch:
    readings = tuple(
        BayReading(
            time_unix_ms=time_unix_ms,
            bay=bay,
            state=BayState.OCCUPIED,
            confidence=0.95,
            distance_mm=distance_mm,
            since_unix_ms=time_unix_ms - 5000,
        )
        for bay in _own(device)
    )
    return BayBatch(epoch="0123456789abcdef", seq=number + 1, readings=readings)
