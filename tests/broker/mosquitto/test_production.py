"""The production configuration, run as it is by a real Mosquitto, with only its paths and ports rewritten."""

import asyncio
import datetime as dt
import gc
import ipaddress
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from broker.program.mosquitto import PACKET_BYTES_MAX, find_mosquitto
from broker.program.password_file import password_file_text
from broker.program.port import accepts_connections
from contract.access import DeviceIdentity, mosquitto_acl
from contract.catalog import BROKER_BYTES_MAX, CATALOG, Channel, Role, topic_for
from contract.payload import Payload
from contract.presence import Presence
from contract.telemetry import BayBatch
from contract.topics import Topic, TopicFilter
from runtime.backoff import Backoff
from runtime.secret_files import write_secret
from tests.absent import absent
from tests.contract.samples import SAMPLES
from tests.eventually import eventually, eventually_async
from tests.mqtt_fixtures import CENTRAL, DEVICES, PASSWORDS, free_tcp_port
from tests.transport.buses import running
from transport.mqtt_session import MqttSession, PublishRefusedError
from transport.ports import BrokerSettings, BusSettingsError

pytestmark = pytest.mark.server

CONFIGURATION = Path(__file__).resolve().parent.parent.parent.parent / "broker" / "mosquitto" / "mosquitto.conf"
USERS = tuple(PASSWORDS)


@dataclass(frozen=True)
class Production:
    directory: Path
    device_port: int
    central_port: int

    def settings(self, username: str, client_id: str | None = None) -> BrokerSettings:
        secret = self.directory / f"{username}.password"
        write_secret(secret, PASSWORDS[username])
        port = self.central_port if username in CENTRAL else self.device_port
        return BrokerSettings(
            "127.0.0.1", port, client_id or username, username, secret, self.directory / "secrets" / "ca.crt"
        )

    def session(self, username: str, client_id: str | None = None) -> MqttSession:
        return MqttSession(self.settings(username, client_id), backoff=Backoff(0.02, 0.1))


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    program = find_mosquitto()
    if program is None:
        absent("the mosquitto program is not installed")
    directory = tmp_path_factory.mktemp("mosquitto")
    made = Production(directory, free_tcp_port(), free_tcp_port())
    (directory / "data").mkdir()
    make_certificates(directory / "secrets")
    write_secret(directory / "secrets" / "passwords", password_file_text(PASSWORDS))
    write_secret(directory / "secrets" / "access.acl", mosquitto_acl(DEVICES))
    text = CONFIGURATION.read_text().replace("/mosquitto/", f"{directory}/")
    text = text.replace("listener 8883", f"listener {made.device_port} 127.0.0.1")
    text = text.replace("listener 8884", f"listener {made.central_port} 127.0.0.1")
    # In the container the files belong to Mosquitto's own user; here they belong to whoever runs the tests.
    (directory / "mosquitto.conf").write_text(f"{text}\nuser root\n")
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([program, "-c", directory / "mosquitto.conf"], stdout=log, stderr=log)
    try:
        eventually(
            lambda: accepts_connections("127.0.0.1", made.device_port), what=(directory / "log").read_text() or "start"
        )
        yield made
    finally:
        process.terminate()
        process.wait(10)


def make_certificates(directory: Path) -> None:
    """A certificate authority and a server certificate for 127.0.0.1."""
    directory.mkdir()
    ca_key, ca = _certificate("Jangteo test authority", None, None)
    server_key, server = _certificate("broker", ca, ca_key)
    (directory / "ca.crt").write_bytes(ca.public_bytes(Encoding.PEM))
    (directory / "server.crt").write_bytes(server.public_bytes(Encoding.PEM))
    (directory / "server.key").write_bytes(server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _certificate(
    name: str, issuer: x509.Certificate | None, issuer_key: ec.EllipticCurvePrivateKey | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    )
    return key, builder.sign(issuer_key or key, hashes.SHA256())


def may_write(user: str, owner: DeviceIdentity, row: Channel) -> bool:
    return user in row.writers if user in CENTRAL else Role.DEVICE in row.writers and user == owner.username


def may_read(user: str, owner: DeviceIdentity, row: Channel) -> bool:
    if user in CENTRAL:
        return user in row.readers
    same_market = user.split(".", maxsplit=1)[0] == owner.market
    return Role.DEVICE in row.readers and (user == owner.username or (row.market_wide and same_market))


async def test_everybody_may_do_exactly_what_the_catalogue_says(production: Production) -> None:
    sessions = {user: production.session(user) for user in USERS}
    heard: dict[str, Counter[Topic]] = {user: Counter() for user in USERS}
    for user, session in sessions.items():

        async def hear(topic: Topic, _payload: Payload, mine: Counter[Topic] = heard[user]) -> None:
            mine[topic] += 1

        session.subscribe(TopicFilter(), Payload, hear)
    wrong = []
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(running(*sessions.values()))
        for row in CATALOG:
            for owner in DEVICES:
                topic = topic_for(owner.market, owner.device, row.model)
                for user in USERS:
                    allowed = True
                    try:
                        await sessions[user].publish(topic, SAMPLES[row.path])
                    except PublishRefusedError:
                        allowed = False
                    if row.qos and allowed != may_write(user, owner, row):
                        wrong.append(f"{user} {'may' if allowed else 'may not'} write {topic}")
        assert not wrong
        expected = {
            user: {
                topic_for(owner.market, owner.device, row.model)
                for row in CATALOG
                for owner in DEVICES
                if may_read(user, owner, row)
            }
            for user in USERS
        }
        await eventually_async(
            lambda: all(heard[user].keys() >= expected[user] for user in USERS), what="all that may be read"
        )
    assert {user: set(topics) for user, topics in heard.items()} == expected
    for row, owner in product([one for one in CATALOG if not one.qos], DEVICES):
        # Nobody is told that such a message was refused: it is just not passed on.
        topic = topic_for(owner.market, owner.device, row.model)
        readers = [user for user in USERS if may_read(user, owner, row)]
        writers = [user for user in USERS if may_write(user, owner, row)]
        assert [heard[user][topic] for user in readers] == [len(writers)] * len(readers)


async def test_a_device_cannot_take_over_another_clients_session(production: Production) -> None:
    ingest, thief = production.session("ingest"), production.session("jungang.edge-2", client_id="ingest")
    victim, double = production.session("jungang.edge-1"), production.session("jungang.edge-2", "jungang.edge-1")
    lost = []

    async def connected() -> None:
        lost.append("connection")

    for one in (ingest, victim):
        one.on_connect(connected)
    async with running(ingest, victim):
        async with running(thief):
            pass
        async with running(double):
            pass
        await victim.publish(topic_for("jungang", "edge-1", BayBatch), SAMPLES["telemetry/bays"])
        assert ingest.connected
        assert victim.connected
    assert lost == ["connection"] * 2, "each connected once and was never thrown out"


async def test_a_wrong_password_ends_the_session_in_words(production: Production, tmp_path: Path) -> None:
    secret = tmp_path / "wrong"
    write_secret(secret, "wrong")
    session = MqttSession(replace(production.settings("console"), password_file=secret))
    with pytest.raises(BusSettingsError, match=r"refused client 'console', user 'console': "):
        await asyncio.wait_for(session.run(), 10)


# paho leaves the socket of a failed handshake to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_a_broker_with_another_authority_is_not_spoken_to(production: Production, tmp_path: Path) -> None:
    make_certificates(tmp_path / "other")
    session = MqttSession(replace(production.settings("console"), ca_file=tmp_path / "other" / "ca.crt"))
    task = asyncio.create_task(session.run())
    await asyncio.wait({task}, timeout=0.5)
    assert not session.connected
    assert not task.done(), "it goes on trying: a Pi's clock may be wrong at first"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    gc.collect()


def test_a_password_never_crosses_a_network_in_the_clear(production: Production) -> None:
    with pytest.raises(BusSettingsError, match="without TLS only loopback may be used: give ca_file"):
        MqttSession(replace(production.settings("console"), host="broker.example", ca_file=None))
    with pytest.raises(BusSettingsError, match="there is no file"):
        MqttSession(replace(production.settings("console"), ca_file=Path("/nowhere/ca.crt")))
    with pytest.raises(BusSettingsError, match="cannot be read"):
        MqttSession(replace(production.settings("console"), password_file=Path("/nowhere/password")))


async def test_retained_presence_is_read_back_over_tls(production: Production) -> None:
    edge, console, heard = production.session("seomun.edge-1"), production.session("console"), []

    async def hear(topic: Topic, payload: Presence) -> None:
        heard.append((topic, payload))

    console.subscribe(TopicFilter("seomun", channel="status", name="presence"), Presence, hear)
    topic, payload = topic_for("seomun", "edge-1", Presence), SAMPLES["status/presence"]
    async with running(edge):
        await edge.publish(topic, payload)
    async with running(console):
        await eventually_async(lambda: (topic, payload) in heard)


def test_its_sizes_are_the_contracts() -> None:
    text = CONFIGURATION.read_text()
    assert re.search(r"^message_size_limit (\d+)$", text, re.MULTILINE)[1] == str(BROKER_BYTES_MAX)  # type: ignore[index] # a missing line fails the test as well
    assert re.search(r"^max_packet_size (\d+)$", text, re.MULTILINE)[1] == str(PACKET_BYTES_MAX)  # type: ignore[index] # the same
