"""Fixtures that every package's tests share."""

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from jangteo.address import host_and_port
from jangteo.up.layout import free_port as a_free_port
from runtime.errors import SettingsError
from tests.absent import absent

pytest_plugins = (
    "tests.mqtt_fixtures",
    "tests.postgres_fixtures",
    "tests.influx_fixtures",
    "tests.kannel_fixtures",
)

ROOT = Path(__file__).resolve().parent.parent
CONFORMANCE = ROOT / "tests" / "conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`scripts/test --broker HOST:PORT`: hold that broker, and it alone, against the conformance suite."""
    group = parser.getgroup("jangteo", "a broker to hold against tests/conformance")
    group.addoption(
        "--broker",
        metavar="HOST:PORT",
        type=_address,
        help="run the conformance suite alone, against this MQTT 5 broker",
    )
    group.addoption("--broker-user", metavar="NAME[:FILE]", help="who may do everything there; FILE holds the password")
    group.addoption("--broker-device", metavar="MARKET.DEVICE:FILE", help="who has this device's access rules there")


def _address(text: str) -> tuple[str, int]:
    try:
        return host_and_port(text)
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    if config.getoption("--broker") is None or collection_path.is_dir():
        return None
    return True if CONFORMANCE not in collection_path.parents else None


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with real data; without it a test skips on a user's machine and fails in CI."""
    path = Path(os.environ.get("JANGTEO_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        absent(f"no real data at {path} (set JANGTEO_DATA)")
    return path


@pytest.fixture(autouse=True)
def _working_directory() -> Iterator[None]:
    """A test that leaves the working directory changed fails, rather than a later one that starts a process."""
    before = Path.cwd()
    yield
    after = Path.cwd()
    os.chdir(before)
    assert after == before


@pytest.fixture
def free_port() -> int:
    """A loopback port that was free a moment ago, and that nobody is given by chance."""
    return a_free_port()
