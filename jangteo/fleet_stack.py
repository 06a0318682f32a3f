"""A central stack for a fleet: a real Mosquitto, a real ingest process and a store, in a folder of its own."""

import asyncio
import contextlib
import secrets
import shutil
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Engine

from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from broker.series.ports import SeriesStore
from broker.series.settings import EmbeddedStoreSettings, InfluxStoreSettings, open_series_store
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.parts import Parts
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.ids import UNIX_MS_MAX
from firmware_sim.fleet.cost import listener_pids
from firmware_sim.fleet.device import FleetDevice
from firmware_sim.fleet.figures import Tally
from firmware_sim.fleet.link import Place
from firmware_sim.fleet.plan import KINDS, DevicePlan, FleetPlan
from jangteo.device_file import write_yaml
from jangteo.up.layout import LOOPBACK, free_port
from runtime.clock import SystemClock
from runtime.errors import FatalError, SettingsError
from runtime.secret_files import write_secret
from runtime.supervision import ProcessSpec, SupervisedProcess
from transport.settings import is_loopback

READY_S_MAX = 60.0
LOOK_EVERY_S = 0.1
DISK_SPARE_BYTES = 200_000_000
SHARE_GROUP = "ingest"
HEAD = "Written by `jangteo sim` for one run."
StoreSettings = EmbeddedStoreSettings | InfluxStoreSettings


class StackFailedError(FatalError):
    """A part of the fleet's own stack does not come up; the sentence says which, and where its log is."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What runs: where the fleet speaks to, what may be watched, where the readings end."""

    place: Place
    folder: Path
    store: StoreSettings
    specs: Mapping[str, ProcessSpec]
    processes: dict[str, SupervisedProcess] = field(default_factory=dict)
    tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    store_pids: tuple[int, ...] = ()

    def start(self, name: str) -> None:
        """Start `broker` or a worker (`ingest`; `ingest-w1` and so on where there are several), and keep it running."""
        one = self.processes[name] = SupervisedProcess(self.specs[name])
        self.tasks[name] = asyncio.create_task(one.run(), name=name)

    async def stop(self, name: str) -> None:
        """End it in order; it stays away until `start`."""
        task = self.tasks.pop(name, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def pids(self, name: str) -> tuple[int, ...]:
        """The processes of `broker`, `ingest` (all workers) or `store`; a store inside ingest has none of its own."""
        if name == "store":
            return self.store_pids
        own = (one.pid for own, one in self.processes.items() if own.partition("-")[0] == name)
        return tuple(pid for pid in own if pid is not None)

    def restarts(self) -> int:
        """How often a part died by itself."""
        return sum(one.restart_count for one in self.processes.values())

    def store_bytes(self) -> int:
        """How much the embedded store takes on the disk; 0 for another."""
        if not isinstance(self.store, EmbeddedStoreSettings):
            return 0
        return sum(part.stat().st_size for part in self.folder.glob(f"{self.store.path.name}*"))


@contextlib.asynccontextmanager
async def running_stack(
    folder: Path, plan: FleetPlan, influx: InfluxStoreSettings | None, workers: int = 1
) -> AsyncIterator[Stack]:
    """Enrol the fleet and start everything in `folder`; ended in order, ingest first. Several `workers` share the load.

    Raises:
        SettingsError: Mosquitto is not installed.
        StackFailedError: a part does not come up.
    """
    program = find_mosquitto()
    if program is None:
        raise SettingsError("the fleet's own stack needs the mosquitto program: install it, or give --broker HOST:PORT")
    passwords = {one.identity.username: secrets.token_hex(12) for one in plan.fleet}
    own = {**passwords, "ingest": secrets.token_urlsafe(24)}
    port, store = free_port(), influx or EmbeddedStoreSettings(kind="embedded", path=folder / "series.db")
    engine = open_database(sqlite_url(folder / "central.db"))
    await asyncio.to_thread(enrol, engine, plan)
    mosquitto = MosquittoProgram(program, folder / "broker", port, own, [one.identity for one in plan.fleet])
    place = Place(LOOPBACK, port, lambda username: (username, passwords[username]))
    write_secret(folder / "ingest.password", own["ingest"])
    argv = {"broker": mosquitto.command()} | _ingest(folder, port, store, workers)
    specs = {name: ProcessSpec(name, tuple(words), folder / f"{name}.log") for name, words in argv.items()}
    stack = Stack(place, folder, store, specs, store_pids=_store_pids(store))
    try:
        for name in specs:
            stack.start(name)
        await _until_ready(mosquitto, engine, stack)
        yield stack
    finally:
        for name in reversed(specs):
            await stack.stop(name)
        engine.dispose()


def enrol(engine: Engine, plan: FleetPlan) -> None:
    """Put every market, device and stall of the fleet into the registry.

    Raises:
        broker.stores.database.StoreUnavailableError: the central state cannot be reached.
    """
    migrate(engine)
    registry = Registry(engine)
    by_market: dict[str, list[DevicePlan]] = defaultdict(list)
    for one in plan.fleet:
        by_market[one.identity.market].append(one)
    for market, devices in by_market.items():
        subjects = tuple(
            Subject(reads.kind, subject, one.identity.device)
            for one in devices
            for reads in one.rounds
            for subject in reads.subjects
        )
        names = tuple(one.identity.device for one in devices)
        registry.enrol(MarketEntry(Named(market, market, market), devices=names, subjects=subjects))


@dataclass(frozen=True, slots=True)
class Found:
    """What the store holds of a fleet: readings found, series that do not hold exactly what was made, the first one."""

    readings: int
    wrong_series: int
    example: str = ""


def check_store(
    settings: StoreSettings,
    devices: Iterable[FleetDevice],
    from_unix_ms: int,
    stopped: Callable[[], bool] = lambda: False,
) -> Found | None:
    """Hold every series against the times at which its stall was read, since `from_unix_ms`; `None` when stopped.

    Takes about as long as reading everything back.
    """
    store = open_series_store(settings)
    by_market: dict[str, list[FleetDevice]] = defaultdict(list)
    for one in devices:
        by_market[one.plan.identity.market].append(one)
    readings, wrong = 0, list[str]()
    try:
        for market, own in by_market.items():
            if stopped():
                return None
            found = _tallies(store, market, from_unix_ms)
            readings += sum(tally.count for tally in found.values())
            wrong += _differences(market, own, found)
    finally:
        store.close()
    return Found(readings, len(wrong), wrong[0] if wrong else "")


_Key = tuple[str, str, str]


def _tallies(store: SeriesStore, market: str, from_unix_ms: int) -> Mapping[_Key, Tally]:
    found: dict[_Key, Tally] = defaultdict(Tally)
    for kind in KINDS:
        for sample in store.scan(market, kind, from_unix_ms, UNIX_MS_MAX):
            found[sample.series.device, kind, sample.series.subject].add(sample.time_unix_ms)
    return found


def _differences(market: str, devices: Iterable[FleetDevice], found: Mapping[_Key, Tally]) -> Iterator[str]:
    for device in devices:
        for kind, subject, made in device.subjects():
            here = found.get((device.plan.identity.device, kind, subject), Tally())
            if here != made:
                yield f"{market} {subject}: {here.count} of {made.count} readings, or others than were made"


def _store_pids(store: StoreSettings) -> tuple[int, ...]:
    """Who serves an InfluxDB on this machine."""
    if isinstance(store, EmbeddedStoreSettings):
        return ()
    url = urlsplit(store.url)
    return listener_pids(url.port or 80) if url.hostname is not None and is_loopback(url.hostname) else ()


def disk_is_short(folder: Path) -> bool:
    """Whether the disk under the stack is nearly full."""
    return shutil.disk_usage(folder).free < DISK_SPARE_BYTES


def _ingest(folder: Path, port: int, store: StoreSettings, workers: int) -> dict[str, list[str]]:
    """The command line of every worker by its name, which is that of its part status, too."""
    content: dict[str, object] = {
        "broker": {"port": port, "username": "ingest", "password_file": str(folder / "ingest.password")},
        "database_url": sqlite_url(folder / "central.db"),
        "series": store.model_dump(mode="json"),
    }
    groups: dict[str, dict[str, object]] = {
        f"ingest-w{number}": {"worker": f"w{number}", "share_group": SHARE_GROUP} for number in range(1, workers + 1)
    }
    argv = {}
    for name, group in (groups if workers > 1 else {"ingest": {}}).items():
        write_yaml(folder / f"{name}.yaml", content | group, HEAD)
        argv[name] = [sys.executable, "-m", "jangteo", "ingest", "--config", str(folder / f"{name}.yaml")]
    return argv


async def _until_ready(mosquitto: MosquittoProgram, engine: Engine, stack: Stack) -> None:
    deadline_s = time.monotonic() + READY_S_MAX
    parts = Parts(engine, SystemClock())
    while time.monotonic() < deadline_s:
        if await asyncio.to_thread(mosquitto.ready) and await asyncio.to_thread(_are_ok, parts, stack.specs):
            return
        await asyncio.sleep(LOOK_EVERY_S)
    raise StackFailedError(f"broker and ingest are not ready after {READY_S_MAX:.0f} s:\n{_last_lines(stack.folder)}")


def _are_ok(parts: Parts, names: Iterable[str]) -> bool:
    ok = {one.part for one in parts.all() if one.state == "ok"}
    return ok >= set(names) - {"broker"}


def _last_lines(folder: Path) -> str:
    """The ends of the logs, because the folder is gone when a person could look."""
    logs = sorted(folder.glob("*.log"))
    return "\n".join(f"{log.stem}: {log.read_text(encoding='utf-8', errors='replace')[-600:]}" for log in logs)
