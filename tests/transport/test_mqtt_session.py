"""What only a session on a network can get wrong: refusals, a mute broker, a frozen one, cancellation at any time."""

import asyncio
import gc
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.backoff import Backoff
from tests.eventually import eventually, eventually_async
from tests.mqtt_fixtures import RunningBroker
from tests.transport.buses import TELEMETRY, Recorder, running
from tests.transport.payloads import BAYS, bays
from transport.mqtt_consumer import ConsumerClient, MqttConsumer
from transport.mqtt_session import MqttSession
from transport.ports import BrokerSettings, BusSettingsError, ConsumerSettings, PublishTimeoutError


@pytest.fixture
def mute_port() -> Iterator[int]:
    """Accepts connections and never says a word."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        yield int(server.getsockname()[1])


async def cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_mute_broker_is_left_and_tried_again_without_a_leak(mute_port: int) -> None:
    settings = BrokerSettings("127.0.0.1", mute_port, "edge", connect_timeout_s=0.05)
    attempts = Backoff(0.001, 0.002)
    session = MqttSession(settings, backoff=attempts)
    task = asyncio.create_task(session.run())
    await eventually_async(lambda: attempts._attempt >= 5)
    assert not session.connected
    await cancel(task)
    gc.collect()  # a socket left open would be an error here
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_port_where_nobody_listens_is_tried_for_ever(free_port: int) -> None:
    attempts = Backoff(0.001, 0.002)
    session = MqttSession(BrokerSettings("127.0.0.1", free_port, "edge"), backoff=attempts)
    task = asyncio.create_task(session.run())
    await eventually_async(lambda: attempts._attempt >= 5)
    assert not task.done()
    await cancel(task)


@pytest.mark.server
async def test_a_frozen_broker_is_a_timeout_and_the_session_ends_in_time(mosquitto: RunningBroker) -> None:
    settings = BrokerSettings(
        "127.0.0.1",
        mosquitto.port,
        "jungang.edge-1",
        "jungang.edge-1",
        mosquitto.settings("jungang.edge-1").password_file,
        publish_timeout_s=0.2,
    )
    session = MqttSession(settings)
    async with running(session):
        mosquitto.send_signal(signal.SIGSTOP)
        with pytest.raises(PublishTimeoutError, match=r"did not confirm within 0\.2 s"):
            await session.publish(BAYS, bays())
        started_s = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - started_s < 3
    mosquitto.send_signal(signal.SIGCONT)


@pytest.mark.server
async def test_a_link_that_breaks_fails_what_is_under_way_at_once(mosquitto: RunningBroker) -> None:
    session = MqttSession(mosquitto.settings("jungang.edge-1"))
    async with running(session):
        mosquitto.send_signal(signal.SIGSTOP)
        sending = asyncio.create_task(session.publish(BAYS, bays()))
        await asyncio.sleep(0)
        mosquitto.kill()
        started_s = asyncio.get_running_loop().time()
        with pytest.raises(PublishTimeoutError, match="connection ended"):
            await sending
        assert asyncio.get_running_loop().time() - started_s < 3, "not the whole publish timeout"


both_clients = pytest.mark.parametrize("client", ["socket", "paho"])


@pytest.mark.server
@both_clients
def test_a_consumer_leaves_a_frozen_broker_in_time(mosquitto: RunningBroker, client: ConsumerClient) -> None:
    settings, stop = mosquitto.settings("ingest"), threading.Event()
    consumer = MqttConsumer(settings, TELEMETRY, Recorder(), client=client)
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    eventually(lambda: consumer.connected)
    mosquitto.send_signal(signal.SIGSTOP)
    stop.set()
    thread.join(3)
    assert not thread.is_alive()
    mosquitto.send_signal(signal.SIGCONT)


@pytest.mark.server
@both_clients
def test_a_consumer_with_a_wrong_password_ends_in_words(
    mosquitto: RunningBroker, tmp_path: Path, client: ConsumerClient
) -> None:
    (tmp_path / "wrong").write_text("wrong")
    (tmp_path / "wrong").chmod(0o600)
    settings = BrokerSettings("127.0.0.1", mosquitto.port, "ingest", "ingest", tmp_path / "wrong")
    with pytest.raises(BusSettingsError, match="refused client 'ingest', user 'ingest': "):
        MqttConsumer(settings, TELEMETRY, Recorder(), client=client).run(threading.Event())


@pytest.mark.server
@both_clients
def test_keep_alives_go_on_while_a_handler_is_held(mosquitto: RunningBroker, client: ConsumerClient) -> None:
    """The store is away for longer than the keep-alive time, the queue is full: the connection stays."""
    base = mosquitto.settings("ingest")
    settings = BrokerSettings("127.0.0.1", base.port, "ingest", "ingest", base.password_file, keep_alive_s=1)
    gate, stop, recorder = threading.Event(), threading.Event(), Recorder()

    def handler(messages: list) -> None:  # type: ignore[type-arg] # the recorder's argument
        gate.wait(20)
        recorder(messages)

    small = ConsumerSettings(TELEMETRY.filters, batch_messages_max=5, linger_s=0.01, unacknowledged_max=10)
    consumer = MqttConsumer(settings, small, handler, client=client)  # type: ignore[arg-type] # a list is what it gets
    thread = threading.Thread(target=consumer.run, args=(stop,))
    thread.start()
    eventually(lambda: consumer.connected)
    connection = consumer._connection

    async def flood() -> None:
        edge = MqttSession(mosquitto.settings("jungang.edge-1"))
        async with running(edge):
            for seq in range(1, 41):
                await edge.publish(BAYS, bays(seq=seq))

    asyncio.run(flood())
    assert connection is not None
    until_s = time.monotonic() + 3.2
    eventually(lambda: time.monotonic() > until_s or not connection.alive, what="three keep-alive times")
    gate.set()
    eventually(lambda: len(recorder.messages) >= 40)
    assert consumer._connection is connection, "three keep-alive times later it is still the same connection"
    stop.set()
    thread.join(5)
