"""The consumer's own MQTT connection: what only it can get wrong, against scripted and real brokers."""

import asyncio
import gc
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.program.mosquitto import find_mosquitto
from broker.program.port import accepts_connections
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.topics import TopicFilter
from runtime.backoff import Backoff
from tests.absent import absent
from tests.broker.mosquitto.test_production import make_certificates
from tests.eventually import eventually, eventually_async
from tests.mqtt_fixtures import RunningBroker, free_tcp_port
from tests.transport.buses import TELEMETRY, Recorder, consuming, running
from tests.transport.payloads import BAYS, EPOCH, bays
from transport import consumer_packets as packets
from transport.mqtt_consumer import MqttConsumer
from transport.mqtt_session import MqttSession
from transport.ports import BatchHandler, BrokerSettings, BusSettingsError, ConsumerSettings, RawMessage

CONNACK = b"\x20\x03\x00\x00\x00"
SUBACK = b"\x90\x04\xff\xff\x00\x01"
RECEIPT = Delivered(epoch=EPOCH, seqs=(1,), store="readings")
RECEIPTS = topic_for("jungang", "edge-1", Delivered)


class Scripted:
    """A broker that says what the test tells it to."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(10)
        self.port = int(self._server.getsockname()[1])
        self._link: socket.socket | None = None
        self._heard = b""

    def accept(self, answer: bytes) -> None:
        """Take a connection, its CONNECT, and answer that."""
        self.hang_up()
        self._link, _ = self._server.accept()
        self._link.settimeout(10)
        self._heard = b""
        self.hear(b"MQTT")
        self.say(answer)

    def hear(self, part: bytes, times: int = 1) -> bytes:
        """Read until `part` has come so many times; all that was heard since the connection began."""
        assert self._link is not None
        while self._heard.count(part) < times:
            data = self._link.recv(65_536)
            assert data, "the consumer hung up"
            self._heard += data
        return self._heard

    def hears_nothing_more(self, within_s: float = 0.3) -> bool:
        assert self._link is not None
        self._link.settimeout(within_s)
        try:
            self._heard += self._link.recv(65_536)
        except TimeoutError:  # the silence that is asked for
            return True
        finally:
            self._link.settimeout(10)
        return False

    def say(self, data: bytes) -> None:
        assert self._link is not None
        self._link.sendall(data)

    def hang_up(self) -> None:
        if self._link is not None:
            self._link.close()
            self._link = None

    def close(self) -> None:
        self.hang_up()
        self._server.close()


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    one = Scripted()
    yield one
    one.close()


def consumer_of(port: int, handler: BatchHandler, *, keep_alive_s: int = 8) -> MqttConsumer:
    settings = BrokerSettings("127.0.0.1", port, "ingest", keep_alive_s=keep_alive_s, connect_timeout_s=0.5)
    backoff = Backoff(0.01, 0.05)
    return MqttConsumer(settings, TELEMETRY, handler, backoff=backoff, retry_backoff=backoff)


@contextmanager
def begun(consumer: MqttConsumer) -> Iterator[list[BusSettingsError]]:
    """Run a consumer that need not connect; what it raised."""
    stop = threading.Event()
    raised: list[BusSettingsError] = []

    def run() -> None:
        try:
            consumer.run(stop)
        except BusSettingsError as error:
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        stop.set()
        thread.join(10)
        assert not thread.is_alive()


def message(number: int) -> bytes:
    return packets.publish("t", b"%d" % number, qos=1, retain=False, packet_id=number)


def test_acknowledgements_follow_the_order_of_arrival_and_the_handler(scripted: Scripted) -> None:
    gate, recorder = threading.Event(), Recorder()

    def handler(messages: Sequence[RawMessage]) -> None:
        gate.wait(10)
        recorder(messages)

    with begun(consumer_of(scripted.port, handler)):
        scripted.accept(CONNACK)
        scripted.hear(b"\x82")
        scripted.say(SUBACK + b"".join(map(message, (5, 3, 9))))
        assert scripted.hears_nothing_more(), "not before the handler has returned"
        gate.set()
        heard = scripted.hear(b"\x40\x02", 3)
    assert heard.endswith(b"\x40\x02\x00\x05\x40\x02\x00\x03\x40\x02\x00\x09")


def test_receipts_stay_within_the_brokers_window(scripted: Scripted) -> None:
    consumer = consumer_of(scripted.port, Recorder())
    with begun(consumer):
        scripted.accept(b"\x20\x06\x00\x00\x03\x21\x00\x02")
        scripted.hear(b"\x82")
        scripted.say(SUBACK)
        eventually(lambda: consumer.connected)
        for _ in range(5):
            consumer.publisher.publish(RECEIPTS, RECEIPT)
        scripted.hear(str(RECEIPTS).encode(), 2)
        assert scripted.hears_nothing_more()
        scripted.say(b"\x40\x02\x00\x01\x40\x02\x00\x63")
        scripted.hear(str(RECEIPTS).encode(), 3)
        assert scripted.hears_nothing_more(), "a number that nobody waits for makes no room"
        scripted.say(b"\x40\x02\x00\x02\x40\x02\x00\x03")
        scripted.hear(str(RECEIPTS).encode(), 5)


def test_more_receipts_than_may_wait_are_dropped_and_counted(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transport.consumer_socket.RECEIPTS_QUEUED_MAX", 3)
    consumer = consumer_of(scripted.port, Recorder())
    with begun(consumer):
        scripted.accept(b"\x20\x06\x00\x00\x03\x21\x00\x02")
        scripted.hear(b"\x82")
        scripted.say(SUBACK)
        eventually(lambda: consumer.connected)
        for _ in range(7):
            consumer.publisher.publish(RECEIPTS, RECEIPT)
        assert consumer.publisher.dropped_count == 2


@pytest.mark.parametrize(
    "words",
    [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x30\xff\xff\xff\xff\xff", b"\x20\x01\x00", b"\xe0\x01\x8e", b"\x00\x00"],
)
def test_a_broker_that_talks_nonsense_or_sends_us_away_is_tried_again(scripted: Scripted, words: bytes) -> None:
    recorder = Recorder()
    consumer = consumer_of(scripted.port, recorder)
    with begun(consumer):
        scripted.accept(CONNACK)
        scripted.say(SUBACK + words)
        scripted.accept(CONNACK)
        scripted.say(SUBACK + message(1))
        eventually(lambda: recorder.messages == [RawMessage("t", b"1")])
        assert consumer.connected


@pytest.mark.parametrize(("code", "why"), [(0x86, "user name or password"), (0x8A, "banned")])
def test_a_refusal_for_good_ends_the_consumer_in_words(scripted: Scripted, code: int, why: str) -> None:
    with begun(consumer_of(scripted.port, Recorder())) as raised:
        scripted.accept(bytes((0x20, 0x03, 0x00, code, 0x00)))
        eventually(lambda: raised)
    assert why in str(raised[0])


@pytest.mark.parametrize("reason", [0x87, 0x9E, 0x00], ids=["access rules", "no share groups", "QoS 0 only"])
def test_a_refused_subscription_ends_the_consumer_in_words(scripted: Scripted, reason: int) -> None:
    with begun(consumer_of(scripted.port, Recorder())) as raised:
        scripted.accept(CONNACK)
        scripted.say(b"\x90\x04\xff\xff\x00" + bytes((reason,)))
        eventually(lambda: raised)
    assert f"refused a subscription: 0x{reason:02x}" in str(raised[0])


def test_a_receipt_that_is_too_large_for_the_broker_is_dropped_and_counted(scripted: Scripted) -> None:
    consumer = consumer_of(scripted.port, Recorder())
    with begun(consumer):
        size = len(str(RECEIPTS)) + len(RECEIPT.to_bytes()) + packets.PUBLISH_OVERHEAD_BYTES_MAX
        scripted.accept(b"\x20\x08\x00\x00\x05\x27" + size.to_bytes(4, "big"))
        scripted.hear(b"\x82")
        scripted.say(SUBACK)
        eventually(lambda: consumer.connected)
        consumer.publisher.publish(RECEIPTS, RECEIPT.model_copy(update={"seqs": (10,)}))
        consumer.publisher.publish(RECEIPTS, RECEIPT)
        heard = scripted.hear(RECEIPT.to_bytes())
    assert consumer.publisher.dropped_count == 1
    assert heard.count(str(RECEIPTS).encode()) == 1


def test_a_resumed_session_stands_before_its_subscription_is_answered(scripted: Scripted) -> None:
    recorder = Recorder()
    consumer = consumer_of(scripted.port, recorder)
    with begun(consumer):
        scripted.accept(b"\x20\x03\x01\x00\x00" + message(1))
        eventually(lambda: recorder.messages)
        assert consumer.connected


def test_a_mute_broker_is_left_and_tried_again_without_a_leak(scripted: Scripted) -> None:
    with begun(consumer_of(scripted.port, Recorder())):
        scripted.accept(b"")
        scripted.accept(b"")
    gc.collect()  # a socket left open would be an error here
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mqtt-")]


def test_the_keep_alive_that_the_broker_wants_is_kept(scripted: Scripted) -> None:
    with begun(consumer_of(scripted.port, Recorder(), keep_alive_s=60)):
        scripted.accept(b"\x20\x06\x00\x00\x03\x13\x00\x01")
        scripted.hear(b"\x82")
        begun_s = time.monotonic()
        scripted.say(SUBACK)
        scripted.hear(packets.PINGREQ)
        assert 0.5 < time.monotonic() - begun_s < 3


@pytest.mark.server
def test_a_broker_that_goes_silent_is_known_in_time(mosquitto: RunningBroker) -> None:
    base = mosquitto.settings("ingest")
    settings = BrokerSettings("127.0.0.1", base.port, "ingest", "ingest", base.password_file, keep_alive_s=1)
    consumer = MqttConsumer(settings, TELEMETRY, Recorder(), backoff=Backoff(0.02, 0.1))
    with consuming(consumer):
        mosquitto.send_signal(signal.SIGSTOP)
        begun_s = time.monotonic()
        eventually(lambda: not consumer.connected, what="the silence is known")
        assert time.monotonic() - begun_s < 3
        mosquitto.send_signal(signal.SIGCONT)
        eventually(lambda: consumer.connected)


@pytest.mark.server
def test_a_broker_that_dies_while_a_full_queue_is_held_is_known_at_once(mosquitto: RunningBroker) -> None:
    gate = threading.Event()
    small = ConsumerSettings(TELEMETRY.filters, batch_messages_max=5, linger_s=0.01, unacknowledged_max=10)

    def handler(_messages: Sequence[RawMessage]) -> None:
        gate.wait(20)

    consumer = MqttConsumer(mosquitto.settings("ingest"), small, handler)

    async def flood() -> None:
        async with running(edge := MqttSession(mosquitto.settings("jungang.edge-1"))):
            for seq in range(1, 41):
                await edge.publish(BAYS, bays(seq=seq))

    with consuming(consumer):
        asyncio.run(flood())
        mosquitto.kill()
        eventually(lambda: not consumer.connected, within_s=3, what="the end is known though nothing is read")
        gate.set()
        mosquitto.start()
        eventually(lambda: consumer.connected)


@pytest.fixture(scope="module")
def tls_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerSettings]:
    """A Mosquitto that speaks TLS only; anybody may do anything on it."""
    program = find_mosquitto()
    if program is None:
        absent("the mosquitto program is not installed")
    folder: Path = tmp_path_factory.mktemp("tls")
    make_certificates(folder / "certificates")
    port, secrets = free_tcp_port(), folder / "certificates"
    lines = [f"listener {port} 127.0.0.1", "allow_anonymous true", "user root", "max_queued_messages 100000"]
    lines += [f"{name} {secrets}/{file}" for name, file in (("certfile", "server.crt"), ("keyfile", "server.key"))]
    (folder / "mosquitto.conf").write_text("\n".join(lines))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-c", folder / "mosquitto.conf"], stdout=log, stderr=log)
    try:
        eventually(lambda: accepts_connections("127.0.0.1", port), what=(folder / "log").read_text() or "start")
        yield BrokerSettings("127.0.0.1", port, "ingest", ca_file=secrets / "ca.crt")
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.server
async def test_over_tls_everything_arrives_and_receipts_go_out(tls_broker: BrokerSettings) -> None:
    """Bodies of many TLS records, a small window: reading stops and goes on in the middle of records."""
    recorder, heard = Recorder(), []
    settings = ConsumerSettings(TELEMETRY.filters, batch_messages_max=5, linger_s=0.005, unacknowledged_max=7)
    edge_settings = BrokerSettings("127.0.0.1", tls_broker.port, "edge", ca_file=tls_broker.ca_file)
    edge = MqttSession(edge_settings)

    async def hear(_topic: object, receipt: Delivered) -> None:
        heard.append(receipt)

    edge.subscribe(TopicFilter("jungang", "edge-1", "ack", "delivered"), Delivered, hear)

    def handler(messages: Sequence[RawMessage]) -> None:
        recorder(messages)
        for _ in messages:
            consumer.publisher.publish(RECEIPTS, RECEIPT)

    consumer = MqttConsumer(tls_broker, settings, handler)
    with consuming(consumer):
        async with running(edge):
            batches = [bays(seq=seq, count=200) for seq in range(1, 61)]
            for batch in batches:
                await edge.publish(BAYS, batch)
            await eventually_async(lambda: len(recorder.messages) >= 60)
            assert [one.body for one in recorder.messages] == [batch.to_bytes() for batch in batches]
            await eventually_async(lambda: len(heard) >= 60)


@pytest.mark.server
def test_a_certificate_that_does_not_verify_is_retried(tls_broker: BrokerSettings, tmp_path: Path) -> None:
    make_certificates(tmp_path / "other")
    settings = BrokerSettings("127.0.0.1", tls_broker.port, "ingest", ca_file=tmp_path / "other" / "ca.crt")
    attempts = Backoff(0.001, 0.002)
    consumer = MqttConsumer(settings, TELEMETRY, Recorder(), backoff=attempts)
    with begun(consumer) as raised:
        eventually(lambda: attempts._attempt >= 3)
        assert not consumer.connected
    assert raised == []
    gc.collect()  # a socket left open would be an error here
