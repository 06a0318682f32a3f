"""The last resort: what it sends by the modem's folders, when, to whom, and never twice over a restart."""

import asyncio
import contextlib
import os
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contract.delivery import Delivered
from contract.events import FireEvent, Phase, ToldEvent
from contract.roster import Roster, RosterPerson
from contract.signage import Name
from contract.topics import Topic
from edge.ports import ActiveFire, FireDecision
from edge.recording import Recorder
from edge.safety.alarm import MarketAlarm
from edge.safety.centre_watch import BACK_FOR_S
from edge.safety.last_resort import CAP_PER_HOUR, EXPIRES_S, LastResort
from edge.settings import ModemSettings
from runtime.clock import ManualClock
from runtime.gammu_folders import FOLDERS, GammuFolders
from tests.edge.device import settings
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus, MemorySession
from transport.memory_outbox import MemoryOutbox

KIM, LEE, BOSS = "01011112222", "01033334444", "01055556666"
EPOCH = "0" * 16
ROSTER = Roster(
    market="jungang",
    device="fire-1",
    generation=1,
    issued_unix_ms=1,
    content_sha256="0" * 64,
    name=Name(id="jungang", ko="중앙시장", en="Jungang Market"),
    zones=(Name(id="b", ko="B구역", en="Zone B"),),
    people=(
        RosterPerson(name="김관리", phone=KIM, centre=True),
        RosterPerson(name="Lee", phone=LEE, language="en"),
        RosterPerson(name="박소장", phone=BOSS, fire=False, centre=True),
    ),
)


@dataclass
class Market:
    """A device with a modem whose folders the test itself serves, as gammu-smsd would."""

    folder: Path
    clock: ManualClock = field(default_factory=ManualClock)
    roster: Roster | None = ROSTER
    faults: list[str | None] = field(default_factory=list)
    seq: int = 0

    def __post_init__(self) -> None:
        for name in FOLDERS:
            (self.folder / "modem" / name).mkdir(parents=True)
        self.pid_file = self.folder / "pid"
        self.pid_file.write_text(str(os.getpid()))
        self.bus = MemoryBus()
        self.centre = self.bus.session("centre")
        self.session: MemorySession
        self.start()

    def start(self) -> None:
        """The agent's process begins: nothing is left of the one before but its files."""
        self.alarm = MarketAlarm("fire-1", self.clock)
        device = settings(self.folder, "fire-1")
        self.outbox = MemoryOutbox(bytes_max=1_000_000, clock=self.clock)
        self.recorder = Recorder(self.outbox, device.identity, lambda: None)
        self.session = self.bus.session("jungang.fire-1")
        modem = ModemSettings(folder=self.folder / "modem", pid_file=self.pid_file)
        self.part = LastResort(
            device,
            modem,
            roster=lambda: self.roster,
            alarm=self.alarm,
            recorder=self.recorder,
            session=self.session,
            clock=self.clock,
            on_fault=lambda _name, detail: self.faults.append(detail),
        )

    def fire(self, zone: str = "b", event_id: str | None = None) -> str:
        event_id = event_id or uuid.uuid4().hex
        self.alarm.on_decision(FireDecision(event_id, Phase.RAISED, zone, "cam-1", 0.9, 1000, 2000))
        return event_id

    async def publish_fire(self, event_id: str, device: str = "fire-1") -> int:
        """The fire's event goes over the bus, as this device's delivery or another device sends it."""
        self.seq += 1
        now = self.clock.unix_ms()
        event = FireEvent(
            epoch=EPOCH, seq=self.seq, event_id=event_id, time_unix_ms=now, phase=Phase.RAISED, zone="b",
            camera="cam-1", score=0.9, first_seen_unix_ms=now, decided_unix_ms=now,
        )  # fmt: skip
        await self.centre.publish(Topic("jungang", device, "event", "fire"), event)
        return self.seq

    async def confirm(self, seq: int, store: str = "incidents") -> None:
        receipt = Delivered.model_validate({"epoch": EPOCH, "seqs": (seq,), "store": store})
        await self.centre.publish(Topic("jungang", "fire-1", "ack", "delivered"), receipt)
        await asyncio.sleep(0.05)  # both subscriptions have their turn

    async def pass_s(self, seconds: float) -> None:
        """Let time pass with a look every second."""
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            await self.part.look()

    def names(self, folder: str) -> list[str]:
        return sorted(path.name for path in (self.folder / "modem" / folder).iterdir())

    def outgoing(self) -> list[tuple[str, str]]:
        """(phone, text) of what lies in the modem's outbox."""
        return [
            (name.split("_")[3], (self.folder / "modem" / "outbox" / name).read_bytes().decode("utf-16"))
            for name in self.names("outbox")
        ]

    def serve(self, to: str = "sent") -> int:
        """What the daemon does: each text goes to `sent` or `error`; how many."""
        names = self.names("outbox")
        for name in names:
            (self.folder / "modem" / "outbox" / name).rename(self.folder / "modem" / to / name)
        return len(names)

    def told(self) -> list[ToldEvent]:
        self.recorder.start()
        self.recorder.stop()
        return [ToldEvent.from_bytes(row.body) for row in self.outbox.pending(0, 100) if row.topic.name == "told"]

    @contextlib.asynccontextmanager
    async def online(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(one.run()) for one in (self.session, self.centre)]
        await eventually_async(lambda: self.session.connected and self.centre.connected)
        await self.part.look()
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
def market(tmp_path: Path) -> Market:
    return Market(tmp_path)


async def test_a_fire_that_is_confirmed_in_time_is_not_told_from_here(market: Market) -> None:
    async with market.online():
        event_id = market.fire()
        seq = await market.publish_fire(event_id)
        await market.pass_s(5)
        await market.confirm(seq)
        await market.pass_s(60)
    assert (market.outgoing(), market.told()) == ([], [])


async def test_a_receipt_of_the_readings_store_says_nothing_of_the_fire(market: Market) -> None:
    async with market.online():
        seq = await market.publish_fire(market.fire())
        await market.confirm(seq, "readings")
        await market.pass_s(9)
        assert market.outgoing() == []
        await market.pass_s(1)
        assert [phone for phone, _ in market.outgoing()] == [KIM, LEE]


async def test_without_a_link_it_is_told_at_once_to_the_first_step_each_in_their_language(market: Market) -> None:
    async with market.online():
        pass
    await market.pass_s(30)
    market.fire()
    await market.part.look()
    assert market.outgoing() == [
        (KIM, "[화재] 중앙시장 B구역 cam-1 화염감지 09:00 현장장치 발송, 센터 불통"),
        (LEE, "[FIRE] Jungang Market Zone B cam-1 flame 09:00 by site device, no centre"),
    ]


async def test_the_centre_hears_whom_the_phone_network_took_and_no_sooner(market: Market) -> None:
    event_id = market.fire()
    await market.pass_s(10)
    assert len(market.outgoing()) == 2
    assert market.told() == []
    market.serve()
    await market.pass_s(1)
    assert [(one.event_id, one.phones) for one in market.told()] == [(event_id, (KIM, LEE))]
    await market.pass_s(30)
    assert len(market.told()) == 1


async def test_a_fire_of_another_device_heard_over_the_link_is_told_and_one_on_the_bus_is_not(market: Market) -> None:
    async with market.online():
        over_link, on_bus = uuid.uuid4().hex, uuid.uuid4().hex
        market.alarm.on_link("fire-2", [ActiveFire(market.clock.unix_ms(), over_link, "fire-2", "b", "cam-9")])
        market.alarm.on_link("fire-3", [ActiveFire(market.clock.unix_ms(), on_bus, "fire-3", "c", "cam-8")])
        await market.publish_fire(on_bus, "fire-3")
        await asyncio.sleep(0.05)
        await market.pass_s(12)
    assert ["cam-9" in text for _, text in market.outgoing()] == [True, True]


async def test_a_drill_is_never_told(market: Market) -> None:
    drill = FireDecision(uuid.uuid4().hex, Phase.RAISED, "b", "cam-1", 0.9, 1000, 2000, drill=True)
    market.alarm.on_decision(drill)
    await market.pass_s(60)
    assert market.outgoing() == []


async def test_the_same_zone_is_told_once_and_another_zone_again(market: Market) -> None:
    market.fire("b")
    await market.pass_s(10)
    market.fire("b")
    await market.pass_s(10)
    assert len(market.outgoing()) == 2
    market.fire("c")
    await market.pass_s(10)
    assert len(market.outgoing()) == 4
    market.serve()
    await market.pass_s(300)
    market.fire("b")
    await market.pass_s(10)
    assert len(market.outgoing()) == 2


async def test_nobody_gets_more_than_so_many_an_hour(market: Market) -> None:
    for number in range(CAP_PER_HOUR + 5):
        market.fire(f"zone-{number}")
    await market.pass_s(10)
    assert len(market.outgoing()) == 2 * CAP_PER_HOUR


@pytest.mark.parametrize("when", ["waiting", "queued", "sent"])
async def test_after_a_kill_nobody_gets_the_same_fire_again(market: Market, when: str) -> None:
    event_id = market.fire()
    if when == "waiting":
        market.pid_file.unlink()  # the modem's daemon is away: nothing is handed over
    await market.pass_s(10)
    if when == "sent":
        assert market.serve() == 2
    market.pid_file.write_text(str(os.getpid()))
    before = market.names("outbox") + market.names("sent")

    market.start()
    market.fire(event_id=event_id)
    await market.pass_s(30)

    after = market.names("outbox") + market.names("sent")
    assert len(after) == 2
    assert when == "waiting" or after == before
    market.serve()
    await market.pass_s(1)
    assert [one.phones for one in market.told()] == [(KIM, LEE)], "what the centre may not have heard is said again"


async def test_what_is_decided_stands_on_the_disk_before_the_modem_has_it(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bool] = []
    queue, file = GammuFolders.queue, market.folder / "fire-1" / "last_resort.json"

    def watched(self: GammuFolders, number: int, phone: str, text: str) -> str:
        written.append(str(number) in file.read_text())
        return queue(self, number, phone, text)

    monkeypatch.setattr(GammuFolders, "queue", watched)
    market.fire()
    await market.pass_s(10)
    assert written == [True, True]


async def test_a_kill_between_the_modem_and_the_disk_sends_nothing_twice(market: Market) -> None:
    """The state still says waiting, while the texts lie in the modem's folders."""
    event_id = market.fire()
    market.pid_file.unlink()
    await market.pass_s(10)
    file = market.folder / "fire-1" / "last_resort.json"
    waiting = file.read_bytes()
    market.pid_file.write_text(str(os.getpid()))
    await market.pass_s(1)
    assert market.serve() == 2
    file.write_bytes(waiting)

    market.start()
    market.fire(event_id=event_id)
    await market.pass_s(30)
    assert (len(market.names("outbox")), len(market.names("sent"))) == (0, 2)


async def test_what_the_modem_refuses_is_tried_three_times(market: Market) -> None:
    market.fire()
    await market.pass_s(10)
    for _ in range(3):
        assert market.serve("error") == 2
        await market.pass_s(2)
    assert market.outgoing() == []
    assert {one.state for one in market.part.texts} == {"given-up"}
    assert market.told() == []


async def test_a_text_that_waits_for_a_dead_modem_is_left_when_the_centre_has_the_fire_or_it_is_too_old(
    market: Market,
) -> None:
    market.pid_file.unlink()
    async with market.online():
        event_id = market.fire("b")
        await market.pass_s(11)
        assert [one.state for one in market.part.texts] == ["waiting", "waiting"]
        await market.confirm(await market.publish_fire(event_id))
        await market.pass_s(2)
        assert [one.state for one in market.part.texts] == ["given-up", "given-up"]
    market.fire("c")
    await market.pass_s(EXPIRES_S + 30)
    assert {one.state for one in market.part.texts if one.fire is not None} == {"given-up"}
    assert any("gammu-smsd does not run" in (one or "") for one in market.faults)
    market.pid_file.write_text(str(os.getpid()))
    await market.pass_s(1)
    assert market.faults[-1] is None
    assert {phone for phone, text in market.outgoing() if "센터 불통. 화재 땐" not in text} == set()


async def test_without_a_roster_it_waits_for_one_and_says_that_nobody_would_be_told(market: Market) -> None:
    market.roster = None
    market.fire()
    await market.pass_s(70)
    assert (market.outgoing(), market.faults) == (
        [],
        ["nobody to tell: the centre has sent no roster with people in it"],
    )
    market.roster = ROSTER
    await market.pass_s(1)
    assert len(market.outgoing()) == 2
    assert market.faults[-1] is None


async def test_missing_folders_are_a_fault_of_the_modem_and_end_nothing(market: Market) -> None:
    (market.folder / "modem" / "sent").rmdir()
    await market.pass_s(2)
    assert "no folder sent" in (market.faults[-1] or "")


async def test_managers_hear_once_that_the_centre_is_gone_and_once_that_it_is_back(market: Market) -> None:
    await market.pass_s(599)
    assert market.outgoing() == []
    await market.pass_s(2)
    assert market.outgoing() == [
        (KIM, "[장터] 중앙시장 fire-1 10분째 센터 불통. 화재 땐 현장장치가 알림"),
        (BOSS, "[장터] 중앙시장 fire-1 10분째 센터 불통. 화재 땐 현장장치가 알림"),
    ]
    market.serve()
    market.start()  # a restart does not tell again
    await market.pass_s(700)
    assert market.outgoing() == []
    async with market.online():
        await market.pass_s(BACK_FOR_S + 2)
    assert [text for _, text in market.outgoing()] == ["[장터] 중앙시장 fire-1 센터 다시 연결됨 (현장장치 발송)"] * 2
    assert market.told() == [], "that is no fire"


async def test_what_it_keeps_only_its_owner_can_read(market: Market) -> None:
    market.fire()
    await market.pass_s(10)
    assert (market.folder / "fire-1" / "last_resort.json").stat().st_mode & 0o777 == 0o600
