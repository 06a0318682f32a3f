"""`jangteo health`: whether a central part reports progress, for a container's health check."""

from pathlib import Path

from broker.stores.parts import Parts
from jangteo.central_database import central_database
from runtime.clock import SystemClock


def part_health(config: Path, part: str) -> tuple[str, str]:
    """The part's state (ok, degraded, stale or absent) and a sentence.

    Raises:
        runtime.errors.SettingsError: `config` names no database.
        runtime.errors.FatalError: the database does not answer.
    """
    with central_database(config) as engine:
        found = {one.part: one for one in Parts(engine, SystemClock()).all()}
    status = found.get(part)
    if status is None:
        return "absent", f"{part}: has never reported"
    return status.state, f"{part}: {status.state}, said {status.age_s:.1f} s ago. {status.detail}".strip()
