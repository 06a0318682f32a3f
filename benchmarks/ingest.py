"""Ingest end to end: devices → Mosquitto → ingest → store, receipts back, all found again; and where CPU goes."""

import os
import random
import resource
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import yaml

from benchmarks.ingest_load import STEP_MS, Device, Load, message_bytes
from benchmarks.ingest_profile import print_profile
from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from broker.series.ports import Series, SeriesStore
from broker.series.settings import EmbeddedStoreSettings, InfluxStoreSettings, open_series_store
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.parts import Parts
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.access import DeviceIdentity
from runtime.clock import SystemClock
from runtime.secret_files import write_secret
from tests.influx_fixtures import running_influx
from tests.postgres_fixtures import loopback_port
from transport.mqtt_consumer import ConsumerClient

MARKET = "bench"
DEVICES = 20
BAYS_PER_DEVICE = 20
BATCHES_PER_DEVICE = 1500
DEADLINE_S = 300.0
ROOT = Path(__file__).resolve().parent.parent

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
class Variant:
    """What one measurement differs in."""

    store: str
    client: ConsumerClient
    workers: int = 1

    @property
    def name(self) -> str:
        """For a person."""
        workers = "1 worker" if self.workers == 1 else f"{self.workers} workers on $share"
        return f"{self.store}, MQTT client {self.client}, {workers}"


@dataclass(slots=True)
class Measured:
    """Processes under measurement: name → process. CPU is taken between `begin` and `end`, memory all the while."""

    processes: dict[str, list[psutil.Process]]
    cpu_s: dict[str, float] = field(default_factory=dict)
    rss_bytes_max: dict[str, int] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """From now on."""
        self.cpu_s = {name: -_cpu_s(ones) for name, ones in self.processes.items()}
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> None:
        """Until now."""
        for name, ones in self.processes.items():
            self.cpu_s[name] += _cpu_s(ones)
        self._ended.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.25):
            for name, ones in self.processes.items():
                for one in ones:
                    self.rss_bytes_max[name] = max(self.rss_bytes_max.get(name, 0), one.memory_info().rss)


def run(seed: int) -> None:
    """Print readings/s, CPU and memory for each variant that this machine has the programs for, and a profile."""
    program = find_mosquitto()
    if program is None:
        print("Mosquitto is not installed: nothing measured")
        return
    print(f"load average before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    bays = tuple(_own(_identities()[0].device))
    print(
        f"{DEVICES} devices, messages of {len(bays)} bay readings, {message_bytes(bays)} bytes as an agent sends them"
    )
    variants = [Variant("embedded", "paho"), Variant("embedded", "socket")]
    if shutil.which("influxd") is None or shutil.which("nginx", path="/usr/sbin:/usr/bin") is None:
        print("InfluxDB or nginx is not installed: not measured")
    else:
        variants += [Variant("influx", "paho"), Variant("influx", "socket"), Variant("influx", "socket", 2)]
    for variant in variants:
        with tempfile.TemporaryDirectory(prefix="jangteo-bench-") as folder:
            _measure(Path(folder), program, seed, variant)
    print_profile()


def _measure(folder: Path, program: Path, seed: int, variant: Variant) -> None:
    with ExitStack() as stack:
        processes: dict[str, list[psutil.Process]] = {}
        if variant.store == "influx":
            (folder / "influx").mkdir()
            server = stack.enter_context(running_influx(folder / "influx"))
            write_secret(folder / "token", server.token)
            settings: Store = InfluxStoreSettings(
                kind="influx", url=server.url, token_file=folder / "token", bucket=server.new_bucket()
            )
            children = psutil.Process().children(recursive=True)
            processes |= {name: [one for one in children if one.name() == name] for name in ("nginx", "influxd")}
        else:
            settings = EmbeddedStoreSettings(kind="embedded", path=folder / "readings.db")
        passwords = {name: secrets.token_hex(12) for name in [*(one.username for one in _identities()), "ingest"]}
        port = loopback_port()
        _enrol(folder)
        mosquitto = MosquittoProgram(program, folder / "mosquitto", port, passwords, _identities())
        processes["mosquitto"] = [stack.enter_context(_process(mosquitto.command()))]
        write_secret(folder / "ingest.password", passwords["ingest"])
        processes["ingest"] = []
        for number in range(variant.workers):
            path = _settings(folder, port, settings, variant, number)
            command = [sys.executable, "-c", _INGEST, str(path)]
            processes["ingest"].append(stack.enter_context(_process(command)))
        _wait_for_ingest(folder, variant.workers)
        load = _load(port, passwords, seed)
        (folder / "load.json").write_text(load.model_dump_json(), encoding="utf-8")
        measured = Measured(processes)
        measured.begin()
        children_s, begun_s = _children_cpu_s(), time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "benchmarks.ingest_load", str(folder / "load.json")],
            cwd=ROOT,
            check=True,
            timeout=DEADLINE_S,
        )
        took_s = time.perf_counter() - begun_s
        measured.end()
        measured.cpu_s["load"] = _children_cpu_s() - children_s  # it has been waited for, the others have not
        store = open_series_store(settings)
        found = _verified(store, load)
        store.close()
        _print(variant, found, took_s, measured)
        if variant.store == "embedded":
            size = sum(part.stat().st_size for part in folder.glob("readings.db*"))
            print(f"  {size / found:.1f} bytes on disk per reading (a bay's: 6 fields)")


def _print(variant: Variant, readings: int, took_s: float, measured: Measured) -> None:
    print(f"{variant.name}: {readings:,} readings sent, receipted, and found again with their values")
    print(f"  end to end {readings / took_s:,.0f} readings/s ({took_s:.1f} s, load included)")
    ingest_s = measured.cpu_s["ingest"]
    print(f"  ingest {readings / ingest_s:,.0f} readings per CPU second ({ingest_s / readings * 1e6:.2f} µs a reading)")
    cpu = ", ".join(f"{name} {cpu_s / readings * 1e6:.2f}" for name, cpu_s in sorted(measured.cpu_s.items()))
    print(f"  CPU, µs a reading: {cpu}")
    rss = ", ".join(f"{name} {size / 1e6:.0f}" for name, size in sorted(measured.rss_bytes_max.items()))
    print(f"  most memory of one process, MB: {rss}", flush=True)


def _verified(store: SeriesStore, load: Load) -> int:
    """How many readings the store has: every one that was sent, each with its value.

    Raises:
        AssertionError: one is missing, doubled or wrong.
    """
    expected = [(load.time_of(number), value) for number, value in enumerate(load.values)]
    found_count = 0
    for device in load.devices:
        for bay in device.bays:
            series = Series(device.market, device.device, "bays", bay)
            found = list(store.range(series, "distance_mm", 0, expected[-1][0] + 1))
            if found != expected:
                raise AssertionError(f"{device.device} {bay}: {len(found)} of {len(expected)} readings found")
            found_count += len(found)
    return found_count


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    times = [one.cpu_times() for one in processes]
    return float(sum(one.user + one.system for one in times))


def _children_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@contextmanager
def _process(command: list[str]) -> Iterator[psutil.Process]:
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield psutil.Process(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)


def _identities() -> list[DeviceIdentity]:
    return [DeviceIdentity(MARKET, f"pi-{number}") for number in range(10, 10 + DEVICES)]


def _own(device: str) -> list[str]:
    return [f"{device}-bay-{number}" for number in range(BAYS_PER_DEVICE)]  # a bay's name is one of its market


def _load(port: int, passwords: dict[str, str], seed: int) -> Load:
    rng = random.Random(seed)  # noqa: S311 - a reproducible load, not a secret
    values = tuple(round(rng.uniform(1000, 9000), 1) for _ in range(BATCHES_PER_DEVICE))
    start_unix_ms = SystemClock().unix_ms() - BATCHES_PER_DEVICE * STEP_MS
    devices = [
        Device(market=MARKET, device=one.device, password=passwords[one.username], bays=tuple(_own(one.device)))
        for one in _identities()
    ]
    return Load(port=port, start_unix_ms=start_unix_ms, devices=tuple(devices), values=values)


def _enrol(folder: Path) -> None:
    engine = open_database(sqlite_url(folder / "central.db"))
    migrate(engine)
    devices = [one.device for one in _identities()]
    subjects = tuple(Subject("bays", bay, device) for device in devices for bay in _own(device))
    Registry(engine).enrol(MarketEntry(Named(MARKET, "시장", "Market"), devices=tuple(devices), subjects=subjects))
    engine.dispose()


def _settings(folder: Path, port: int, store: Store, variant: Variant, worker: int) -> Path:
    content = {
        "mqtt_client": variant.client,
        "broker": {"port": port, "username": "ingest", "password_file": str(folder / "ingest.password")},
        "database_url": sqlite_url(folder / "central.db"),
        "series": store.model_dump(mode="json"),
    }
    if variant.workers > 1:
        content |= {"share_group": "bench", "worker": f"w{worker}"}
    path = folder / f"ingest-{worker}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def _wait_for_ingest(folder: Path, workers: int) -> None:
    engine = open_database(sqlite_url(folder / "central.db"))
    parts = Parts(engine, SystemClock())
    _until(lambda: sum(one.part.startswith("ingest") and one.state == "ok" for one in parts.all()) == workers)
    engine.dispose()


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("ingest did not connect")
        time.sleep(0.1)
