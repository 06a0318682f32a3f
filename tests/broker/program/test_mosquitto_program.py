"""The broker that `jangteo up` starts: its files, its users, its persistence."""

import asyncio
import base64
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from broker.program.choose import choose_program
from broker.program.mosquitto import MosquittoProgram
from broker.program.password_file import ITERATIONS, password_file_text
from broker.program.trial import TrialProgram
from contract.access import DeviceIdentity
from contract.presence import Presence
from contract.topics import Topic, TopicFilter
from runtime.errors import FatalError
from tests.eventually import eventually_async
from tests.mqtt_fixtures import RunningBroker
from tests.transport.buses import running
from tests.transport.payloads import BAYS, PRESENCE, bays, presence
from transport.mqtt_session import MqttSession, PublishRefusedError
from transport.ports import BusSettingsError


def test_its_files_are_the_owners_only_and_hold_no_password(tmp_path: Path) -> None:
    directory = tmp_path / "a directory" / "broker"
    program = MosquittoProgram(
        Path("/usr/sbin/mosquitto"), directory, 18830, {"ingest": "s3cret"}, [DeviceIdentity("jungang", "edge-1")]
    )
    command = program.command()
    assert command == ["/usr/sbin/mosquitto", "-c", str(directory / "mosquitto.conf")]
    assert {entry.stat().st_mode & 0o777 for entry in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700
    everything = "".join(entry.read_text() for entry in directory.iterdir()) + " ".join(command)
    assert "s3cret" not in everything
    assert "listener 18830 127.0.0.1" in everything
    assert "allow_anonymous false" in everything
    assert "user jungang.edge-1" in everything
    assert (program.kind, program.host, program.port) == ("mosquitto", "127.0.0.1", 18830)
    assert not program.ready()


def test_a_password_line_is_what_mosquitto_computes() -> None:
    name, rest = password_file_text({"ingest": "word"}).strip().split(":")
    _, scheme, iterations, salt, digest = rest.split("$")
    assert (name, scheme, iterations) == ("ingest", "7", str(ITERATIONS))
    expected = hashlib.pbkdf2_hmac("sha512", b"word", base64.b64decode(salt), ITERATIONS)
    assert base64.b64decode(digest) == expected
    assert password_file_text({"ingest": "word"}) != password_file_text({"ingest": "word"}), "salted"


@pytest.mark.parametrize(
    ("passwords", "sentence"),
    [({"a:b": "x"}, "nor hold ':'"), ({"": "x"}, "may not be empty"), ({"ingest": ""}, "has an empty password")],
)
def test_a_user_that_cannot_be_written_is_refused(passwords: dict[str, str], sentence: str) -> None:
    with pytest.raises(FatalError, match=sentence):
        password_file_text(passwords)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    program = MosquittoProgram(Path("mosquitto"), tmp_path / "file" / "broker", 1, {}, [])
    with pytest.raises(FatalError, match="cannot be written"):
        program.command()


def test_without_the_program_it_is_the_trial_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("broker.program.mosquitto.SEARCHED_BESIDE_PATH", ())
    program = choose_program(tmp_path, 18831, {}, [])
    assert isinstance(program, TrialProgram)
    assert program.kind == "trial"
    (tmp_path / "mosquitto").write_text("#!/bin/sh\n")
    (tmp_path / "mosquitto").chmod(0o755)
    assert choose_program(tmp_path, 18831, {}, []).kind == "mosquitto"


@pytest.mark.server
async def test_only_the_right_password_comes_in_and_only_its_own_topics_go_out(
    mosquitto: RunningBroker, tmp_path: Path
) -> None:
    edge = MqttSession(mosquitto.settings("jungang.edge-1"))
    async with running(edge):
        await edge.publish(BAYS, bays())
        with pytest.raises(PublishRefusedError, match="Not authorized"):
            await edge.publish(Topic("jungang", "edge-2", "telemetry", "bays"), bays())
        assert edge.refused_count == 1
        await edge.publish(BAYS, bays())
        assert edge.connected, "a refused publish does not cost the connection"
    (tmp_path / "wrong").write_text("wrong")
    (tmp_path / "wrong").chmod(0o600)
    for settings in (
        replace(mosquitto.settings("ingest"), password_file=tmp_path / "wrong"),
        replace(mosquitto.settings("ingest"), username=None, password_file=None),
    ):
        with pytest.raises(BusSettingsError, match="refused client 'ingest'"):
            await asyncio.wait_for(MqttSession(settings).run(), 10)


@pytest.mark.server
async def test_retained_state_survives_a_restart_of_the_broker(mosquitto: RunningBroker) -> None:
    edge, console = MqttSession(mosquitto.settings("jungang.edge-1")), MqttSession(mosquitto.settings("console"))
    heard: list[Presence] = []

    async def hear(_topic: Topic, payload: Presence) -> None:
        heard.append(payload)

    console.subscribe(TopicFilter(channel="status", name="presence"), Presence, hear)
    async with running(edge):
        await edge.publish(PRESENCE, presence("online"))
    mosquitto.stop()
    mosquitto.start()
    async with running(console):
        await eventually_async(lambda: heard == [presence("online")])
