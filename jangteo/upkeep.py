"""`jangteo upkeep`: roll-ups, retention and the canary."""

import threading
from pathlib import Path

from broker.upkeep.service import run_upkeep
from broker.upkeep.settings import UpkeepSettings
from runtime.logs import configure_logs
from runtime.settings_file import load_settings


def serve(config: Path, stop: threading.Event, *, verbose: bool = False) -> None:
    """Run upkeep with the settings file `config` until `stop` is set.

    Raises:
        runtime.errors.SettingsError: the file, the database URL or the token file cannot be used.
    """
    settings = load_settings(config, UpkeepSettings)
    configure_logs("upkeep", verbose=verbose)
    run_upkeep(settings, stop)
