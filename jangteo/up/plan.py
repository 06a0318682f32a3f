"""What `jangteo up` starts: settings files written into the data folder, and the processes that read them."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from broker.program.choose import choose_program
from broker.program.port import BrokerProgram
from contract.access import DeviceIdentity
from contract.catalog import Role
from edge.settings import DeviceBlock
from jangteo.device import SIMULATED
from jangteo.device_file import device_data, write_yaml
from jangteo.simulated_device import camera_server_argv, camera_url
from jangteo.site import SiteSettings
from jangteo.up.cameras import CameraFile
from jangteo.up.layout import LOOPBACK, RULES, Layout, Ports
from runtime.secret_files import ensure_secret
from runtime.supervision import ProcessSpec

if TYPE_CHECKING:
    from jangteo.up.service import UpOptions

HEAD = "Written by `jangteo up` at every start. Change the site file instead."
SERVICES = (Role.INGEST, Role.ALERTS, Role.CONSOLE)
UPKEEP = "upkeep"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to start, and what to tell the person who started it."""

    console_port: int
    broker_process: ProcessSpec
    processes: Sequence[ProcessSpec]
    player_urls: Mapping[str, str]
    trial_broker: bool


@dataclass(frozen=True, slots=True)
class _Site:
    """What the writers below all need."""

    layout: Layout
    ports: Ports
    site: SiteSettings
    broker_port: int
    console_port: int
    sim_port: int


def make_plan(
    layout: Layout,
    ports: Ports,
    site: SiteSettings,
    files: Sequence[CameraFile],
    options: "UpOptions",
) -> Plan:
    """Write every settings file and say which processes read them."""
    here = _Site(layout, ports, site, ports.reserve("broker"), options.port, ports.reserve("cameras"))
    program = _broker_program(here)
    trial = program.kind == "trial"
    _write_services(here, trial_broker=trial)
    broker = _process(layout, "broker", program.command())
    services = (*(role.value for role in SERVICES), UPKEEP)
    processes = [broker, *(_process(layout, name, _jangteo(name, layout)) for name in services)]
    players: dict[str, str] = {}
    if options.simulate:
        processes += _simulated(here, options)
    for block in site.devices:
        port = ports.reserve(f"player.{block.device}")
        _write_device(here, block, files, port)
        if options.simulate:
            players |= {one.name: f"http://{LOOPBACK}:{port}/screen/{one.name}" for one in block.screens}
    return Plan(options.port, broker, tuple(processes), players, trial)


def _broker_program(here: _Site) -> BrokerProgram:
    devices = [DeviceIdentity(here.site.market.id, block.device) for block in here.site.devices]
    names = [role.value for role in SERVICES] + [identity.username for identity in devices]
    users = {name: ensure_secret(here.layout.mqtt_password(name)) for name in names}
    return choose_program(here.layout.broker, here.broker_port, users, devices)


def _simulated(here: _Site, options: "UpOptions") -> Iterator[ProcessSpec]:
    layout = here.layout
    drawn = [camera.name for block in here.site.devices for camera in block.cameras if camera.source == SIMULATED]
    if drawn:
        yield _process(layout, "cameras", camera_server_argv(here.sim_port, drawn, options.seed))
    for index, block in enumerate(here.site.devices):
        command = [*_jangteo("edge", layout, f"device.{block.device}"), "--simulate"]
        command += ["--seed", str(options.seed * 1000 + index), "--speed", str(options.speed)]
        if options.occupancy is not None:
            command += ["--occupancy", str(options.occupancy.resolve())]
        yield _process(layout, f"edge.{block.device}", command)


def _jangteo(command: str, layout: Layout, settings: str | None = None) -> list[str]:
    return [sys.executable, "-m", "jangteo", command, "--config", str(layout.settings(settings or command))]


def _process(layout: Layout, name: str, argv: Sequence[str]) -> ProcessSpec:
    return ProcessSpec(name, tuple(argv), layout.log(name))


def _write_services(here: _Site, *, trial_broker: bool) -> None:
    layout = here.layout
    database_url = f"sqlite:///{layout.central_db}"
    series = {"kind": "embedded", "path": str(layout.series_db)}
    rules = {"rules_dir": str(RULES)} if RULES.is_dir() else {}
    here.layout.public_key_hex()  # makes the signing key at the first start
    write_yaml(
        layout.settings("ingest"),
        {
            "broker": _broker_block(here, "ingest"),
            "database_url": database_url,
            "series": series,
        },
        HEAD,
    )
    write_yaml(
        layout.settings("alerts"),
        {
            "broker": _broker_block(here, "alerts"),
            "database_url": database_url,
            "series": series,
            "notifiers": [{"kind": "spool"}],
            **rules,
        },
        HEAD,
    )
    write_yaml(
        layout.settings("console"),
        {
            "broker": _broker_block(here, "console"),
            "database_url": database_url,
            "series": series,
            "port": here.console_port,
            "public_url": f"http://{LOOPBACK}:{here.console_port}",
            "signing_key_file": str(layout.signing_key),
            "assets_dir": str(layout.assets),
            "trial_broker": trial_broker,
            **rules,
        },
        HEAD,
    )
    write_yaml(layout.settings(UPKEEP), {"database_url": database_url, "series": series}, HEAD)


def _write_device(here: _Site, block: DeviceBlock, files: Sequence[CameraFile], player_port: int) -> None:
    layout, market = here.layout, here.site.market.id
    data = device_data(
        block,
        market=market,
        data_dir=layout.device(block.device),
        broker=_broker_block(here, DeviceIdentity(market, block.device).username),
        signing_public_key=layout.public_key_hex(),
        assets_url=f"http://{LOOPBACK}:{here.console_port}/assets",
        sources=_sources(here, block, files),
        player_port=player_port,
        safety=_safety(here, block.device) if len(here.site.devices) > 1 else None,
    )
    write_yaml(layout.settings(f"device.{block.device}"), data, HEAD)


def _sources(here: _Site, block: DeviceBlock, files: Sequence[CameraFile]) -> dict[str, dict[str, object]]:
    """What the cameras look at here: the simulator's pictures, or a file over and over."""
    drawn: dict[str, dict[str, object]] = {
        camera.name: {"source": camera_url(here.sim_port, camera.name)}
        for camera in block.cameras
        if camera.source == SIMULATED
    }
    played: dict[str, dict[str, object]] = {one.camera: {"source": str(one.file), "loop": True} for one in files}
    return {**drawn, **played}


def _safety(here: _Site, device: str) -> dict[str, object]:
    """The direct link between the market's devices: here they are all on loopback."""
    ensure_secret(here.layout.market_key)
    addresses = {
        block.device: f"{LOOPBACK}:{here.ports.reserve(f'safety.{block.device}')}" for block in here.site.devices
    }
    return {
        "listen": addresses[device],
        "peers": [address for name, address in addresses.items() if name != device],
        "key_file": str(here.layout.market_key),
    }


def _broker_block(here: _Site, username: str) -> dict[str, object]:
    return {
        "host": LOOPBACK,
        "port": here.broker_port,
        "username": username,
        "password_file": str(here.layout.mqtt_password(username)),
    }
