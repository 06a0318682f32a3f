"""From the fire to whoever takes care of it: by the link in the text, and by a device's button; the others are told."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import httpx
import pytest

from broker.console.service import create_app
from broker.series.memory import MemorySeriesStore
from broker.stores.database import sqlite_url
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.events import AcknowledgeEvent, Event, Phase
from contract.topics import Topic, TopicFilter
from runtime.clock import SystemClock
from tests.broker.alerts.central import (
    DEPUTY,
    DEVICE,
    EPOCH,
    MANAGER,
    MARKET,
    MERCHANT,
    SECOND_MANAGER,
    event_id,
    fire,
    trouble,
)
from tests.broker.alerts.site import Site, end, open_site
from tests.broker.console.conftest import settings_in
from tests.eventually import eventually_async
from tests.kannel_fixtures import KannelServer
from transport.memory_bus import MemoryBus
from transport.mqtt_session import MqttSession

pytestmark = pytest.mark.server

LINK = re.compile(r"https://alrt\.kr(/a/[A-Za-z0-9_-]{12})\b")


@pytest.fixture(params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "central.db") if sqlite else request.getfixturevalue("postgres_url")
    with open_site(tmp_path, url) as opened:
        yield opened


@asynccontextmanager
async def alerts(site: Site, *notifiers: Mapping[str, object]) -> AsyncIterator[MqttSession]:
    """The service, with links, and a device that speaks to it."""
    path = site.settings_file(notifiers or ({"kind": "spool"},))
    settings = {**json.loads(path.read_text(encoding="utf-8")), "public_url": "https://alrt.kr"}
    path.write_text(json.dumps(settings), encoding="utf-8")
    process, session = site.start_alerts(path), site.device_session()
    running = asyncio.create_task(session.run())
    try:
        await eventually_async(site.linked, within_s=20, what="alerts is linked to the broker")
        await eventually_async(lambda: session.connected)
        yield session
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        assert end(process) == 0


@asynccontextmanager
async def console(site: Site) -> AsyncIterator[tuple[httpx.AsyncClient, Messages]]:
    """A console on the same central state, as a phone from elsewhere reaches it."""
    settings = settings_in(site.folder / "console", database_url=site.database_url)
    (site.folder / "console").mkdir(exist_ok=True)
    app = create_app(settings, session=MemoryBus().session("console"), engine=site.engine, series=MemorySeriesStore())
    transport = httpx.ASGITransport(app, client=("8.8.8.8", 1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://console.test") as phone,
    ):
        yield phone, app.state.console.messages


def texts(site: Site) -> dict[tuple[str, str], Message]:
    """Every message by its step and recipient."""
    return {
        (one.message_key.rpartition(":")[2], one.recipient): one
        for one in Messages(site.engine, SystemClock()).newest()
    }


async def test_the_link_in_the_text_acknowledges_and_the_other_manager_hears_who(site: Site) -> None:
    async with alerts(site) as device, console(site) as (phone, _):
        now = SystemClock().unix_ms()
        await say(device, fire(1, unix_ms=now))
        await eventually_async(lambda: {("0", MANAGER), ("0", SECOND_MANAGER)} <= set(texts(site)))
        await eventually_async(lambda: texts(site)["0", SECOND_MANAGER].state == "accepted")
        links = {who: LINK.search(texts(site)["0", who].text) for who in (MANAGER, SECOND_MANAGER)}
        assert all(links.values())
        paths = [found[1] for found in links.values() if found is not None]
        assert len(set(paths)) == 2, "each has their own"

        assert (await phone.get(paths[0])).status_code == 200
        (before,) = Incidents(site.engine, SystemClock()).open_and_recent(MARKET)
        assert before.acknowledged_unix_ms is None
        assert (await phone.post(paths[0])).status_code == 200
        (after,) = Incidents(site.engine, SystemClock()).open_and_recent(MARKET)
        assert (after.acknowledged_by, after.acknowledged_via) == ("김관리", "link")
        assert {texts(site)["1", DEPUTY].state, texts(site)["2", MERCHANT].state} == {"cancelled"}

        await eventually_async(lambda: ("a0", SECOND_MANAGER) in texts(site), what="the other manager is told")
        assert "김관리" in texts(site)["a0", SECOND_MANAGER].text
        assert ("a0", MANAGER) not in texts(site), "who pressed knows"
        assert (await phone.post(paths[0])).status_code == 404
        assert "김관리 님이" in (await phone.get(paths[1])).text


async def test_the_button_on_a_device_acknowledges_is_confirmed_and_all_are_told(site: Site) -> None:
    async with alerts(site) as device:
        confirmed: set[int] = set()

        async def note(_topic: Topic, receipt: Delivered) -> None:
            confirmed.update(receipt.seqs)

        device.subscribe(TopicFilter(MARKET, DEVICE, "ack", "delivered"), Delivered, note)
        now = SystemClock().unix_ms()
        burning = fire(1, unix_ms=now, seq=1)
        await say(device, burning)
        await eventually_async(lambda: texts(site) and texts(site)["0", MANAGER].state == "accepted")
        press = AcknowledgeEvent(
            epoch=EPOCH, seq=2, event_id=event_id(2), time_unix_ms=now + 1, button="office", fires=(burning.event_id,)
        )
        await say(device, press)
        await eventually_async(lambda: 2 in confirmed, what="the device may forget the press")
        (incident,) = Incidents(site.engine, SystemClock()).open_and_recent(MARKET)
        assert (incident.acknowledged_by, incident.acknowledged_via) == (f"office ({DEVICE})", "button")
        await eventually_async(lambda: {("a0", MANAGER), ("a0", SECOND_MANAGER)} <= set(texts(site)))
        assert "office" in texts(site)["a0", MANAGER].text


async def test_a_press_that_overtakes_its_fire_is_confirmed_after_it(site: Site) -> None:
    async with alerts(site) as device:
        confirmed: list[int] = []

        async def note(_topic: Topic, receipt: Delivered) -> None:
            confirmed.extend(receipt.seqs)

        device.subscribe(TopicFilter(MARKET, DEVICE, "ack", "delivered"), Delivered, note)
        now = SystemClock().unix_ms()
        burning = fire(1, unix_ms=now, seq=1)
        press = AcknowledgeEvent(
            epoch=EPOCH, seq=2, event_id=event_id(2), time_unix_ms=now + 1, button="office", fires=(burning.event_id,)
        )
        after = trouble(3, Phase.RAISED, "bay", "a-01", unix_ms=now + 2).model_copy(update={"seq": 3})
        for event in (press, after):
            await say(device, event)
        await eventually_async(lambda: confirmed == [3], what="what came after the press")
        await say(device, burning)
        await eventually_async(lambda: confirmed == [3, 1])
        await say(device, press)
        await eventually_async(lambda: confirmed == [3, 1, 2])
        found = Incidents(site.engine, SystemClock()).open_and_recent(MARKET)
        assert {one.severity: one.acknowledged_via for one in found} == {"fire": "button", "trouble": None}


async def test_a_manager_s_reply_over_a_real_kannel_acknowledges_and_is_answered(
    tmp_path: Path, kannel: KannelServer
) -> None:
    with open_site(tmp_path, sqlite_url(tmp_path / "central.db")) as site:
        async with alerts(site, kannel.settings()) as device:
            await say(device, fire(1, unix_ms=SystemClock().unix_ms()))
            await eventually_async(lambda: Incidents(site.engine, SystemClock()).open_and_recent(MARKET))
            (incident,) = Incidents(site.engine, SystemClock()).open_and_recent(MARKET)
            await eventually_async(lambda: incident.code in arrived(kannel, MANAGER))

            kannel.comes_in(f"+82{MANAGER[1:]}", f"확인 {incident.code}")
            await eventually_async(lambda: f"{incident.code} 확인했습니다" in arrived(kannel, MANAGER))
            await eventually_async(lambda: "김관리" in arrived(kannel, SECOND_MANAGER))
            now = Incidents(site.engine, SystemClock()).get(incident.incident_id)
            assert (now.acknowledged_by, now.acknowledged_via) == ("김관리", "reply")

            kannel.comes_in("+821099998888", incident.code)
            kannel.comes_in(f"+82{DEPUTY[1:]}", "확인")
            await eventually_async(lambda: "지금 확인할 사건이 없습니다" in arrived(kannel, DEPUTY))
            assert arrived(kannel, "01099998888") == "", "a stranger is not answered"


def arrived(kannel: KannelServer, recipient: str) -> str:
    """Everything that one phone has received."""
    return "\n".join(one.text for one in kannel.at_smsc() if one.recipient == recipient)


async def say(device: MqttSession, event: Event) -> None:
    await device.publish(topic_for(MARKET, DEVICE, type(event)), event)
