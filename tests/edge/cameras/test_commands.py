"""Commands to cameras: signed, in time, once; and the live view's pictures on the bus."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable

import pytest

from contract.access import DeviceIdentity
from contract.cameras import DRILL_S_MAX, VIEW_S_MAX, CameraAction, CameraCommand, CameraReply, ViewPicture
from contract.signature import Signer, Verifier
from contract.topics import Topic, TopicFilter
from edge import signed_commands as module
from edge.cameras.commands import CameraCommands, ViewPublisher
from edge.signed_commands import LIFE_MS_MAX, Hearing
from runtime.clock import ManualClock
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus

IDENTITY = DeviceIdentity("jungang", "fire-1")


class ToldCamera:
    """A camera that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def start_view(self, lasts_s: float) -> None:
        self.told.append(f"view {lasts_s:g}")

    def stop_view(self) -> None:
        self.told.append("stop-view")

    def start_drill(self, lasts_s: float) -> None:
        self.told.append(f"drill {lasts_s:g}")

    def stop_drill(self) -> None:
        self.told.append("stop-drill")

    def accept_view(self) -> None:
        self.told.append("accept-view")


class Rig:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.signer = Signer(Signer.new_private_key_hex())
        bus = MemoryBus()
        self.session, self.console = bus.session(IDENTITY.username), bus.session("console")
        self.camera = ToldCamera()
        verifier = Verifier(self.signer.public_key_hex)
        self.commands = CameraCommands(Hearing(self.session, IDENTITY, verifier, self.clock), {"cam-1": self.camera})
        self.replies: list[CameraReply] = []
        self.pictures: list[ViewPicture] = []
        self.console.subscribe(TopicFilter(channel="ack", name="camera"), CameraReply, self._on_reply)
        self.console.subscribe(TopicFilter(channel="view", name="camera"), ViewPicture, self._on_picture)

    async def _on_reply(self, _topic: Topic, reply: CameraReply) -> None:
        self.replies.append(reply)

    async def _on_picture(self, _topic: Topic, picture: ViewPicture) -> None:
        self.pictures.append(picture)

    def command(
        self,
        action: CameraAction = CameraAction.VIEW,
        lasts_s: int = 60,
        *,
        camera: str = "cam-1",
        device: str = "fire-1",
        life_ms: int = 60_000,
        signer: Signer | None = None,
    ) -> CameraCommand:
        now_ms = self.clock.unix_ms()
        unsigned = CameraCommand(
            command_id=uuid.uuid4().hex,
            market="jungang",
            device=device,
            camera=camera,
            action=action,
            lasts_s=lasts_s,
            issued_unix_ms=now_ms,
            expires_unix_ms=now_ms + life_ms,
            signature_base64="",
        )
        return (signer or self.signer).sign_command(unsigned)

    async def send(self, command: CameraCommand) -> CameraReply:
        count = len(self.replies)
        await self.console.publish(Topic("jungang", "fire-1", "cmd", "camera"), command)
        await eventually_async(lambda: len(self.replies) == count + 1)
        return self.replies[-1]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig()
    tasks = [asyncio.create_task(one.run()) for one in (made.session, made.console)]
    await eventually_async(lambda: made.session.connected and made.console.connected)
    yield made
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_signed_commands_are_obeyed_each_once(rig: Rig) -> None:
    for action in CameraAction:
        command = rig.command(action, 30)
        first = await rig.send(command)
        assert (first.outcome, first.reason) == ("done", "")
        assert await rig.send(command) == first
    assert rig.camera.told == ["view 30", "stop-view", "drill 30", "stop-drill", "accept-view"]


BAD: dict[str, tuple[Callable[[Rig], CameraCommand], str, str]] = {
    "forged": (lambda rig: rig.command(signer=Signer(Signer.new_private_key_hex())), "refused", "signature"),
    "for-another-device": (lambda rig: rig.command(device="fire-2"), "refused", "command is for jungang/fire-2"),
    "for-no-camera": (lambda rig: rig.command(camera="cam-9"), "refused", "this device's cameras: cam-1"),
    "expired": (lambda rig: rig.command(life_ms=-1), "expired", ""),
    "too-long-a-life": (lambda rig: rig.command(life_ms=LIFE_MS_MAX + 1), "refused", "it may live for 300 s at most"),
    "too-long-a-view": (lambda rig: rig.command(lasts_s=VIEW_S_MAX + 1), "refused", "a view lasts from 1 to 300 s"),
    "a-drill-of-no-time": (lambda rig: rig.command(CameraAction.DRILL, 0), "refused", f"1 to {DRILL_S_MAX} s"),
    "altered": (lambda rig: rig.command().model_copy(update={"lasts_s": 61}), "refused", "signature"),
}


@pytest.mark.parametrize("name", BAD)
async def test_what_is_not_ours_or_not_possible_is_answered_and_not_done(rig: Rig, name: str) -> None:
    make, outcome, reason = BAD[name]
    reply = await rig.send(make(rig))
    assert reply.outcome == outcome
    assert reason in reply.reason
    assert rig.camera.told == []


async def test_a_device_that_does_not_know_the_time_obeys_nobody(rig: Rig) -> None:
    rig.clock.boot_id = "boot"
    reply = await rig.send(rig.command())
    assert (reply.outcome, rig.camera.told) == ("refused", [])


async def test_memory_of_commands_is_bounded(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED_MAX", 10)
    first = rig.command()
    await rig.send(first)
    for _ in range(10):
        await rig.send(rig.command(CameraAction.STOP_VIEW))
    await rig.send(first)
    assert rig.camera.told.count("view 60") == 2


def picture(number: int) -> ViewPicture:
    return ViewPicture(
        camera="cam-1",
        time_unix_ms=number,
        score=0.1,
        fire="quiet",
        width_px=320,
        height_px=240,
        jpeg_base64="AAAA",
    )


async def test_a_view_goes_out_and_what_comes_while_one_is_on_its_way_is_dropped(rig: Rig) -> None:
    publish = ViewPublisher(rig.session, IDENTITY)
    for number in range(5):
        publish(picture(number))
    await eventually_async(lambda: rig.pictures)
    publish(picture(9))
    await eventually_async(lambda: len(rig.pictures) == 2)
    assert [one.time_unix_ms for one in rig.pictures] == [0, 9]


async def test_without_a_link_a_view_is_dropped_and_nothing_waits() -> None:
    publish = ViewPublisher(MemoryBus().session(IDENTITY.username), IDENTITY)
    publish(picture(1))
    await asyncio.sleep(0)
    publish(picture(2))
