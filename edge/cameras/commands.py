"""The console's commands to a device's cameras, and the live view they start."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from contract.access import DeviceIdentity
from contract.cameras import DRILL_S_MAX, VIEW_S_MAX, CameraAction, CameraCommand, CameraReply, ViewPicture
from contract.topics import Topic
from edge.signed_commands import Hearing, Outcome, SignedCommands
from runtime.errors import RetryableError
from transport.ports import Session

log = structlog.get_logger(__name__)


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
    """Obeys what the console tells this device's cameras."""

    def __init__(self, hearing: Hearing, cameras: Mapping[str, CommandedCamera]) -> None:
        self._cameras = cameras
        SignedCommands(hearing, "camera", CameraCommand, CameraReply, self._obey)

    def _obey(self, command: CameraCommand) -> Outcome:
        camera = self._cameras.get(command.camera)
        if camera is None:
            names = ", ".join(self._cameras) or "none"
            return Outcome("refused", f"no camera {command.camera!r}; this device's cameras: {names}")
        wrong = _wrong(command)
        if wrong is not None:
            return Outcome("refused", wrong)
        _act(camera, command)
        log.info("camera.command", camera=command.camera, action=command.action.value, lasts_s=command.lasts_s)
        return Outcome("done")


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
