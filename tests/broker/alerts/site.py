"""A real Mosquitto, a central state and the alerts service as its own process, for tests and the benchmark."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from broker.alerts.lease import NAME as LEASE
from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from broker.stores.database import migrate, open_database
from broker.stores.leases import Leases
from broker.stores.parts import Parts, PartStatus
from contract.access import DeviceIdentity
from runtime.clock import SystemClock
from runtime.secret_files import write_secret
from tests.absent import absent
from tests.broker.alerts.central import DEVICE, MARKET, enrol
from tests.eventually import eventually
from transport.mqtt_session import MqttSession
from transport.ports import BrokerSettings

ROOT = Path(__file__).resolve().parents[3]
PASSWORD = "only-for-this-test"
STOP_S_MAX = 15


@dataclass(frozen=True, slots=True)
class Site:
    """Where everything is."""

    folder: Path
    port: int
    database_url: str
    engine: Engine

    def device_session(self, device: str = DEVICE) -> MqttSession:
        username = DeviceIdentity(MARKET, device).username
        return MqttSession(
            BrokerSettings("127.0.0.1", self.port, username, username, self.folder / "password"),
        )

    def settings_file(
        self, notifiers: Sequence[Mapping[str, object]] = ({"kind": "spool"},), *, worker: str = "1", **more: object
    ) -> Path:
        """The alerts service's settings; YAML reads JSON."""
        settings = {
            "broker": {"port": self.port, "username": "alerts", "password_file": str(self.folder / "password")},
            "worker": worker,
            "database_url": self.database_url,
            "notifiers": list(notifiers),
            **more,
        }
        path = self.folder / f"alerts-{worker}.yaml"
        path.write_text(json.dumps(settings), encoding="utf-8")
        return path

    def part(self, worker: str = "1") -> PartStatus | None:
        """What a worker last said of itself."""
        name = "alerts" if worker == "1" else f"alerts-{worker}"
        return next((one for one in Parts(self.engine, SystemClock()).all() if one.part == name), None)

    def linked(self, worker: str = "1") -> bool:
        """Whether alerts has reported its link to the broker: before its first one the broker keeps nothing for it."""
        part = self.part(worker)
        return part is not None and part.state != "stale" and part.counters["bus_connected"] == 1

    def active(self) -> str | None:
        """Which worker sends, as the lease says."""
        term = Leases(self.engine).read(LEASE)
        return None if term is None or term.is_given_back else term.holder

    def start_alerts(self, settings: Path) -> subprocess.Popen[bytes]:
        """Its log goes to a file beside its settings."""
        with settings.with_suffix(".log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.broker.alerts.run_service", str(settings)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )


def end(process: subprocess.Popen[bytes], sign: signal.Signals = signal.SIGTERM) -> int:
    if process.poll() is None:
        process.send_signal(sign)
    try:
        return process.wait(STOP_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@contextmanager
def open_site(folder: Path, database_url: str, devices: Sequence[str] = (DEVICE, "fire-2")) -> Iterator[Site]:
    """Mosquitto runs from here to the end of the `with`; the market is enrolled."""
    program = find_mosquitto()
    if program is None:
        absent("mosquitto is not installed (Debian: mosquitto)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    write_secret(folder / "password", PASSWORD)
    identities = [DeviceIdentity(MARKET, name) for name in devices]
    users = dict.fromkeys(("alerts", "ingest", "console", *(one.username for one in identities)), PASSWORD)
    broker = MosquittoProgram(program, folder / "mosquitto", port, users, identities)
    engine = open_database(database_url)
    migrate(engine)
    enrol(engine)
    with (folder / "mosquitto.log").open("ab") as log:
        process = subprocess.Popen(broker.command(), stdout=log, stderr=log)
    try:
        eventually(broker.ready, what="Mosquitto listens")
        yield Site(folder, port, database_url, engine)
    finally:
        end(process)
        engine.dispose()
