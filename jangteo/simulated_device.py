"""The real agent on simulated pins, with simulated cameras where its settings name them."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gpiozero.pins.mock import MockFactory

from edge.agent import Agent, run_until_signalled
from edge.settings import ClockSettings, DeviceSettings
from firmware_sim.occupancy_csv import bay_timeline, read_occupancy
from firmware_sim.timeline import BayChange
from firmware_sim.wiring import DeviceWiring
from firmware_sim.world import DeviceWorld, WorldExtras
from jangteo.device import SIMULATED
from jangteo.up.layout import LOOPBACK, Ports
from jangteo.wiring import wiring_of
from runtime.clock import SystemClock
from runtime.supervision import die_with_parent
from runtime.watchdog import Watchdog

STOP_TIMEOUT_S = 5.0
TRUTH_FILE = "truth.jsonl"
CONTROL_FILE = "control.jsonl"


@dataclass(frozen=True, slots=True)
class Simulation:
    """How a device is simulated. `occupancy` is a CSV of car parks whose shares the bays follow instead of chance."""

    seed: int = 1
    speed: float = 60.0
    occupancy: Path | None = None


def run_simulated(settings: DeviceSettings, simulation: Simulation) -> None:
    """Run the agent until SIGTERM or SIGINT, in a world of its own.

    Its clock is trusted: the machine that simulates is the machine that the centre runs on. What the world does is
    written to `truth.jsonl` in the device's data folder, and orders are read from `control.jsonl` there.

    Raises:
        firmware_sim.occupancy_csv.UnusableOccupancyError: the CSV cannot be used.
    """
    settings = settings.model_copy(update={"clock": ClockSettings(source="trusted")})
    factory = MockFactory()
    wiring = wiring_of(settings)
    start_unix_ms = SystemClock().unix_ms()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    world = DeviceWorld(
        wiring,
        factory,
        seed=simulation.seed,
        speed=simulation.speed,
        timeline=_timeline(wiring, simulation, start_unix_ms),
        start_unix_ms=start_unix_ms,
        extras=WorldExtras(settings.data_dir / TRUTH_FILE, settings.data_dir / CONTROL_FILE),
    )
    with _cameras(settings, simulation.seed) as seen, world:
        asyncio.run(run_until_signalled(Agent(seen, pin_factory=factory, watchdog=Watchdog())))


def _timeline(wiring: DeviceWiring, simulation: Simulation, start_unix_ms: int) -> tuple[BayChange, ...] | None:
    """The bays' history from the CSV: each lot follows one car park, the fullest histories first."""
    if simulation.occupancy is None:
        return None
    histories, _ = read_occupancy(simulation.occupancy)
    by_length = sorted(histories.values(), key=lambda one: -len(one.samples))
    lots = sorted({echo.lot for echo in wiring.echoes})
    changes: list[BayChange] = []
    for index, lot in enumerate(lots):
        bays = [echo.bay for echo in wiring.echoes if echo.lot == lot]
        history = by_length[(simulation.seed + index) % len(by_length)]
        changes += bay_timeline(history, bays, seed=simulation.seed, start_unix_ms=start_unix_ms)
    return tuple(sorted(changes, key=lambda change: change.time_unix_ms))


@contextmanager
def _cameras(settings: DeviceSettings, seed: int) -> Iterator[DeviceSettings]:
    """A camera server for the cameras whose source is `simulated`, and the settings that look at it."""
    drawn = [camera.name for camera in settings.cameras if camera.source == SIMULATED]
    if not drawn:
        yield settings
        return
    port = Ports(settings.data_dir / "simulated-ports.json").reserve("cameras")
    argv = camera_server_argv(port, drawn, seed)
    process = subprocess.Popen(argv, preexec_fn=die_with_parent)  # noqa: S603, PLW1509 — our module; no thread runs yet
    try:
        cameras = tuple(
            camera.model_copy(update={"source": camera_url(port, camera.name)}) if camera.name in drawn else camera
            for camera in settings.cameras
        )
        yield settings.model_copy(update={"cameras": cameras})
    finally:
        process.terminate()
        process.wait(STOP_TIMEOUT_S)


def camera_server_argv(port: int, cameras: Sequence[str], seed: int) -> list[str]:
    """The command that draws these cameras on a loopback port."""
    scenes = [argument for name in cameras for argument in ("--camera", f"{name}=scene")]
    return [sys.executable, "-m", "firmware_sim.cameras.server", "--port", str(port), *scenes, "--seed", str(seed)]


def camera_url(port: int, camera: str) -> str:
    """Where a drawn camera's picture comes from."""
    return f"http://{LOOPBACK}:{port}/{camera}.mjpg"
