"""Events over a real Mosquitto into the alerts service, which is a process of its own."""

import asyncio
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import func, select

from broker.stores.database import sqlite_url
from broker.stores.dead_letters import DeadLetters
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages
from broker.stores.schema import incident_events
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.events import Event, Phase
from contract.topics import Topic, TopicFilter
from runtime.clock import SystemClock
from tests.broker.alerts.central import DEVICE, EPOCH, MANAGER, MARKET, SECOND_MANAGER, fire
from tests.broker.alerts.site import Site, end, open_site
from tests.eventually import eventually_async
from transport.mqtt_session import MqttSession
from transport.ports import NotConnectedError, PublishTimeoutError

pytestmark = pytest.mark.server


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "central.db") if sqlite else request.getfixturevalue("postgres_url")
    with open_site(tmp_path, url) as opened:
        yield opened


class Device:
    """A device that keeps each event until alerts has confirmed it, as the agent's outbox does."""

    def __init__(self, session: MqttSession) -> None:
        self.session = session
        self.unconfirmed: dict[int, Event] = {}
        self.sent = 0
        session.subscribe(TopicFilter(MARKET, DEVICE, "ack", "delivered"), Delivered, self._confirmed)

    async def _confirmed(self, _topic: Topic, receipt: Delivered) -> None:
        assert receipt.store == "incidents"
        for seq in receipt.seqs if receipt.epoch == EPOCH else ():
            self.unconfirmed.pop(seq, None)

    async def publish(self, event: Event) -> None:
        self.unconfirmed[event.seq] = event
        self.sent += 1
        with suppress(NotConnectedError, PublishTimeoutError):
            await self.session.publish(topic_for(MARKET, DEVICE, type(event)), event)


@asynccontextmanager
async def device(site: Site) -> AsyncIterator[Device]:
    made = Device(site.device_session())
    running = asyncio.create_task(made.session.run())
    try:
        await eventually_async(lambda: made.session.connected)
        yield made
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def ready(site: Site) -> None:
    await eventually_async(site.linked, within_s=20, what="alerts is linked to the broker")


async def test_a_fire_is_told_and_confirmed(site: Site) -> None:
    process = site.start_alerts(site.settings_file())
    try:
        await ready(site)
        async with device(site) as sender:
            now = SystemClock().unix_ms()
            for seq, phase in enumerate((Phase.RAISED, Phase.ONGOING, Phase.ONGOING), start=1):
                await sender.publish(fire(1, phase, unix_ms=now + seq, seq=seq))
            await eventually_async(lambda: not sender.unconfirmed, what="everything is confirmed")
        messages = Messages(site.engine, SystemClock())

        def told() -> list[Message]:
            return [one for one in messages.newest(MARKET) if one.state == "accepted"]

        await eventually_async(lambda: len(told()) == 2)
        (incident,) = Incidents(site.engine, SystemClock()).open_and_recent(MARKET)
        assert {one.provider for one in told()} == {"spool"}
        assert all(f"확인코드 {incident.code}" in one.text and "중앙시장 B구역 cam-1" in one.text for one in told())
    finally:
        assert end(process) == 0


async def test_what_cannot_be_read_is_a_dead_letter_and_confirmed(site: Site) -> None:
    process = site.start_alerts(site.settings_file())
    try:
        await ready(site)
        async with device(site) as sender:
            bad = fire(1, seq=7).model_copy(update={"score": 7.5})
            await sender.publish(bad)
            await eventually_async(lambda: not sender.unconfirmed, what="the dead letter is confirmed")
        (letter,) = DeadLetters(site.engine).newest()
        assert (letter.part, letter.reason_kind) == ("alerts", "malformed")
        assert "score" in letter.reason
        assert letter.body == bad.to_bytes()
        assert Incidents(site.engine, SystemClock()).open_and_recent() == ()
    finally:
        end(process)


@pytest.mark.parametrize("seed", [1])
async def test_kill_9_loses_no_alarm_and_doubles_no_incident(site: Site, seed: int) -> None:
    zones, phases = 60, (Phase.RAISED, Phase.ONGOING, Phase.ONGOING)
    kills = sorted(random.Random(seed).sample(range(5, 3 * zones - 20), 4))
    alerts = Mortal(site)
    try:
        await ready(site)
        async with device(site) as sender:
            killing = asyncio.create_task(alerts.die_at(kills))
            for number, (zone, phase) in enumerate(product(range(zones), phases), start=1):
                now = SystemClock().unix_ms()
                await sender.publish(fire(zone + 1, phase, unix_ms=now, zone=f"z{zone}", camera=f"c{zone}", seq=number))
                await confirmed_but(sender, 10)
            await killing
            await confirmed_but(sender, 0)
        found = Incidents(site.engine, SystemClock()).open_and_recent(MARKET, limit=1000)
        assert sorted(one.zone for one in found) == sorted(f"z{zone}" for zone in range(zones))
        assert {one.event_count for one in found} == {len(phases)}
        assert committed(site) == zones * len(phases)
        messages = Messages(site.engine, SystemClock())

        def first_words() -> list[Message]:
            return [one for one in messages.newest(MARKET, 1000) if one.message_key.endswith((":0", ":s0"))]

        def all_out() -> bool:
            return {one.state for one in first_words()} == {"accepted"}

        await eventually_async(all_out, within_s=60, what="every first word is out, in a summary or by itself")
        told = Counter((one.incident_id, one.channel) for one in first_words() if one.incident_id is not None)
        ways = Counter((told[one.incident_id, "sms"], told[one.incident_id, "storm"]) for one in found)
        both_ways = ways.pop((2, 1), 0)  # decided anew while the killed process's commit was still on its way
        assert set(ways) == {(2, 0), (0, 1)}, "each of them is told to both managers"
        assert both_ways <= len(kills)
        summaries = {one.recipient for one in first_words() if one.incident_id is None}
        assert summaries == {MANAGER, SECOND_MANAGER}, "so many fires at once are a storm"
    finally:
        end(alerts.process)


class Mortal:
    """The alerts process, killed whenever it has committed so many events, and started again at once."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.settings = site.settings_file()
        self.process = site.start_alerts(self.settings)

    async def die_at(self, counts: list[int]) -> None:
        for count in counts:
            await eventually_async(lambda: committed(self.site) >= count, within_s=60, every_s=0.002)  # noqa: B023 — awaited here
            end(self.process, signal.SIGKILL)
            self.process = self.site.start_alerts(self.settings)


def committed(site: Site) -> int:
    with site.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(incident_events)).scalar_one())


async def confirmed_but(sender: Device, left: int) -> None:
    """Wait until at most `left` events are unconfirmed; send them again whenever that takes over 2 s."""
    for _ in range(30):
        with suppress(AssertionError):
            await eventually_async(lambda: len(sender.unconfirmed) <= left, within_s=2.0, every_s=0.002)
            return
        for event in list(sender.unconfirmed.values()):
            await sender.publish(event)
    raise AssertionError(f"never confirmed: {sorted(sender.unconfirmed)}")
