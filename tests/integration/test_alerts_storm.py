"""A hundred alarms at once over a real Mosquitto: each is an incident, and people get one storm, not a hundred SMS."""

from collections import Counter
from pathlib import Path

import pytest

from broker.alerts.storm_control import OWN_MESSAGES_MAX
from broker.stores.database import sqlite_url
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages
from runtime.clock import SystemClock
from tests.broker.alerts.central import MANAGER, MARKET, SECOND_MANAGER, fire
from tests.broker.alerts.site import end, open_site
from tests.eventually import eventually_async
from tests.integration.test_alerts import device, ready

pytestmark = pytest.mark.server

ALARMS = 100
SUMMARIES_MAX = 3  # one, as long as all of them are committed within its hold of five seconds


async def test_a_hundred_alarms_at_once_are_one_storm(tmp_path: Path) -> None:
    with open_site(tmp_path, sqlite_url(tmp_path / "central.db")) as site:
        process = site.start_alerts(site.settings_file())
        incidents, messages = Incidents(site.engine, SystemClock()), Messages(site.engine, SystemClock())

        def told() -> list[Message]:
            return [one for one in messages.newest(MARKET, 1000) if one.channel == "sms" and one.state == "accepted"]

        def named() -> int:
            """Incidents that a manager has been told of, by a message of their own or in a summary's count."""
            mine = [one.text for one in told() if one.recipient == MANAGER]
            summaries = [one for one in mine if one.startswith("[화재 다발]")]
            more = sum(int(one.rpartition("외 ")[2].removesuffix("건")) for one in summaries if " 외 " in one)
            listed = sum(one.partition(" 외 ")[0].count(",") + 1 for one in summaries)
            return len(mine) - len(summaries) + listed + more

        try:
            await ready(site)
            async with device(site) as sender:
                now = SystemClock().unix_ms()
                for seq in range(1, ALARMS + 1):
                    await sender.publish(fire(seq, zone=f"z{seq}", unix_ms=now, seq=seq))
                await eventually_async(lambda: not sender.unconfirmed, within_s=30, what="every alarm is committed")
            assert len(incidents.open_and_recent(MARKET, 1000)) == ALARMS
            await eventually_async(lambda: named() == ALARMS, within_s=30, what="every fire is told to a manager")
            counts = Counter(one.recipient for one in told() if one.recipient in {MANAGER, SECOND_MANAGER})
            assert min(counts.values()) > OWN_MESSAGES_MAX, counts
            assert max(counts.values()) <= OWN_MESSAGES_MAX + SUMMARIES_MAX, counts
        finally:
            assert end(process) == 0
