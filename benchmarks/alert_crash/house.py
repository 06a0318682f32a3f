"""Everything between an alarm and a telephone, as processes that can be killed: broker, two services, providers."""

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.alert_crash.boxes import Boxes
from benchmarks.alert_crash.checker import Received
from benchmarks.alert_crash.provider import read_journal
from benchmarks.alert_crash.town import enrol_town, identities
from benchmarks.faults.programs import Program
from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from broker.stores.database import migrate, open_database
from broker.stores.parts import Parts, kind_of
from contract.access import mosquitto_acl
from contract.ids import ID_LENGTH_MAX
from contract.topics import ROOT, VERSION, WILDCARD
from runtime.clock import SystemClock
from runtime.secret_files import write_secret
from tests.eventually import eventually
from tests.kannel_fixtures import KannelServer, running_kannel
from tests.mqtt_fixtures import free_tcp_port
from transport.ports import BrokerSettings

TOWN = "town"
PASSWORD = "drawn-for-this-run"  # noqa: S105 — of programs that live for this run, on loopback
WORKERS = ("1", "2")
PROVIDERS = ("first", "second")
READY_S_MAX = 30.0


class TownBroker(MosquittoProgram):
    """Mosquitto in which one user may speak for every device: a thousand links would measure something else."""

    def command(self) -> list[str]:
        """Write the files as ever, and this user's rules below the others."""
        command = super().command()
        devices = f"{ROOT}/{VERSION}/{WILDCARD}/{WILDCARD}"
        rules = f"\nuser {TOWN}\ntopic write {devices}/event/fire\ntopic read {devices}/ack/delivered\n"
        write_secret(self._directory / "access.acl", mosquitto_acl(()) + rules)
        return command


@dataclass(slots=True)
class House:
    """The running parts, by name, and where to look for what arrived."""

    folder: Path
    port: int
    engine: Engine
    programs: dict[str, Program]
    kannel: KannelServer | None = None
    boxes: Boxes | None = None

    def town(self) -> BrokerSettings:
        """How the town's publisher connects."""
        return BrokerSettings("127.0.0.1", self.port, TOWN, TOWN, self.folder / "password")

    def mortals(self) -> tuple[str, ...]:
        """What can be killed."""
        return (*self.programs, *(("bearerbox", "smsbox") if self.boxes is not None else ()))

    def kill(self, name: str, down_s: float) -> bool:
        """Kill -9 one of them, and have it started again after `down_s`; false if it was down already."""
        if name in self.programs:
            return self.programs[name].kill(down_s)
        return self.boxes is not None and self.boxes.kill(name, down_s)

    def look(self) -> None:
        """Start again what is due."""
        for program in self.programs.values():
            program.look()
        if self.boxes is not None:
            self.boxes.look()

    def running(self) -> bool:
        """Whether every part is."""
        return all(one.running for one in self.programs.values()) and (self.boxes is None or self.boxes.running())

    def linked(self) -> bool:
        """Whether both services have reported their link to the broker."""
        parts = [one for one in Parts(self.engine, SystemClock()).all() if kind_of(one.part) == "alerts"]
        return len(parts) == len(WORKERS) and all(one.counters["bus_connected"] == 1 for one in parts)

    def received(self) -> list[Received]:
        """Everything that arrived on the other side."""
        found = [one for name in PROVIDERS for one in read_journal(self.folder / f"{name}.journal")]
        if self.kannel is not None:
            found += [Received(one.recipient, one.text) for one in self.kannel.at_smsc()]
        return found


@contextmanager
def open_house(folder: Path, database_url: str, *, alarms: int, seed: int, with_kannel: bool) -> Iterator[House]:
    """Everything runs from here to the end of the `with`.

    Raises:
        tests.kannel_fixtures.KannelMissingError: Kannel was asked for and cannot run here.
    """
    assert alarms < 10**6 and len(f"z{alarms}") < ID_LENGTH_MAX  # noqa: S101, PT018 — the town's names have so many digits
    with ExitStack() as stack:
        kannel = stack.enter_context(running_kannel()) if with_kannel else None
        boxes = None if kannel is None else Boxes(kannel)
        if boxes is not None:
            stack.callback(boxes.stop)
        engine = open_database(database_url)
        stack.callback(engine.dispose)
        migrate(engine)
        enrol_town(engine, alarms)
        port = free_tcp_port()
        write_secret(folder / "password", PASSWORD)
        programs = dict(_programs(folder, database_url, port, kannel, seed, alarms))
        house = House(folder, port, engine, programs, kannel, boxes)
        for program in programs.values():
            stack.callback(program.stop)
            program.start()
        eventually(house.running, within_s=READY_S_MAX, what="every part runs")
        yield house


def _programs(
    folder: Path, database_url: str, port: int, kannel: KannelServer | None, seed: int, alarms: int
) -> Iterator[tuple[str, Program]]:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        raise SystemExit("the mosquitto program is not installed (Debian: mosquitto)")
    broker = TownBroker(mosquitto, folder / "mosquitto", port, {"alerts": PASSWORD, TOWN: PASSWORD}, identities(alarms))
    yield "mosquitto", Program("mosquitto", broker.command, folder / "mosquitto.log")
    blocks = list[dict[str, object]]()
    for number, name in enumerate(PROVIDERS):
        own = free_tcp_port()
        target = [kannel.url] if kannel is not None and number == 0 else []
        arguments = [str(own), str(folder / f"{name}.journal"), str(seed * 10 + number), *target]
        command = [sys.executable, "-m", "benchmarks.alert_crash.provider", *arguments]
        yield name, Program(name, lambda command=command: command, folder / f"{name}.log")  # type: ignore[misc] # mypy does not see that the default is the argument
        blocks.append(_notifier(folder, own, kannel if number == 0 else None))
    for worker in WORKERS:
        path = _settings(folder, worker, port, database_url, blocks)
        command = [sys.executable, "-m", "jangteo", "alerts", "--config", str(path)]
        yield f"alerts-{worker}", Program(worker, lambda command=command: command, path.with_suffix(".log"))  # type: ignore[misc] # as above


def _notifier(folder: Path, port: int, kannel: KannelServer | None) -> dict[str, object]:
    own: dict[str, object] = {
        "kind": "kannel",
        "username": "jangteo",
        "password_file": str(folder / "password"),
        "sender": "0212345678",
        "receipts_port": free_tcp_port(),
    }
    return {**(own if kannel is None else kannel.settings()), "url": f"http://127.0.0.1:{port}/cgi-bin/sendsms"}


def _settings(folder: Path, worker: str, port: int, database_url: str, notifiers: Sequence[dict[str, object]]) -> Path:
    content = {
        "broker": {"port": port, "username": "alerts", "password_file": str(folder / "password")},
        "worker": worker,
        "database_url": database_url,
        "notifiers": list(notifiers),
    }
    path = folder / f"alerts-{worker}.yaml"
    path.write_text(json.dumps(content), encoding="utf-8")
    return path
