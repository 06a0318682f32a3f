"""Ingest as a process between a real Mosquitto and a real store: crashes, outages and bad messages."""

import asyncio
import contextlib
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import paho.mqtt.publish
import pytest
import yaml
from paho.mqtt.client import MQTTv5
from sqlalchemy import Engine

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.influx import InfluxSeriesStore
from broker.series.ports import Series
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.dead_letters import DeadLetters
from broker.stores.parts import Parts, PartStatus
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
from transport.mqtt_session import MqttSession

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[2]
DEVICE = DeviceIdentity("jungang", "edge-1")
LATER = DeviceIdentity("seomun", "edge-1")
EPOCH = "0123456789abcdef"
BAYS = [f"bay-{number}" for number in range(1, 6)]

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


class IngestProcess:
    """Ingest in a process of its own, that a test may kill and start again."""

    def __init__(self, settings: Path, engine: Engine, log: Path) -> None:
        self._settings = settings
        self._log = log
        self._engine = engine
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-c", _INGEST, str(self._settings)]
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        if self._process is None:
            return None
        self._process.send_signal(number)
        code = self._process.wait(15)
        self._process = None
        return code

    def status(self) -> PartStatus:
        return {part.part: part for part in Parts(self._engine, SystemClock()).all()}["ingest"]

    def wait_until_connected(self) -> None:
        try:
            eventually(lambda: self.status().state == "ok", within_s=20, what="ingest is connected")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self._log.read_text(errors='replace')}") from error


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(one)
    enrol(one, DEVICE)
    yield one
    one.dispose()


def enrol(engine: Engine, identity: DeviceIdentity) -> None:
    subjects = tuple(Subject("bays", bay, identity.device) for bay in BAYS)
    market = Named(identity.market, "시장", "Market")
    Registry(engine).enrol(MarketEntry(market, devices=(identity.device,), subjects=subjects))


@contextlib.contextmanager
def running_ingest(
    tmp_path: Path, engine: Engine, broker: RunningBroker, store: dict[str, str]
) -> Iterator[IngestProcess]:
    write_secret(tmp_path / "ingest.password", PASSWORDS["ingest"])
    settings = tmp_path / "ingest.yaml"
    content = {
        "broker": {"port": broker.port, "username": "ingest", "password_file": str(tmp_path / "ingest.password")},
        "database_url": sqlite_url(tmp_path / "central.db"),
        "series": store,
    }
    settings.write_text(yaml.safe_dump(content), encoding="utf-8")
    process = IngestProcess(settings, engine, tmp_path / "ingest.log")
    process.start()
    try:
        process.wait_until_connected()
        yield process
    finally:
        process.stop(signal.SIGKILL)


class Device:
    """A device on the bus: sends batches, remembers receipts."""

    def __init__(self, session: MqttSession, identity: DeviceIdentity) -> None:
        self._session = session
        self._identity = identity
        self.delivered: set[int] = set()

    async def heard(self, _topic: Topic, receipt: Delivered) -> None:
        assert (receipt.epoch, receipt.store) == (EPOCH, "readings")
        self.delivered.update(receipt.seqs)

    async def send(self, seq: int, time_unix_ms: int) -> None:
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
        topic = topic_for(self._identity.market, self._identity.device, BayBatch)
        await self._session.publish(topic, BayBatch(epoch=EPOCH, seq=seq, readings=readings))


@contextlib.asynccontextmanager
async def device_on(broker: RunningBroker, identity: DeviceIdentity) -> AsyncIterator[Device]:
    session = MqttSession(broker.settings(identity.username))
    device = Device(session, identity)
    own = TopicFilter(market=identity.market, device=identity.device, channel="ack", name="delivered")
    session.subscribe(own, Delivered, device.heard)
    running = asyncio.create_task(session.run())
    try:
        await eventually_async(lambda: session.connected, what="the device is connected")
        yield device
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


def publish_raw(broker: RunningBroker, identity: DeviceIdentity, topic: str, body: bytes) -> None:
    auth: paho.mqtt.publish.AuthParameter = {
        "username": identity.username,
        "password": PASSWORDS[identity.username],
    }
    paho.mqtt.publish.single(
        topic, body, qos=1, hostname="127.0.0.1", port=broker.port, client_id="raw", auth=auth, protocol=MQTTv5
    )


@contextlib.contextmanager
def write_lock(path: Path) -> Iterator[None]:
    """Nobody else can write into the SQLite file meanwhile."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        yield
        connection.execute("ROLLBACK")


async def test_every_batch_is_found_though_ingest_is_killed_again_and_again(
    tmp_path: Path, engine: Engine, mosquitto: RunningBroker
) -> None:
    rng = random.Random(20)
    path = tmp_path / "readings.db"
    base = SystemClock().unix_ms()
    with running_ingest(tmp_path, engine, mosquitto, {"kind": "embedded", "path": str(path)}) as ingest:
        async with device_on(mosquitto, DEVICE) as device:
            await device.send(1, base + 1)
            await eventually_async(lambda: device.delivered == {1}, what="the first receipt")
            seq = 1
            for _ in range(4):
                for _ in range(rng.randrange(40, 120)):
                    seq += 1
                    await device.send(seq, base + seq)
                with write_lock(path):  # the kill finds ingest in the middle of a write
                    for _ in range(40):
                        seq += 1
                        await device.send(seq, base + seq)
                    ingest.stop(signal.SIGKILL)
                ingest.start()
            reader = EmbeddedSeriesStore(path)
            series = [Series("jungang", "edge-1", "bays", bay) for bay in BAYS]

            def all_there() -> bool:
                found = [reader.range(one, "distance_mm", 0, base + seq + 1) for one in series]
                return found == [tuple((base + n, n) for n in range(1, seq + 1))] * len(BAYS)

            await eventually_async(all_there, within_s=30, what=f"{seq} batches in the store")
            # A receipt goes out before the acknowledgement, on the same connection: a crash cannot part them.
            await eventually_async(lambda: device.delivered == set(range(1, seq + 1)), what="every receipt")
            reader.close()
        assert ingest.stop() == 0


async def test_bad_messages_are_buried_with_their_reason_and_the_good_go_on(
    tmp_path: Path, engine: Engine, mosquitto: RunningBroker
) -> None:
    path = tmp_path / "readings.db"
    base = SystemClock().unix_ms()
    own = "market/v1/jungang/edge-1"
    with running_ingest(tmp_path, engine, mosquitto, {"kind": "embedded", "path": str(path)}) as ingest:
        async with device_on(mosquitto, DEVICE) as device, device_on(mosquitto, LATER) as later:
            await device.send(1, base)
            for topic, body in (
                (f"{own}/telemetry/bays", b'{"epoch":"0123456789abcdef","seq":2,"readings":[{"bay":7}]}'),
                (f"{own}/telemetry/bays", b"\x00\xff not json"),
                (f"{own}/event/fire", b"x" * 20_001),
            ):
                await asyncio.to_thread(publish_raw, mosquitto, DEVICE, topic, body)
            await later.send(1, base)
            letters = DeadLetters(engine)
            await eventually_async(lambda: letters.count() == 4, what="four dead letters")
            kinds = sorted(letter.reason_kind for letter in letters.newest())
            assert kinds == ["malformed", "malformed", "oversized", "unknown-device"]

            forged = "market/v1/seomun/edge-1/telemetry/bays"
            await asyncio.to_thread(publish_raw, mosquitto, DEVICE, forged, b"forged: stopped by the access rules")
            enrol(engine, LATER)
            await later.send(2, base + 1)
            await device.send(3, base + 1)
            await eventually_async(lambda: device.delivered >= {1, 2, 3}, what="receipts, the hopeless one's too")
            await eventually_async(lambda: later.delivered == {2}, what="the device enrolled meanwhile is served")
            assert letters.count() == 4

            def counted() -> bool:
                counters = ingest.status().counters
                return (counters["dead_letters_malformed_total"], counters["dead_letters_total"]) == (2, 4)

            await eventually_async(counted, what="counters")
            assert ingest.status().counters["readings_total"] == 15


async def test_while_the_store_is_down_nothing_is_acknowledged_and_later_all_is_there(
    tmp_path: Path, engine: Engine, mosquitto: RunningBroker, influx_server: InfluxServer, influx_bucket: str
) -> None:
    write_secret(tmp_path / "token", influx_server.token)
    where = {"kind": "influx", "url": influx_server.url, "token_file": str(tmp_path / "token"), "bucket": influx_bucket}
    base = SystemClock().unix_ms()
    with running_ingest(tmp_path, engine, mosquitto, where) as ingest:
        async with device_on(mosquitto, DEVICE) as device:
            await device.send(1, base + 1)
            await eventually_async(lambda: device.delivered == {1}, what="the first receipt")
            influx_server.stop()
            try:
                for seq in range(2, 40):
                    await device.send(seq, base + seq)
                await eventually_async(lambda: ingest.status().counters["retries_total"] >= 2, what="retries")
                assert ingest.status().state == "degraded"
                assert "InfluxDB" in ingest.status().detail
                assert device.delivered == {1}
                ingest.stop(signal.SIGKILL)  # what it held unacknowledged stays with the broker
                ingest.start()
            finally:
                influx_server.start()
            await eventually_async(lambda: device.delivered == set(range(1, 40)), within_s=30, what="all receipts")
            store = InfluxSeriesStore(influx_server.url, influx_server.token, influx_server.org, influx_bucket)
            series = Series("jungang", "edge-1", "bays", "bay-3")
            assert [value for _, value in store.range(series, "distance_mm", 0, base + 99)] == list(range(1, 40))
            store.close()
            await eventually_async(lambda: ingest.status().state == "ok", what="ingest reports ok")


async def test_a_refused_token_is_said_and_nothing_is_lost(
    tmp_path: Path, engine: Engine, mosquitto: RunningBroker, influx_server: InfluxServer, influx_bucket: str
) -> None:
    write_secret(tmp_path / "token", "not-the-token")
    where = {"kind": "influx", "url": influx_server.url, "token_file": str(tmp_path / "token"), "bucket": influx_bucket}
    base = SystemClock().unix_ms()
    with running_ingest(tmp_path, engine, mosquitto, where) as ingest:
        async with device_on(mosquitto, DEVICE) as device:
            await device.send(1, base)
            await eventually_async(lambda: "put a token" in ingest.status().detail, what="the sentence")
            assert device.delivered == set()
            ingest.stop()
            write_secret(tmp_path / "token", influx_server.token)
            ingest.start()
            await eventually_async(lambda: device.delivered == {1}, within_s=20, what="the receipt")
