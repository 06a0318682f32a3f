"""A consumer process is killed at random, under load: nothing that was published is missing afterwards."""

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.eventually import eventually_async
from tests.mqtt_fixtures import RunningBroker
from tests.transport.buses import running
from tests.transport.payloads import BAYS, bays
from transport.mqtt_session import MqttSession

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parent.parent.parent
COUNT, KILLS, AT_ONCE = 3000, 4, 50

WORKER = """
import sqlite3, sys, threading
from pathlib import Path
from contract.telemetry import BayBatch
from contract.topics import TopicFilter
from transport.mqtt_consumer import MqttConsumer
from transport.ports import BrokerSettings, ConsumerSettings
port, secret, database = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
connection = sqlite3.connect(database, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE IF NOT EXISTS got (seq INTEGER PRIMARY KEY, times INTEGER)")
def commit(messages):
    connection.execute("BEGIN")
    for message in messages:
        seq = BayBatch.from_bytes(message.body).seq
        connection.execute("INSERT INTO got VALUES (?, 1) ON CONFLICT (seq) DO UPDATE SET times = times + 1", (seq,))
    connection.execute("COMMIT")
settings = BrokerSettings("127.0.0.1", port, "ingest", "ingest", secret)
consumer = ConsumerSettings(filters=(TopicFilter(channel="telemetry"),), batch_messages_max=40)
MqttConsumer(settings, consumer, commit).run(threading.Event())
"""


class Worker:
    def __init__(self, broker: RunningBroker, database: Path) -> None:
        secret = broker.settings("ingest").password_file
        self._arguments = [sys.executable, "-c", WORKER, str(broker.port), str(secret), str(database)]
        self._log = (database.parent / "worker.log").open("ab")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._arguments, cwd=ROOT, stdout=self._log, stderr=self._log)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def close(self) -> None:
        self.kill()
        self._log.close()


def stored(database: Path) -> list[int]:
    connection = sqlite3.connect(database)
    try:
        return [seq for (seq,) in connection.execute("SELECT seq FROM got ORDER BY seq")]
    except sqlite3.OperationalError:  # the worker has not made its table yet
        return []
    finally:
        connection.close()


async def test_nothing_is_missing_after_a_consumer_was_killed_at_random(
    mosquitto: RunningBroker, tmp_path: Path
) -> None:
    rng = random.Random(20261122)
    database = tmp_path / "got.db"
    kill_at = sorted(rng.sample(range(AT_ONCE * 2, COUNT - AT_ONCE, AT_ONCE), KILLS))
    edge, worker = MqttSession(mosquitto.settings("jungang.edge-1")), Worker(mosquitto, database)
    try:
        await eventually_async(lambda: "as ingest" in mosquitto.log.read_text(), what="the first worker's session")
        async with running(edge):
            for first in range(1, COUNT + 1, AT_ONCE):
                await asyncio.gather(*(edge.publish(BAYS, bays(seq=seq)) for seq in range(first, first + AT_ONCE)))
                if first - 1 in kill_at:
                    worker.kill()
                    worker.start()
        await eventually_async(lambda: len(stored(database)) >= COUNT, within_s=30, every_s=0.2)
    finally:
        worker.close()
    assert stored(database) == list(range(1, COUNT + 1))
