"""Fixtures that every package's tests share."""

import os
from pathlib import Path

import pytest

from jangteo.up.layout import free_port as a_free_port
from tests.absent import absent

pytest_plugins = (
    "tests.mqtt_fixtures",
    "tests.postgres_fixtures",
    "tests.influx_fixtures",
    "tests.kannel_fixtures",
)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data; without it a test skips on a user's machine and fails in CI."""
    path = Path(os.environ.get("JANGTEO_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        absent(f"no real data at {path} (set JANGTEO_DATA)")
    return path


@pytest.fixture
def free_port() -> int:
    """A loopback port that was free a moment ago, and that nobody is given by chance."""
    return a_free_port()
