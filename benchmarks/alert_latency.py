"""Alarm to telephones: published, committed, first and last SMS accepted; a hung provider; 100 alarms at once.

Through a real Mosquitto into the alerts service as a process of its own, on SQLite. "Committed" is when the device
has the receipt, "accepted" when the provider's answer for a recipient is written down. Each alarm but those of the
storm is in a market of its own: three in one market within a minute are a storm, which is told in fewer words.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from sqlalchemy import Engine

from benchmarks.alert_crash.house import PASSWORD, TOWN, TownBroker
from benchmarks.faults.programs import Program
from broker.program.mosquitto import find_mosquitto
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.messages import Message, Messages
from broker.stores.parts import Parts
from broker.stores.registry import MarketEntry, Named, Recipient, Registry
from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.events import FireEvent
from contract.topics import Topic, TopicFilter
from runtime.clock import SystemClock
from runtime.logs import configure_logs
from runtime.secret_files import write_secret
from tests.broker.alerts.central import DEVICE, fire
from tests.broker.alerts.sendsms_stub import SendsmsStub, running_stub
from tests.eventually import eventually, eventually_async
from tests.kannel_fixtures import KannelMissingError, running_kannel
from tests.mqtt_fixtures import free_tcp_port
from transport.mqtt_session import MqttSession
from transport.ports import BrokerSettings

LOADS = ((1, 120), (10, 40), (50, 12))  # recipients, alarms
GOALS_MS: Mapping[tuple[int, str], float] = {(1, "last SMS"): 150, (50, "last SMS"): 1500}
HUNG_ALARMS = 6
HUNG_RECIPIENTS = 10
HUNG_GOAL_MS = 7000
STORM_ALARMS = 100
STORM_RECIPIENTS = 10
STORM_S_MAX = 120.0
PAUSE_S_MAX = 0.03
MORE, NAMED = re.compile(r"외 (\d+)건"), re.compile(r"구역 [A-Z0-9]{4}")
DEADLINE_S = 30.0
CLOCK = SystemClock()


@dataclass(slots=True)
class Figures:
    """Milliseconds from publishing, of each alarm."""

    committed_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    last_ms: list[float] = field(default_factory=list)

    def rows(self) -> Iterator[tuple[str, float, float]]:
        """What, p50 and p99, in milliseconds."""
        for what, values in (
            ("committed", self.committed_ms),
            ("first SMS", self.first_ms),
            ("last SMS", self.last_ms),
        ):
            cuts = statistics.quantiles(values, n=100, method="inclusive")
            yield what, cuts[49], cuts[98]


@dataclass(slots=True)
class Device:
    """A device's link and what it has heard confirmed."""

    session: MqttSession
    confirmed_s: dict[int, float] = field(default_factory=dict)
    seqs: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.session.subscribe(TopicFilter(None, DEVICE, "ack", "delivered"), Delivered, self._note)

    async def _note(self, _topic: Topic, receipt: Delivered) -> None:
        now_s = time.time()
        for seq in receipt.seqs:
            self.confirmed_s.setdefault(seq, now_s)

    async def raise_fire(self, market: int) -> tuple[int, float]:
        """Publish one in a zone of its own; its number, and when."""
        seq, published_s = next(self.seqs), time.time()
        event = fire(seq, unix_ms=int(published_s * 1000), zone=f"z{seq}", seq=seq)
        await self.session.publish(topic_for(f"m{market}", DEVICE, FireEvent), event)
        return seq, published_s


def main(arguments: Sequence[str]) -> int:
    """Measure all of it; 0 only if every goal was reached."""
    parser = argparse.ArgumentParser(prog="scripts/bench alert-latency", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="of the pauses between alarms")
    parser.add_argument("--only", choices=("spool", "kannel", "hung", "storm"), help="one of the parts; all if none")
    given = parser.parse_args(arguments)
    configure_logs("benchmark")
    rng = random.Random(given.seed)  # noqa: S311 — pauses between alarms, not a secret
    good = True
    if given.only in {None, "spool"}:
        good &= _loads("spool", [{"kind": "spool"}], rng)
    if given.only in {None, "kannel"}:
        try:
            with running_kannel() as kannel:
                good &= _loads("kannel", [kannel.settings()], rng)
        except KannelMissingError as error:
            print(f"kannel: not measured: {error}")
    if given.only in {None, "hung"}:
        good &= _hung()
    if given.only in {None, "storm"}:
        _storm()
    return 0 if good else 1


@dataclass(frozen=True, slots=True)
class Town:
    """Running: markets m0, m1, … with so many recipients each."""

    folder: Path
    engine: Engine
    port: int

    def messages(self, market: int) -> tuple[Message, ...]:
        """A market's first thousand messages, newest first."""
        return Messages(self.engine, CLOCK).newest(f"m{market}", 1000)

    def linked(self) -> bool:
        """Whether the service has its link, and sends."""
        found = {one.part: one.counters for one in Parts(self.engine, CLOCK).all()}
        return "alerts" in found and found["alerts"]["bus_connected"] == found["alerts"]["is_active"] == 1


@contextmanager
def _town(rosters: Sequence[int], notifiers: Callable[[Path], Sequence[Mapping[str, object]]]) -> Iterator[Town]:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        raise SystemExit("the mosquitto program is not installed (Debian: mosquitto)")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="jangteo-bench-")))
        engine = open_database(sqlite_url(folder / "central.db"))
        stack.callback(engine.dispose)
        migrate(engine)
        for market, recipients in enumerate(rosters):
            people = tuple(Recipient(f"r{number}", f"010{market:04}{number:04}") for number in range(recipients))
            names = Named(f"m{market}", f"시장{market}", f"Market {market}")
            Registry(engine).enrol(MarketEntry(names, devices=(DEVICE,), recipients=people))
        write_secret(folder / "password", PASSWORD)
        town = Town(folder, engine, free_tcp_port())
        devices = [DeviceIdentity(f"m{market}", DEVICE) for market in range(len(rosters))]
        broker = TownBroker(mosquitto, folder / "mosquitto", town.port, {"alerts": PASSWORD, TOWN: PASSWORD}, devices)
        settings = {
            "broker": {"port": town.port, "username": "alerts", "password_file": str(folder / "password")},
            "database_url": sqlite_url(folder / "central.db"),
            "notifiers": list(notifiers(folder)),
        }
        path = folder / "alerts.yaml"
        path.write_text(json.dumps(settings), encoding="utf-8")
        service = [sys.executable, "-m", "jangteo", "alerts", "--config", str(path)]
        for program in (
            Program("mosquitto", broker.command, folder / "mosquitto.log"),
            Program("alerts", lambda: service, folder / "alerts.log"),
        ):
            stack.callback(program.stop)
            program.start()
        eventually(town.linked, within_s=DEADLINE_S, what="alerts is linked and active")
        yield town


@asynccontextmanager
async def _device(town: Town) -> AsyncIterator[Device]:
    device = Device(MqttSession(BrokerSettings("127.0.0.1", town.port, TOWN, TOWN, town.folder / "password")))
    running = asyncio.create_task(device.session.run())
    try:
        await eventually_async(lambda: device.session.connected, within_s=DEADLINE_S)
        yield device
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


def _loads(name: str, notifiers: Sequence[Mapping[str, object]], rng: random.Random) -> bool:
    rosters = [recipients for recipients, alarms in LOADS for _ in range(alarms)]
    with _town(rosters, lambda _folder: notifiers) as town:
        found = asyncio.run(_measure(town, rosters, rng))
    good = [_print(name, recipients, found[recipients]) for recipients, _ in LOADS]
    return all(good)


async def _measure(town: Town, rosters: Sequence[int], rng: random.Random) -> Mapping[int, Figures]:
    """One alarm after the other, each in its own market; by the number of recipients."""
    found: dict[int, Figures] = {}
    async with _device(town) as device:
        for market, recipients in enumerate(rosters):
            await asyncio.sleep(rng.random() * PAUSE_S_MAX)
            await _one(town, device, market, recipients, found.setdefault(recipients, Figures()))
    return found


async def _one(town: Town, device: Device, market: int, recipients: int, figures: Figures) -> None:
    seq, published_s = await device.raise_fire(market)

    def accepted_ms() -> list[int]:
        times = [one.accepted_unix_ms for one in town.messages(market) if one.accepted_unix_ms is not None]
        return times if len(times) == recipients else []

    await eventually_async(lambda: seq in device.confirmed_s, within_s=DEADLINE_S, every_s=0.005)
    times = await eventually_async(accepted_ms, within_s=DEADLINE_S, every_s=0.02)
    figures.committed_ms.append((device.confirmed_s[seq] - published_s) * 1000)
    figures.first_ms.append(min(times) - published_s * 1000)
    figures.last_ms.append(max(times) - published_s * 1000)


def _hung() -> bool:
    """The first of two providers takes everything and answers nothing."""
    rosters = [HUNG_RECIPIENTS] * HUNG_ALARMS
    with running_stub() as stub, _town(rosters, lambda folder: _stubs(folder, stub)) as town:
        stub.hang("first")
        figures = asyncio.run(_measure(town, rosters, random.Random(1)))[HUNG_RECIPIENTS]  # noqa: S311 — pauses
        twice = len(stub.held)
    good = _print("hung 1st", HUNG_RECIPIENTS, figures)
    first_ms = figures.first_ms[0]
    print(f"hung first provider: the first fire is taken by the second after {first_ms / 1000:.2f} s", end="; ")
    print(f"{twice} of {HUNG_ALARMS * HUNG_RECIPIENTS} had gone to the first before it was passed over")
    return good and max(figures.first_ms) < HUNG_GOAL_MS


def _storm() -> None:
    """Many alarms of one market at once: what each of its people gets."""
    with running_stub() as stub, _town([STORM_RECIPIENTS], lambda folder: _stubs(folder, stub)) as town:
        begun_s = time.monotonic()
        asyncio.run(_raise_storm(town))
        eventually(lambda: _named(stub) == STORM_ALARMS, within_s=STORM_S_MAX, every_s=0.1, what="every fire is told")
        took_s, sms = time.monotonic() - begun_s, len(stub.taken)
    each = sms / STORM_RECIPIENTS
    print(f"storm: {STORM_ALARMS} alarms at once in one market of {STORM_RECIPIENTS} people: {sms} SMS", end=" ")
    print(f"({each:.1f} each, instead of {STORM_ALARMS}) within {took_s:.1f} s")


async def _raise_storm(town: Town) -> None:
    async with _device(town) as device:
        await asyncio.gather(*(device.raise_fire(0) for _ in range(STORM_ALARMS)))
        await eventually_async(lambda: len(device.confirmed_s) == STORM_ALARMS, within_s=STORM_S_MAX)


def _named(stub: SendsmsStub) -> int:
    """How many alarms the first person has heard of: by name, or as one of so many more."""
    mine = [one.text for one in tuple(stub.taken) if one.recipient == stub.taken[0].recipient]
    alone = sum(text.startswith("[화재]") for text in mine)
    summaries = [text for text in mine if text.startswith("[화재 다발]")]
    more = sum(int(found[1]) for text in summaries if (found := MORE.search(text)) is not None)
    return alone + more + sum(len(NAMED.findall(text)) for text in summaries)


def _stubs(folder: Path, stub: SendsmsStub) -> list[dict[str, object]]:
    secret = str(folder / "password")
    return [stub.settings(name, secret, free_tcp_port()) for name in ("first", "second")]


def _print(name: str, recipients: int, figures: Figures) -> bool:
    """One line for each figure; whether the goals were reached."""
    good = True
    for what, p50_ms, p99_ms in figures.rows():
        goal_ms = GOALS_MS.get((recipients, what))
        good &= goal_ms is None or p99_ms < goal_ms
        goal = "" if goal_ms is None else f"  goal {goal_ms:.0f} ms: {'reached' if p99_ms < goal_ms else 'MISSED'}"
        alarms = len(figures.first_ms)
        print(
            f"{name:<8} {recipients:>3} recipients {alarms:>4} alarms  {what:<10} "
            f"p50 {p50_ms:7.1f} ms  p99 {p99_ms:7.1f} ms{goal}",
            flush=True,
        )
    return good
