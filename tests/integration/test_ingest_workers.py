"""Two ingest workers share the messages; one is killed at a random moment: nothing lost, nothing doubled."""

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine

from broker.series.influx import InfluxSeriesStore
from broker.series.ports import Series
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.parts import Parts
from broker.stores.registry import MarketEntry, Named, Registry, Subject
from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.telemetry import BayBatch, BayReading, BayState
from contract.topics import Topic, TopicFilter
from runtime.clock import SystemClock
from runtime.secret_files import write_secret
from tests.eventually import eventually, eventually_async
from tests.influx_fixtures import InfluxServer
from tests.mqtt_fixtures import PASSWORDS, RunningBroker
from tests.transport.buses import running
from transport.mqtt_session import MqttSession

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]
DEVICE = DeviceIdentity("jungang", "edge-1")
BAYS = ("bay-1", "bay-2", "bay-3")
EPOCH = "0123456789abcdef"
WORKERS = ("w1", "w2")
COUNT, AT_ONCE = 600, 20

_INGEST = """
import signal, sys, threading
from pathlib import Path
from broker.ingest.service import run_ingest
from broker.ingest.settings import IngestSettings
from runtime.settings_file import load_settings
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
run_ingest(load_settings(Path(sys.argv[1]), IngestSettings), stop)
"""


class Workers:
    """The processes of one share group."""

    def __init__(self, folder: Path, engine: Engine, base: Mapping[str, object]) -> None:
        self._folder = folder
        self._parts = Parts(engine, SystemClock())
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name in WORKERS:
            content = {**base, "share_group": "ingest", "worker": name}
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    def start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-c", _INGEST, str(self._folder / f"{name}.yaml")]
            self._processes[name] = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def kill(self, name: str) -> None:
        process = self._processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def close(self) -> None:
        for name in tuple(self._processes):
            self.kill(name)

    def counter(self, name: str, counter: str) -> float:
        return {part.part: part.counters for part in self._parts.all()}[f"ingest-{name}"][counter]

    def wait_until_connected(self) -> None:
        def connected() -> bool:
            states = {part.part: part.state for part in self._parts.all()}
            return all(states.get(f"ingest-{name}") == "ok" for name in WORKERS)

        eventually(connected, within_s=20, what="both workers are connected")


@pytest.fixture
def workers(
    tmp_path: Path, mosquitto: RunningBroker, influx_server: InfluxServer, influx_bucket: str
) -> Iterator[Workers]:
    engine = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(engine)
    subjects = tuple(Subject("bays", bay, DEVICE.device) for bay in BAYS)
    Registry(engine).enrol(
        MarketEntry(Named(DEVICE.market, "시장", "Market"), devices=(DEVICE.device,), subjects=subjects)
    )
    write_secret(tmp_path / "token", influx_server.token)
    write_secret(tmp_path / "ingest.password", PASSWORDS["ingest"])
    series = {
        "kind": "influx",
        "url": influx_server.url,
        "token_file": str(tmp_path / "token"),
        "bucket": influx_bucket,
    }
    broker = {"port": mosquitto.port, "username": "ingest", "password_file": str(tmp_path / "ingest.password")}
    base = {"broker": broker, "database_url": sqlite_url(tmp_path / "central.db"), "series": series}
    group = Workers(tmp_path, engine, base)
    try:
        for name in WORKERS:
            group.start(name)
        group.wait_until_connected()
        yield group
    finally:
        group.close()
        engine.dispose()


def batch(seq: int, time_unix_ms: int) -> BayBatch:
    readings = tuple(
        BayReading(
            time_unix_ms=time_unix_ms,
            bay=bay,
            state=BayState.FREE,
            confidence=0.5,
            distance_mm=float(seq),
            since_unix_ms=time_unix_ms,
        )
        for bay in BAYS
    )
    return BayBatch(epoch=EPOCH, seq=seq, readings=readings)


async def test_one_of_two_workers_is_killed_and_every_reading_is_there_once(
    workers: Workers, mosquitto: RunningBroker, influx_server: InfluxServer, influx_bucket: str
) -> None:
    rng = random.Random(20261122)
    base = SystemClock().unix_ms() - COUNT
    kill_at = rng.randrange(AT_ONCE, COUNT - AT_ONCE, AT_ONCE)
    victim = rng.choice(WORKERS)
    delivered: set[int] = set()
    session = MqttSession(mosquitto.settings(DEVICE.username))

    async def heard(_topic: Topic, receipt: Delivered) -> None:
        delivered.update(receipt.seqs)

    own = TopicFilter(DEVICE.market, DEVICE.device, "ack", "delivered")
    session.subscribe(own, Delivered, heard)
    topic = topic_for(DEVICE.market, DEVICE.device, BayBatch)
    async with running(session):
        for first in range(1, COUNT + 1, AT_ONCE):
            numbers = range(first, first + AT_ONCE)
            await asyncio.gather(*(session.publish(topic, batch(seq, base + seq)) for seq in numbers))
            if first - 1 == kill_at:
                workers.kill(victim)
        workers.start(victim)  # the broker holds its share, and what it had not acknowledged, until it is back
        await eventually_async(lambda: delivered == set(range(1, COUNT + 1)), within_s=30, what="every receipt")
    for name in WORKERS:
        eventually(lambda name=name: workers.counter(name, "messages_total") > 0, what=f"{name} had a share")  # type: ignore[misc] # a default argument binds the loop's variable
    store = InfluxSeriesStore(influx_server.url, influx_server.token, influx_server.org, influx_bucket)
    expected = [(base + seq, seq) for seq in range(1, COUNT + 1)]
    for bay in BAYS:
        series = Series(DEVICE.market, DEVICE.device, "bays", bay)
        assert list(store.range(series, "distance_mm", 0, base + COUNT + 1)) == expected
    store.close()
