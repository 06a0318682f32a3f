"""Alarm to people: event published → incident committed → SMS accepted, by the spool and by a real Kannel (a minute).

Through a real Mosquitto into the alerts service as a process of its own, on SQLite. "Committed" is when the device
has the receipt, "accepted" when the provider's answer for the last recipient is written down.
"""

import asyncio
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from broker.stores.database import sqlite_url
from broker.stores.messages import Messages
from broker.stores.registry import Recipient
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.events import FireEvent
from contract.topics import Topic, TopicFilter
from runtime.clock import SystemClock
from runtime.logs import configure_logs
from tests.broker.alerts.central import DEVICE, MARKET, enrol, fire
from tests.broker.alerts.site import Site, end, open_site
from tests.eventually import eventually_async
from tests.kannel_fixtures import KannelMissingError, running_kannel
from transport.mqtt_session import MqttSession

LOADS = ((1, 120), (10, 40), (50, 12))  # recipients, alarms
PAUSE_S_MAX = 0.03
DEADLINE_S = 20.0


@dataclass(slots=True)
class Figures:
    """Milliseconds of each alarm."""

    committed_ms: list[float] = field(default_factory=list)
    first_ms: list[float] = field(default_factory=list)
    last_ms: list[float] = field(default_factory=list)


def run(seed: int) -> None:
    """Measure both providers; Kannel only where it is installed and a network namespace may be made."""
    configure_logs("benchmark")
    rng = random.Random(seed)  # noqa: S311 — pauses between alarms, not a secret
    _measure("spool", [{"kind": "spool"}], rng)
    try:
        with running_kannel() as kannel:
            _measure("kannel", [kannel.settings()], rng)
    except KannelMissingError as error:
        print(f"kannel: not measured: {error}")


def _measure(name: str, notifiers: Sequence[Mapping[str, object]], rng: random.Random) -> None:
    seqs = itertools.count(1)
    with (
        tempfile.TemporaryDirectory(prefix="jangteo-bench-") as folder,
        open_site(Path(folder), sqlite_url(Path(folder) / "central.db")) as site,
    ):
        process = site.start_alerts(site.settings_file(notifiers))
        try:
            for recipients, alarms in LOADS:
                people = tuple(Recipient(f"r{number}", f"010{number:08}") for number in range(recipients))
                enrol(site.engine, recipients=people)
                figures = asyncio.run(_alarms(site, seqs, alarms, recipients, rng))
                _print(name, recipients, alarms, figures)
        finally:
            end(process)


async def _alarms(
    site: Site, seqs: "itertools.count[int]", alarms: int, recipients: int, rng: random.Random
) -> Figures:
    figures, confirmed_s = Figures(), dict[int, float]()

    async def note(_topic: Topic, receipt: Delivered) -> None:
        now_s = time.time()
        for seq in receipt.seqs:
            confirmed_s[seq] = now_s

    session = site.device_session()
    session.subscribe(TopicFilter(MARKET, DEVICE, "ack", "delivered"), Delivered, note)
    running = asyncio.create_task(session.run())
    try:
        await eventually_async(lambda: session.connected and site.linked(), within_s=DEADLINE_S)
        for seq in itertools.islice(seqs, alarms):
            await asyncio.sleep(rng.random() * PAUSE_S_MAX)
            await _one(site, session, seq, recipients, confirmed_s, figures)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
    return figures


async def _one(
    site: Site, session: MqttSession, seq: int, recipients: int, confirmed_s: Mapping[int, float], figures: Figures
) -> None:
    messages = Messages(site.engine, SystemClock())
    published_s = time.time()
    event = fire(seq, unix_ms=int(published_s * 1000), zone=f"z{seq}", seq=seq)
    await session.publish(topic_for(MARKET, DEVICE, FireEvent), event)

    def accepted_ms() -> list[int]:
        newest = messages.newest(MARKET, recipients)
        times = [one.accepted_unix_ms for one in newest if one.accepted_unix_ms and f"z{seq}구역" in one.text]
        return times if len(times) == recipients else []

    await eventually_async(lambda: seq in confirmed_s, within_s=DEADLINE_S, every_s=0.005)
    times = await eventually_async(accepted_ms, within_s=DEADLINE_S, every_s=0.02)
    figures.committed_ms.append((confirmed_s[seq] - published_s) * 1000)
    figures.first_ms.append(min(times) - published_s * 1000)
    figures.last_ms.append(max(times) - published_s * 1000)


def _print(name: str, recipients: int, alarms: int, figures: Figures) -> None:
    rows = (("committed", figures.committed_ms), ("first SMS", figures.first_ms), ("last SMS", figures.last_ms))
    for what, values in rows:
        cuts = statistics.quantiles(values, n=100, method="inclusive")
        print(
            f"{name:<7} {recipients:>3} recipients {alarms:>4} alarms  {what:<10} "
            f"p50 {cuts[49]:7.1f} ms  p99 {cuts[98]:7.1f} ms"
        )
