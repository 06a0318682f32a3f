"""Commands to a device's cameras: run once, in time, only if the console signed them; and the live view they start."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

import structlog

from contract.access import DeviceIdentity
from contract.cameras import DRILL_S_MAX, VIEW_S_MAX, CameraAction, CameraCommand, CameraReply, ViewPicture
from contract.signature import BadSignatureError, Verifier
from contract.topics import Topic, TopicFilter
from edge.ports import Timekeeper
from runtime.errors import RetryableError
from transport.ports import Session

log = structlog.get_logger(__name__)

LIFE_MS_MAX = 300_000  # ids are remembered in memory only: a longer life would allow a replay after a restart
REMEMBERED_MAX = 1000
REASON_LENGTH_MAX = 500


class CommandedCamera(Protocol):
    """What a camera can be told."""

    def start_view(self, lasts_s: float) -> None:
        """Send pictures for so long."""
        ...

    def stop_view(self) -> None:
        """Send no more."""
        ...

    def start_drill(self, lasts_s: float) -> None:
        """For so long a fire is a drill."""
        ...

    def stop_drill(self) -> None:
        """A fire is a fire again."""
        ...

    def accept_view(self) -> None:
        """The view of now is its reference."""
        ...


class ViewPublisher:
    """Publishes a live view's pictures. One is on its way at most: what comes meanwhile is dropped, none is resent."""

    def __init__(self, session: Session, identity: DeviceIdentity) -> None:
        self._session = session
        self._topic = Topic(identity.market, identity.device, "view", "camera")
        self._sending: asyncio.Task[None] | None = None

    def __call__(self, picture: ViewPicture) -> None:
        """Send the picture, or drop it. Call on the event loop."""
        if self._sending is None or self._sending.done():
            self._sending = asyncio.get_running_loop().create_task(self._send(picture))

    async def _send(self, picture: ViewPicture) -> None:
        try:
            await self._session.publish(self._topic, picture)
        except RetryableError as error:
            log.debug("camera.view_dropped", camera=picture.camera, reason=str(error))


class CameraCommands:
    """Hears `cmd/camera` and answers on `ack/camera`. The same command again gets the same answer and does nothing.

    The last `REMEMBERED_MAX` ids are remembered; a command may live for five minutes at most.
    """

    def __init__(
        self,
        session: Session,
        identity: DeviceIdentity,
        verifier: Verifier,
        cameras: Mapping[str, CommandedCamera],
        clock: Timekeeper,
    ) -> None:
        self._session = session
        self._identity = identity
        self._verifier = verifier
        self._cameras = cameras
        self._clock = clock
        self._replies: OrderedDict[str, CameraReply] = OrderedDict()
        topics = TopicFilter(identity.market, identity.device, "cmd", "camera")
        session.subscribe(topics, CameraCommand, self._on_command)

    async def _on_command(self, _topic: Topic, command: CameraCommand) -> None:
        try:
            self._verifier.command(command, self._identity.market, self._identity.device)
        except BadSignatureError as error:
            # Not remembered: a forger must not use up the id of a true command.
            log.warning("camera.command_refused", command_id=command.command_id, reason=str(error))
            await self._answer(self._reply(command, "refused", str(error)))
            return
        reply = self._replies.get(command.command_id)
        if reply is None:
            reply = self._replies[command.command_id] = self._obey(command)
            while len(self._replies) > REMEMBERED_MAX:
                self._replies.popitem(last=False)
        await self._answer(reply)

    def _obey(self, command: CameraCommand) -> CameraReply:
        if command.expires_unix_ms - command.issued_unix_ms > LIFE_MS_MAX:
            return self._reply(command, "refused", f"it may live for {LIFE_MS_MAX // 1000} s at most")
        if self._clock.boot_id is not None:
            # Who does not know the time cannot tell a command from a recording of one.
            return self._reply(command, "refused", "this device does not know the time yet: try again in a moment")
        if self._clock.unix_ms() > command.expires_unix_ms:
            return self._reply(command, "expired", "")
        camera = self._cameras.get(command.camera)
        if camera is None:
            names = ", ".join(self._cameras) or "none"
            return self._reply(command, "refused", f"no camera {command.camera!r}; this device's cameras: {names}")
        wrong = _wrong(command)
        if wrong is not None:
            return self._reply(command, "refused", wrong)
        _act(camera, command)
        log.info("camera.command", camera=command.camera, action=command.action.value, lasts_s=command.lasts_s)
        return self._reply(command, "done", "")

    def _reply(
        self, command: CameraCommand, outcome: Literal["done", "refused", "expired"], reason: str
    ) -> CameraReply:
        return CameraReply(
            command_id=command.command_id,
            outcome=outcome,
            reason=reason[:REASON_LENGTH_MAX],
            time_unix_ms=self._clock.unix_ms(),
        )

    async def _answer(self, reply: CameraReply) -> None:
        topic = Topic(self._identity.market, self._identity.device, "ack", "camera")
        try:
            await self._session.publish(topic, reply)
        except RetryableError as error:
            # The console asks again with the same id and then hears the same answer.
            log.info("camera.reply_not_sent", command_id=reply.command_id, reason=str(error))


_LASTS_S_MAX: Mapping[CameraAction, int] = {CameraAction.VIEW: VIEW_S_MAX, CameraAction.DRILL: DRILL_S_MAX}


def _wrong(command: CameraCommand) -> str | None:
    """What is wrong with the time that a view or a drill shall last."""
    most_s = _LASTS_S_MAX.get(command.action)
    if most_s is None or 0 < command.lasts_s <= most_s:
        return None
    return f"a {command.action.value} lasts from 1 to {most_s} s, asked were {command.lasts_s} s"


def _act(camera: CommandedCamera, command: CameraCommand) -> None:
    actions: Mapping[CameraAction, Callable[[], None]] = {
        CameraAction.VIEW: lambda: camera.start_view(command.lasts_s),
        CameraAction.STOP_VIEW: camera.stop_view,
        CameraAction.DRILL: lambda: camera.start_drill(command.lasts_s),
        CameraAction.STOP_DRILL: camera.stop_drill,
        CameraAction.ACCEPT_VIEW: camera.accept_view,
    }
    actions[command.action]()
