"""A fire over a real Mosquitto to a real Kannel: accepted, at the SMSC, delivered; and what happens when it hangs."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pytest

from broker.stores.database import sqlite_url
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages
from contract.catalog import topic_for
from contract.events import FireEvent
from runtime.clock import SystemClock
from tests.broker.alerts.central import DEVICE, EPOCH, MANAGER, MARKET, SECOND_MANAGER, fire
from tests.broker.alerts.site import Site, end, open_site
from tests.eventually import eventually, eventually_async
from tests.kannel_fixtures import KannelServer

pytestmark = pytest.mark.server

CLOCK = SystemClock()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with open_site(tmp_path, sqlite_url(tmp_path / "central.db")) as opened:
        yield opened


async def publish_fire(site: Site, seq: int, zone: str = "b") -> None:
    session = site.device_session()
    running = asyncio.create_task(session.run())
    await eventually_async(lambda: session.connected)
    event = fire(seq, unix_ms=CLOCK.unix_ms(), zone=zone, seq=seq)
    assert event.epoch == EPOCH
    await session.publish(topic_for(MARKET, DEVICE, FireEvent), event)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


def first_words(site: Site) -> Mapping[str, Message]:
    found = Messages(site.engine, CLOCK).newest(MARKET)
    return {one.recipient: one for one in found if one.message_key.endswith(":0")}


def test_a_fire_reaches_the_phones_and_says_so(site: Site, kannel: KannelServer) -> None:
    process = site.start_alerts(site.settings_file([kannel.settings()]))
    try:
        eventually(site.linked)
        asyncio.run(publish_fire(site, 1))
        eventually(
            lambda: {one.state for one in first_words(site).values()} == {"delivered"}, what="both receipts came"
        )
        (incident,) = Incidents(site.engine, CLOCK).open_and_recent(MARKET)
        arrived = {one.recipient: one.text for one in kannel.at_smsc() if incident.code in one.text}
        assert set(arrived) == {MANAGER, SECOND_MANAGER}
        assert arrived == {recipient: one.text for recipient, one in first_words(site).items()}
        for one in first_words(site).values():
            assert one.provider == "kannel"
            assert one.accepted_unix_ms is not None
            assert one.delivered_unix_ms is not None
        Incidents(site.engine, CLOCK).acknowledge(incident.incident_id, "김관리", "console")
        left = [one.state for one in Messages(site.engine, CLOCK).of_incident(incident.incident_id)]
        assert sorted(left) == ["cancelled", "cancelled", "delivered", "delivered"]
    finally:
        assert end(process) == 0


def test_a_provider_that_hangs_is_passed_by(site: Site, kannel: KannelServer) -> None:
    process = site.start_alerts(site.settings_file([kannel.settings(), {"kind": "spool"}]))
    try:
        eventually(site.linked)
        kannel.pause("smsbox")
        asyncio.run(publish_fire(site, 1))
        eventually(lambda: len(first_words(site)) == 2)
        begun = CLOCK.unix_ms()
        eventually(lambda: {one.provider for one in first_words(site).values()} == {"spool"}, within_s=7)
        assert CLOCK.unix_ms() - begun < 7000
        assert {one.attempts for one in first_words(site).values()} == {2}
    finally:
        kannel.resume("smsbox")
        end(process)


def test_what_kannel_could_not_take_is_sent_when_it_is_back(site: Site, kannel: KannelServer) -> None:
    nobody = kannel.settings() | {"url": "http://127.0.0.1:9/cgi-bin/sendsms"}
    process = site.start_alerts(site.settings_file([nobody]))
    try:
        eventually(site.linked)
        asyncio.run(publish_fire(site, 1))
        eventually(lambda: [one.attempts > 1 for one in first_words(site).values()] == [True, True])
        assert {one.state for one in first_words(site).values()} <= {"due", "leased"}
        end(process)
        process = site.start_alerts(site.settings_file([kannel.settings()]))
        eventually(lambda: {one.state for one in first_words(site).values()} == {"delivered"}, within_s=20)
    finally:
        end(process)
