"""The whole path, put together from real programs, every connection through a proxy that can be broken."""

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from benchmarks.faults.disk import SmallDisk
from benchmarks.faults.links import Link
from benchmarks.faults.machine import start_board
from benchmarks.faults.plans import AMPLE, BRIEF, SMALL, ZONE, DevicePlan, Order, ProcessPlan, ProcessStatus
from benchmarks.faults.programs import Program, keep
from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from broker.program.port import accepts_connections
from broker.series.settings import EmbeddedStoreSettings, InfluxStoreSettings
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.parts import Parts
from broker.stores.registry import MarketEntry, Named, Recipient, Registry, Subject
from jangteo.up.layout import free_port
from runtime.clock import SystemClock
from runtime.errors import FatalError
from runtime.secret_files import write_secret
from tests.influx_fixtures import InfluxServer, running_influx

MARKET = "faults"
WORKERS = ("w1", "w2")
DEVICES_PER_PROCESS = 3
READY_S_MAX = 40.0
STORE_DISK_BYTES = 256_000_000
EDGE_DISK_BYTES = 24_000_000

Store = EmbeddedStoreSettings | InfluxStoreSettings


@dataclass(frozen=True, slots=True)
class Options:
    """What a history is made of. `ingest` is the command that takes `--config FILE`.

    `keeps`: what lies on the small disks is copied before they are taken away.
    """

    devices: int = 6
    store: str = "embedded"
    period_s: float = 0.25
    alarm_period_s: float = 3.0
    hour_readings: int = 3600
    keeps: bool = False
    ingest: tuple[str, ...] = (sys.executable, "-m", "jangteo", "ingest")


@dataclass(slots=True)
class House:
    """The running parts, for the faults to break and for the checker to read."""

    folder: Path
    options: Options
    store: Store
    influx: InfluxServer | None
    store_disk: SmallDisk | None
    edge_disk: SmallDisk | None
    broker_port: int
    device_plans: tuple[DevicePlan, ...]
    processes: tuple[ProcessPlan, ...]
    links: dict[str, Link]
    broker: Program
    ingest: tuple[Program, ...]
    alerts: Program
    device_programs: tuple[Program, ...]
    notes: list[str] = field(default_factory=list)

    @property
    def central_file(self) -> Path:
        """The central state."""
        return self.folder / "central.db"

    @property
    def programs(self) -> tuple[Program, ...]:
        """Everything that is kept running."""
        return (self.broker, *self.ingest, self.alerts, *self.device_programs)

    def device_links(self) -> list[Link]:
        """The devices' ways to the broker."""
        return [self.links[one.device] for one in self.device_plans]

    def central_links(self) -> list[Link]:
        """The central parts' ways to the broker."""
        return [self.links[name] for name in (*WORKERS, "alerts")]

    def order(self, device: str, do: str, amount: float = 0.0, over_s: float = 0.0) -> bool:
        """Tell a device to do something; false when its process is down."""
        line = Order(device=device, do=do, amount=amount, over_s=over_s).model_dump_json().encode() + b"\n"
        for plan, program in zip(self.processes, self.device_programs, strict=True):
            if any(one.device == device for one in plan.devices):
                return program.say(line)
        raise KeyError(device)

    def status(self) -> dict[str, ProcessStatus]:
        """What each device process last said of itself; a process that never did is missing."""
        found = {}
        for plan in self.processes:
            with contextlib.suppress(FileNotFoundError):  # it never did: missing, which is not drained
                text = plan.status_file.read_text(encoding="ascii")
                found[plan.folder.name] = ProcessStatus.model_validate_json(text)
        return found

    def stop_making(self) -> None:
        """Let the devices make nothing more, also those that are started later."""
        for plan in self.processes:
            plan.stop_file.touch()

    def drained(self) -> bool:
        """Whether every device has made its last reading and every store has confirmed all of it."""
        status = self.status()
        return len(status) == len(self.processes) and all(
            device.drained for process in status.values() for device in process.devices.values()
        )

    def undrained(self) -> str:
        """Which devices still hold what."""
        return ", ".join(
            f"{name}: {device.rows} rows, {'connected' if device.connected else 'not connected'}"
            for process in self.status().values()
            for name, device in process.devices.items()
            if not device.drained
        )


@contextlib.asynccontextmanager
async def running_house(folder: Path, options: Options) -> AsyncIterator[House]:
    """Everything runs from here to the end of the `async with`.

    Raises:
        FatalError: a program is not installed, or a part did not come up.
    """
    with contextlib.ExitStack() as stack:
        store_disk, edge_disk = (
            stack.enter_context(small_disk(folder / name, size, keeps=options.keeps))
            for name, size in (("store", STORE_DISK_BYTES), ("edge", EDGE_DISK_BYTES))
        )
        influx, store = await asyncio.to_thread(_open_store, stack, folder, options.store)
        house = await _build(folder, options, store, influx, (store_disk, edge_disk))
        for one in house.programs:
            stack.callback(one.stop)
        try:
            await _start(house)
            keeping = asyncio.create_task(keep(house.programs))
            yield house
            keeping.cancel()
            await asyncio.wait([keeping])
        finally:
            for link in house.links.values():
                await link.stop()


@contextlib.contextmanager
def small_disk(folder: Path, size_bytes: int, *, keeps: bool) -> Iterator[SmallDisk | None]:
    """A file system of that size at `folder`, or a plain folder and `None` where this user may not mount one."""
    folder.mkdir(mode=0o700)
    disk = SmallDisk(folder, size_bytes)
    if not disk.mount():
        yield None
        return
    try:
        yield disk
    finally:
        disk.free()
        if keeps:
            shutil.copytree(folder, folder.with_name(f"{folder.name}-kept"))
        disk.unmount()


def _open_store(stack: contextlib.ExitStack, folder: Path, kind: str) -> tuple[InfluxServer | None, Store]:
    if kind == "embedded":
        return None, EmbeddedStoreSettings(kind="embedded", path=folder / "store" / "readings.db")
    server = stack.enter_context(running_influx(folder / "store"))
    write_secret(folder / "influx.token", server.token)
    return server, InfluxStoreSettings(
        kind="influx", url=server.url, token_file=folder / "influx.token", bucket=server.new_bucket(), timeout_s=3.0
    )


async def _build(
    folder: Path,
    options: Options,
    store: Store,
    influx: InfluxServer | None,
    disks: tuple[SmallDisk | None, SmallDisk | None],
) -> House:
    program = find_mosquitto()
    if program is None:
        raise FatalError("a history needs the mosquitto program: install Debian's package mosquitto")
    port = free_port()
    names = [f"d{number}" for number in range(1, options.devices + 1)]
    links = {name: Link(name, port) for name in (*names, *WORKERS, "alerts")}
    for link in links.values():
        await link.start()
    room = (AMPLE, SMALL, BRIEF)
    devices = tuple(
        DevicePlan(market=MARKET, device=name, port=links[name].port, outbox=room[index % len(room)])
        for index, name in enumerate(names)
    )
    secret = secrets.token_hex(12)
    users = dict.fromkeys(("ingest", "alerts", *(one.identity.username for one in devices)), secret)
    mosquitto = MosquittoProgram(program, folder / "mosquitto", port, users, [one.identity for one in devices])
    write_secret(folder / "central.password", secret)
    _enrol(folder / "central.db", devices)
    processes = tuple(_process_plans(folder, devices, options, secret))
    return House(
        folder=folder,
        options=options,
        store=store,
        influx=influx,
        store_disk=disks[0],
        edge_disk=disks[1],
        broker_port=port,
        device_plans=devices,
        processes=processes,
        links=links,
        broker=Program("broker", mosquitto.command, folder / "broker.log"),
        ingest=tuple(_ingest(folder, options, store, worker, links[worker]) for worker in WORKERS),
        alerts=_alerts(folder, links["alerts"]),
        device_programs=tuple(_device_program(plan) for plan in processes),
    )


def _enrol(path: Path, devices: tuple[DevicePlan, ...]) -> None:
    engine = open_database(sqlite_url(path))
    migrate(engine)
    subjects = [
        Subject(kind, subject, one.device, None, one.device if kind == "gates" else None)
        for one in devices
        for subject, kind in one.subjects.items()
    ]
    subjects += [Subject("cameras", one.camera, one.device, ZONE) for one in devices]
    Registry(engine).enrol(
        MarketEntry(
            Named(MARKET, "고장 시장", "Fault market"),
            zones=(Named(ZONE, "골목", "Alley"),),
            lots=tuple(Named(one.device, one.device, one.device) for one in devices),
            devices=tuple(one.device for one in devices),
            subjects=tuple(subjects),
            recipients=(Recipient("김관리", "01000000001"),),
        )
    )
    engine.dispose()


def _process_plans(
    folder: Path, devices: tuple[DevicePlan, ...], options: Options, secret: str
) -> Iterator[ProcessPlan]:
    """Process p1 keeps its outboxes on the small disk."""
    for number, start in enumerate(range(0, len(devices), DEVICES_PER_PROCESS), 1):
        own = folder / f"p{number}"
        own.mkdir(mode=0o700)
        plan = ProcessPlan(
            folder=own,
            data=folder / "edge" if number == 1 else own,
            devices=devices[start : start + DEVICES_PER_PROCESS],
            period_s=options.period_s,
            alarm_period_s=options.alarm_period_s,
        )
        start_board(plan.boot_file, has_time_service=True)
        for one in plan.devices:
            write_secret(plan.password_file(one.device), secret)
        yield plan


def _device_program(plan: ProcessPlan) -> Program:
    file = plan.folder / "plan.json"
    file.write_text(plan.model_dump_json(), encoding="utf-8")
    command = [sys.executable, "-m", "benchmarks.faults.device", str(file)]
    return Program(f"devices-{plan.folder.name}", lambda: command, plan.folder / "device.log", talks=True)


def _ingest(folder: Path, options: Options, store: Store, worker: str, link: Link) -> Program:
    content = {
        "broker": _broker(folder, link, "ingest"),
        "database_url": sqlite_url(folder / "central.db"),
        "series": json.loads(store.model_dump_json()),
        "worker": worker,
        "share_group": "ingest",
    }
    path = folder / f"{worker}.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return Program(f"ingest-{worker}", lambda: [*options.ingest, "--config", str(path)], folder / f"{worker}.log")


def _alerts(folder: Path, link: Link) -> Program:
    content = {"broker": _broker(folder, link, "alerts"), "database_url": sqlite_url(folder / "central.db")}
    path = folder / "alerts.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    command = [sys.executable, "-m", "jangteo", "alerts", "--config", str(path)]
    return Program("alerts", lambda: command, folder / "alerts.log")


def _broker(folder: Path, link: Link, username: str) -> dict[str, object]:
    return {"port": link.port, "username": username, "password_file": str(folder / "central.password")}


async def _start(house: House) -> None:
    house.broker.start()
    await until(lambda: accepts_connections("127.0.0.1", house.broker_port), "the broker listens")
    for one in (*house.ingest, house.alerts):
        one.start()
    engine = open_database(sqlite_url(house.central_file))
    parts = Parts(engine, SystemClock())
    try:
        await until(
            lambda: sum(part.state == "ok" for part in parts.all()) == len(WORKERS) + 1, "ingest and alerts run"
        )
    finally:
        engine.dispose()
    for one in house.device_programs:
        one.start()
    await until(lambda: len(house.status()) == len(house.processes), "the devices run")


async def until(holds: Callable[[], bool], what: str, within_s: float = READY_S_MAX) -> None:
    """Wait for a condition.

    Raises:
        FatalError: it did not come true in time.
    """
    deadline_s = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline_s:
            raise FatalError(f"not within {within_s:.0f} s: {what}")
        await asyncio.sleep(0.05)
