"""`jangteo health`: whether a central part reports progress, for a container's health check."""

from pathlib import Path

from pydantic import ConfigDict

from broker.stores.database import open_database
from broker.stores.parts import Parts
from runtime.clock import SystemClock
from runtime.settings_file import SettingsModel, load_settings


class _HasDatabase(SettingsModel):
    """Of a service's settings only the database matters here."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    database_url: str


def part_health(config: Path, part: str) -> tuple[str, str]:
    """The part's state (ok, degraded, stale or absent) and a sentence.

    Raises:
        runtime.errors.SettingsError: `config` names no database.
    """
    engine = open_database(load_settings(config, _HasDatabase).database_url)
    try:
        found = {one.part: one for one in Parts(engine, SystemClock()).all()}
    finally:
        engine.dispose()
    status = found.get(part)
    if status is None:
        return "absent", f"{part}: has never reported"
    return status.state, f"{part}: {status.state}, said {status.age_s:.1f} s ago. {status.detail}".strip()
