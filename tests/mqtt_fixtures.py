"""Real brokers for tests: started on free loopback ports, ended by their own process ids."""

import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from broker.program.port import BrokerProgram
from broker.program.trial import TrialProgram
from contract.access import DeviceIdentity
from contract.catalog import Role
from runtime.secret_files import write_secret
from tests.absent import absent
from tests.eventually import eventually
from transport.ports import BrokerSettings

DEVICES = (
    DeviceIdentity("jungang", "edge-1"),
    DeviceIdentity("jungang", "edge-2"),
    DeviceIdentity("seomun", "edge-1"),
)

CENTRAL = (Role.INGEST, Role.ALERTS, Role.CONSOLE)
PASSWORDS = {name: f"password-of-{name}" for name in (*(one.username for one in DEVICES), *CENTRAL)}
ROOT = Path(__file__).resolve().parent.parent


class RunningBroker:
    """A broker process that a test may stop, kill, freeze and start again on the same port."""

    def __init__(self, program: BrokerProgram, directory: Path, passwords: Mapping[str, str]) -> None:
        self.program = program
        self.directory = directory
        self._passwords = passwords
        self._process: subprocess.Popen[bytes] | None = None
        self.log = directory / "broker.log"

    @property
    def kind(self) -> str:
        return self.program.kind

    @property
    def port(self) -> int:
        return self.program.port

    def settings(self, username: str, client_id: str | None = None) -> BrokerSettings:
        """How `username` connects; the client id is the user name unless given."""
        secret = self.directory / f"client-{username}.password"
        write_secret(secret, self._passwords[username])
        return BrokerSettings(
            self.program.host, self.port, client_id or username, username, secret, publish_timeout_s=5.0
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.program.command(), stdout=log, stderr=log, cwd=ROOT)
        try:
            eventually(self.program.ready, what=f"{self.kind} on port {self.port}")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log.read_text(errors='replace')}") from error

    def send_signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, number: int = signal.SIGTERM) -> None:
        """End the process and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(number)
            self._process.wait(10)
            self._process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


def free_tcp_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_mosquitto(directory: Path) -> Iterator[RunningBroker]:
    """Mosquitto with users for every role and for `DEVICES`; without the program: skip, or fail in CI."""
    program = find_mosquitto()
    if program is None:
        absent("the mosquitto program is not installed")
    with _running(MosquittoProgram(program, directory, free_tcp_port(), PASSWORDS, DEVICES), directory) as broker:
        yield broker


@contextmanager
def running_trial(directory: Path) -> Iterator[RunningBroker]:
    """The trial broker."""
    pytest.importorskip("iotcore", reason="iotcore has no wheel for this machine")
    with _running(TrialProgram(free_tcp_port()), directory) as broker:
        yield broker


@contextmanager
def _running(program: BrokerProgram, directory: Path) -> Iterator[RunningBroker]:
    directory.mkdir(exist_ok=True, mode=0o700)
    broker = RunningBroker(program, directory, PASSWORDS)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[RunningBroker]:
    """A Mosquitto of this test's own."""
    with running_mosquitto(tmp_path / "mosquitto") as broker:
        yield broker


@pytest.fixture
def trial_broker(tmp_path: Path) -> Iterator[RunningBroker]:
    """A trial broker of this test's own."""
    with running_trial(tmp_path / "trial") as broker:
        yield broker
