"""The ledger between a real Mosquitto and real stores: gaps across restarts and workers, refusals, replays."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from sqlalchemy import Engine
from typer.testing import CliRunner

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.influx import InfluxSeriesStore
from broker.series.ports import Sample, Series, SeriesStore
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.dead_letters import DeadLetters
from broker.stores.parts import Parts
from contract.telemetry import BayBatch, BayReading, BayState
from jangteo.dead_letters import app as dead_letters_app
from runtime.clock import SystemClock
from runtime.secret_files import write_secret
from tests.eventually import eventually, eventually_async
from tests.influx_fixtures import InfluxServer
from tests.integration.test_ingest import _INGEST, BAYS, DEVICE, EPOCH, LATER, ROOT, device_on, enrol, publish_raw
from tests.mqtt_fixtures import PASSWORDS, RunningBroker

pytestmark = pytest.mark.server

GAPS = Series("jungang", "edge-1", "gaps", "ingest")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    one = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(one)
    enrol(one, DEVICE)
    yield one
    one.dispose()


class Worker:
    """One ingest process of a group, that a test may kill."""

    def __init__(self, name: str, folder: Path, engine: Engine, broker: RunningBroker, store: dict[str, str]) -> None:
        self.name = name
        self.settings = folder / f"{name}.yaml"
        self._log = folder / f"{name}.log"
        self._engine = engine
        self._process: subprocess.Popen[bytes] | None = None
        write_secret(folder / "ingest.password", PASSWORDS["ingest"])
        content = {
            "broker": {"port": broker.port, "username": "ingest", "password_file": str(folder / "ingest.password")},
            "database_url": sqlite_url(folder / "central.db"),
            "series": store,
            "worker": name,
            "share_group": "ingest",
            "gap_patience_s": 1,
        }
        self.settings.write_text(yaml.safe_dump(content), encoding="utf-8")

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-c", _INGEST, str(self.settings)]
            self._process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        pid = f"ingest-{self.name}"

        def is_up() -> bool:
            return any(one.part == pid and one.state == "ok" for one in Parts(self._engine, SystemClock()).all())

        eventually(is_up, within_s=20, what=f"{self.name} is connected")

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(20)
            self._process = None


@contextlib.contextmanager
def workers(
    folder: Path, engine: Engine, broker: RunningBroker, store: dict[str, str], *names: str
) -> Iterator[list[Worker]]:
    made = [Worker(name, folder, engine, broker, store) for name in names]
    try:
        for one in made:
            one.start()
        yield made
    finally:
        for one in made:
            one.stop(signal.SIGKILL)


def gap_records(store: SeriesStore) -> set[tuple[object, ...]]:
    """(first_seq, last_seq, cause, whether filled) of every record that ingest made about the device."""
    far = SystemClock().unix_ms() + 60_000
    columns = [dict(store.range(GAPS, field, 0, far)) for field in ("first_seq", "last_seq", "cause", "filled_unix_ms")]
    return {(*(column[time] for column in columns[:3]), time in columns[3]) for time in columns[0]}


def until_gaps(store: SeriesStore, *wanted: tuple[object, ...]) -> Callable[[], bool]:
    return lambda: gap_records(store) == set(wanted)


async def test_gaps_are_found_by_several_workers_across_a_kill_and_filled_when_the_numbers_come(
    tmp_path: Path, engine: Engine, mosquitto: RunningBroker
) -> None:
    path = tmp_path / "readings.db"
    base = SystemClock().unix_ms()
    store = EmbeddedSeriesStore(path)
    where = {"kind": "embedded", "path": str(path)}
    with workers(tmp_path, engine, mosquitto, where, "w1", "w2") as (_, second):
        async with device_on(mosquitto, DEVICE) as device:
            sent = [*range(1, 20), *range(23, 40)]
            for seq in sent:
                await device.send(seq, base + seq)
            await eventually_async(lambda: device.delivered == set(sent), within_s=15, what="receipts")
            second.stop(signal.SIGKILL)
            second.start()
            broken = b'{"epoch":"0123456789abcdef","seq":40,"readings":[{"bay":7}]}'
            topic = "market/v1/jungang/edge-1/telemetry/bays"
            await asyncio.to_thread(publish_raw, mosquitto, DEVICE, topic, broken)
            both = ((20, 22, "not-arrived", False), (40, 40, "refused", False))
            await eventually_async(until_gaps(store, *both), within_s=25, what="the gap, the refusal, nothing else")
            await device.send(21, base + 21)
            exact = (
                (20, 20, "not-arrived", False),
                (21, 21, "not-arrived", True),
                (22, 22, "not-arrived", False),
                (40, 40, "refused", False),
            )
            await eventually_async(until_gaps(store, *exact), within_s=25, what="what is filled is marked, exactly")
    store.close()


async def test_a_point_that_influxdb_refuses_is_buried_in_its_words_and_replayed_when_it_can_be_stored(
    tmp_path: Path, engine: Engine, mosquitto: RunningBroker, influx_server: InfluxServer, influx_bucket: str
) -> None:
    write_secret(tmp_path / "token", influx_server.token)
    where = {"kind": "influx", "url": influx_server.url, "token_file": str(tmp_path / "token"), "bucket": influx_bucket}
    store = InfluxSeriesStore(influx_server.url, influx_server.token, influx_server.org, influx_bucket)
    now = SystemClock().unix_ms()
    wrong = Sample(Series("jungang", "old", "bays", "old"), now, {"distance_mm": "far"})
    store.write([wrong])
    readings = tuple(
        BayReading(
            time_unix_ms=now,
            bay=bay,
            state=BayState.FREE,
            confidence=0.5,
            distance_mm=100.0 if bay == "bay-2" else None,
            since_unix_ms=now,
        )
        for bay in BAYS
    )
    letters = DeadLetters(engine)
    with workers(tmp_path, engine, mosquitto, where, "w1") as (worker,):
        async with device_on(mosquitto, DEVICE) as device:
            body = BayBatch(epoch=EPOCH, seq=1, readings=readings).to_bytes()
            await asyncio.to_thread(publish_raw, mosquitto, DEVICE, "market/v1/jungang/edge-1/telemetry/bays", body)
            await eventually_async(lambda: device.delivered == {1}, what="the receipt")
            (letter,) = letters.newest()
            assert (letter.reason_kind, letter.is_excerpt, letter.seq) == ("rejected", True, 1)
            assert "already exists as type string" in letter.reason
            stored = {
                bay: len(store.range(Series("jungang", "edge-1", "bays", bay), "confidence", 0, now + 1))
                for bay in BAYS
            }
            assert stored == {"bay-1": 1, "bay-2": 0, "bay-3": 1, "bay-4": 1, "bay-5": 1}
            await eventually_async(
                until_gaps(store, (1, 1, "refused", False)), within_s=15, what="the refusal's record"
            )

            def replay() -> int:
                arguments = ["replay", str(letter.dead_letter_id), "--config", str(worker.settings), "--wait", "15"]
                return CliRunner().invoke(dead_letters_app, arguments).exit_code

            assert await asyncio.to_thread(replay) == 1
            assert "already exists as type string" in (letters.newest()[0].replay_error or "")
            influx_server.query(f"DROP DATABASE {influx_bucket}")  # takes the wrong type with it
            influx_server.query(f"CREATE DATABASE {influx_bucket}")
            assert await asyncio.to_thread(replay) == 0
            assert letters.count() == 0
            assert store.range(Series("jungang", "edge-1", "bays", "bay-2"), "distance_mm", 0, now + 1) == ((now, 100),)
            await eventually_async(until_gaps(store, (1, 1, "refused", True)), within_s=15, what="the record is filled")
    store.close()


async def test_a_device_enrolled_after_its_first_messages_has_no_gap(
    tmp_path: Path, engine: Engine, mosquitto: RunningBroker
) -> None:
    path = tmp_path / "readings.db"
    base = SystemClock().unix_ms()
    with workers(tmp_path, engine, mosquitto, {"kind": "embedded", "path": str(path)}, "w1") as (worker,):
        async with device_on(mosquitto, LATER) as device:
            await device.send(1, base + 1)
            letters = DeadLetters(engine)
            await eventually_async(lambda: letters.count() == 1, what="the stranger's letter")
            enrol(engine, LATER)
            await device.send(2, base + 2)
            await eventually_async(lambda: device.delivered == {2}, what="a receipt")
            arguments = ["replay", "--all", "--device", LATER.device, "--config", str(worker.settings)]
            assert CliRunner().invoke(dead_letters_app, arguments).exit_code == 0
            await eventually_async(lambda: letters.count() == 0, within_s=15, what="the letter is taken")
            reader = EmbeddedSeriesStore(path)
            series = Series(LATER.market, LATER.device, "bays", "bay-1")
            assert [value for _, value in reader.range(series, "distance_mm", 0, base + 9)] == [1, 2]
            reader.close()
