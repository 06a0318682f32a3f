"""The line is cut: the market's own modem tells its people; when it is back the centre tells them nothing twice.

A whole agent, a real gammu-smsd with its dummy phone, and the alerts pipeline on a central state.
"""

import asyncio
import contextlib
import threading
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory
from sqlalchemy import Engine

from broker.alerts.counters import Counters
from broker.alerts.pipeline import Pipeline, Stores
from broker.alerts.policy import Composers
from broker.alerts.running import CONSUMER
from broker.console.roster_push import people_of
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.dead_letters import DeadLetters
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages
from broker.stores.policies import BUILT_IN
from broker.stores.presses import Presses
from broker.stores.registry import Recipient, Registry
from broker.stores.told import DeviceTellings
from contract.events import Phase
from contract.roster import Roster, RosterReport
from contract.signage import Name
from contract.signature import Signer
from contract.topics import Topic, TopicFilter
from edge.agent import Agent
from edge.ports import FireDecision
from runtime.clock import SystemClock
from tests.absent import absent
from tests.broker.alerts.central import DEVICE, MARKET, enrol
from tests.edge.device import settings
from tests.eventually import eventually_async
from tests.gammu_fixtures import GammuDaemon, GammuMissingError, running_gammu
from transport.memory_bus import MemoryBus
from transport.memory_outbox import MemoryOutbox

CHIEF, DEPUTY = "01011112222", "01055556666"
PEOPLE = (Recipient("김관리", CHIEF, "manager"), Recipient("박부장", DEPUTY, "deputy"))
SIGNER = Signer("07" * 32)
ONE_BY_ONE = replace(CONSUMER, batch_messages_max=1)  # so that only the order in which they come can help


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[GammuDaemon]:
    try:
        with running_gammu(tmp_path / "gammu") as made:
            yield made
    except GammuMissingError as error:
        absent(str(error))


@dataclass
class Centre:
    """The alerts service's pipeline on the bus, and a dispatcher's claims, which go on all the time."""

    engine: Engine
    bus: MemoryBus
    claimed: list[Message] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        clock, engine = SystemClock(), self.engine
        self.messages = Messages(engine, clock)
        stores = Stores(
            Registry(engine), Incidents(engine, clock), DeadLetters(engine), Presses(engine), DeviceTellings(engine)
        )
        pipeline = Pipeline(
            stores,
            clock,
            Counters(),
            composers=Composers(engine, clock),
            publisher=lambda: consumer.publisher,
            dispatch=self.claim,
            presence_changed=lambda: None,
            stale_after_s=600.0,
        )
        self.consumer = consumer = self.bus.consumer("alerts", ONE_BY_ONE, pipeline)
        self.thread = threading.Thread(target=self.consumer.run, args=(self.stop,))

    def claim(self) -> None:
        """As the dispatcher is woken: at once after every commit."""
        self.claimed.extend(self.messages.claim(100))

    def of(self, phone: str, step: str) -> Message | None:
        found = (one for one in self.messages.newest() if one.recipient == phone)
        return next((one for one in found if one.message_key.endswith(f":sms:{step}")), None)


@contextlib.asynccontextmanager
async def market(folder: Path, daemon: GammuDaemon) -> AsyncIterator[tuple[MemoryBus, Centre, Agent, MemoryOutbox]]:
    """A market with its roster at its device, everything connected."""
    engine = open_database(sqlite_url(folder / "central.db"))
    migrate(engine)
    enrol(engine, recipients=PEOPLE)
    bus = MemoryBus()
    centre, outbox = Centre(engine, bus), MemoryOutbox(bytes_max=1_000_000)
    modem = {"folder": str(daemon.folder), "pid_file": str(daemon.pid_file), "wait_s": 2}
    device = settings(folder, DEVICE, modem=modem, signing_public_key=SIGNER.public_key_hex)
    session, console = bus.session(f"{MARKET}.{DEVICE}"), bus.session("console")
    reports: list[RosterReport] = []

    async def note(_topic: Topic, report: RosterReport) -> None:
        reports.append(report)

    console.subscribe(TopicFilter(channel="reported", name="roster"), RosterReport, note)
    agent = Agent(device, pin_factory=MockFactory(), session=session, outbox=outbox)
    centre.thread.start()
    tasks = [asyncio.create_task(one.run()) for one in (console, agent)]
    await eventually_async(lambda: reports and centre.consumer.connected)
    roster = Roster(
        market=MARKET, device=DEVICE, generation=1, issued_unix_ms=1, content_sha256="0" * 64,
        name=Name(id=MARKET, ko="중앙시장", en="Jungang Market"), people=people_of(PEOPLE, BUILT_IN),
    )  # fmt: skip
    await console.publish(Topic(MARKET, DEVICE, "desired", "roster"), SIGNER.sign_roster(roster))
    await eventually_async(lambda: reports[-1].generation == 1)
    yield bus, centre, agent, outbox
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    centre.stop.set()
    await asyncio.to_thread(centre.thread.join)
    engine.dispose()


def fire() -> FireDecision:
    now = SystemClock().unix_ms()
    return FireDecision(uuid.uuid4().hex, Phase.RAISED, "b", "cam-1", 0.9, now - 900, now)


@pytest.mark.server
async def test_a_cut_line_the_modem_tells_and_the_centre_does_not_tell_again(
    tmp_path: Path, daemon: GammuDaemon
) -> None:
    async with market(tmp_path, daemon) as (bus, centre, agent, outbox):
        bus.go_down()
        agent.on_decision(fire())
        await eventually_async(daemon.sent, what="the modem has sent it", within_s=20.0)
        ((phone, text),) = daemon.sent()
        assert (phone, "현장장치 발송, 센터 불통" in text) == (CHIEF, True)
        await eventually_async(lambda: "told" in {row.topic.name for row in outbox.pending(0, 100, alarms_only=True)})

        bus.come_up()
        await eventually_async(lambda: centre.of(CHIEF, "0"), what="the centre has the fire")
        first, later = centre.of(CHIEF, "0"), centre.of(DEPUTY, "1")
        assert first is not None
        assert (first.state, first.provider) == ("accepted", f"edge:{DEVICE}")
        assert later is not None
        assert later.state == "due"
        await eventually_async(lambda: outbox.status().rows == 0, what="everything is confirmed")
        assert [one for one in centre.claimed if one.recipient == CHIEF and one.message_key.endswith(":0")] == []
        assert len(daemon.sent()) == 1


@pytest.mark.server
async def test_with_the_line_whole_the_centre_tells_and_the_modem_is_silent(
    tmp_path: Path, daemon: GammuDaemon
) -> None:
    async with market(tmp_path, daemon) as (_bus, centre, agent, outbox):
        agent.on_decision(fire())
        await eventually_async(lambda: [one.recipient for one in centre.claimed] == [CHIEF])
        await eventually_async(lambda: outbox.status().rows == 0, what="everything is confirmed")
        await asyncio.sleep(3)  # longer than the modem waits: what must not come has no event to wait for
        assert (daemon.sent(), list((daemon.folder / "outbox").iterdir())) == ([], [])
