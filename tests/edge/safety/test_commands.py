"""The siren command: signed, in time, once."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory

from contract.access import DeviceIdentity
from contract.delivery import CommandReply, SirenCommand
from contract.events import Phase
from contract.signature import Signer, Verifier
from contract.topics import Topic, TopicFilter
from edge.gpio import Gpio
from edge.ports import FireDecision
from edge.safety.alarm import MarketAlarm
from edge.safety.commands import SirenCommands
from edge.safety.siren import Siren
from edge.settings import SirenSettings
from edge.signed_commands import LIFE_MS_MAX, Hearing
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus

IDENTITY = DeviceIdentity("jungang", "fire-1")


class Rig:
    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.signer = Signer(Signer.new_private_key_hex())
        self.bus = MemoryBus()
        self.session, self.console = self.bus.session(IDENTITY.username), self.bus.session("console")
        self.alarm = MarketAlarm("fire-1", self.clock)
        self.siren = Siren(
            SirenSettings(name="siren-1", zone="b", pin=17),
            Gpio(MockFactory(), work_dir=folder),
            self.alarm,
            lambda _reading: None,
            self.clock,
        )
        verifier = Verifier(self.signer.public_key_hex)
        self.commands = SirenCommands(Hearing(self.session, IDENTITY, verifier, self.clock), [self.siren])
        self.replies: list[CommandReply] = []
        self.console.subscribe(TopicFilter(channel="ack", name="siren"), CommandReply, self._on_reply)

    async def _on_reply(self, _topic: Topic, reply: CommandReply) -> None:
        self.replies.append(reply)

    def command(self, *, device: str = "fire-1", life_ms: int = 60_000, signer: Signer | None = None) -> SirenCommand:
        now_ms = self.clock.unix_ms()
        unsigned = SirenCommand(
            command_id=uuid.uuid4().hex,
            market="jungang",
            device=device,
            action="silence",
            issued_unix_ms=now_ms,
            expires_unix_ms=now_ms + life_ms,
            signature_base64="",
        )
        return (signer or self.signer).sign_command(unsigned)

    async def send(self, command: SirenCommand) -> CommandReply:
        count = len(self.replies)
        await self.console.publish(Topic("jungang", "fire-1", "cmd", "siren"), command)
        await eventually_async(lambda: len(self.replies) == count + 1)
        return self.replies[-1]

    def fire(self) -> None:
        self.alarm.on_decision(FireDecision(uuid.uuid4().hex, Phase.RAISED, "b", "cam-1", 0.9, 1, 2))


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    made = Rig(tmp_path)
    tasks = [asyncio.create_task(one.run()) for one in (made.session, made.console, made.siren)]
    await eventually_async(lambda: made.session.connected and made.console.connected)
    made.fire()
    await eventually_async(lambda: made.siren.sounding)
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_signed_command_silences_and_the_alarm_stays(rig: Rig) -> None:
    reply = await rig.send(rig.command())

    assert (reply.outcome, reply.reason) == ("done", "")
    assert not rig.siren.sounding
    assert rig.alarm.fires


async def test_the_same_command_again_is_answered_and_not_run(rig: Rig) -> None:
    command = rig.command()
    first = await rig.send(command)
    rig.fire()
    assert rig.siren.sounding

    again = await rig.send(command)

    assert again == first
    assert rig.siren.sounding


@pytest.mark.parametrize(
    ("make", "outcome", "reason"),
    [
        (lambda rig: rig.command(signer=Signer(Signer.new_private_key_hex())), "refused", "signature does not fit"),
        (lambda rig: rig.command(device="fire-2"), "refused", "command is for jungang/fire-2"),
        (lambda rig: rig.command(life_ms=-1), "expired", ""),
        (lambda rig: rig.command(life_ms=LIFE_MS_MAX + 1), "refused", "it may live for 300 s at most"),
        (lambda rig: rig.command().model_copy(update={"expires_unix_ms": 4 * 10**12}), "refused", "signature"),
    ],
    ids=["forged", "for-another-device", "expired", "too-long-a-life", "altered"],
)
async def test_what_is_not_ours_or_not_in_time_is_answered_and_not_run(
    rig: Rig, make: "object", outcome: str, reason: str
) -> None:
    assert callable(make)
    reply = await rig.send(make(rig))

    assert reply.outcome == outcome
    assert reason in reply.reason
    assert rig.siren.sounding
