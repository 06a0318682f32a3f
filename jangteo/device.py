"""`jangteo edge`: the agent on the Pi's pins, or the same agent on simulated ones."""

from pathlib import Path
from typing import TYPE_CHECKING

from edge.agent import run_agent
from edge.settings import DeviceSettings
from runtime.errors import SettingsError
from runtime.settings_file import load_settings

if TYPE_CHECKING:
    from jangteo.simulated_device import Simulation

SIMULATED = "simulated"


def load_device(config: Path) -> DeviceSettings:
    """Read a device's settings file.

    Raises:
        runtime.errors.SettingsError: with file, line, key, what is wrong and what would be right.
    """
    return load_settings(config, DeviceSettings)


def run_device(config: Path, simulation: "Simulation | None") -> None:
    """Run the agent until SIGTERM or SIGINT, on the Pi's pins or in a simulation.

    Raises:
        runtime.errors.SettingsError: the settings file cannot be used, or it asks for simulated cameras on a real Pi.
    """
    if simulation is not None:
        from jangteo.simulated_device import run_simulated  # noqa: PLC0415 — an agent on a Pi has no simulator

        run_simulated(load_device(config), simulation)
        return
    drawn = [camera.name for camera in load_device(config).cameras if camera.source == SIMULATED]
    if drawn:
        raise SettingsError(f"{config}: camera {drawn[0]}: source {SIMULATED!r} needs --simulate; name a real source")
    run_agent(config)
