"""What a person does with a camera from its page: look through it, stop looking, light a test fire."""

import asyncio
from collections.abc import AsyncGenerator

import structlog
from sqlalchemy.exc import DBAPIError

from broker.console.commands import Told, new_command, tell
from broker.console.composition import Console
from broker.console.directory import MarketListing
from broker.console.drills import DRILL_S, Drill
from broker.console.problems import NotHereError
from broker.console.viewing import Place, Shown
from contract.access import DeviceIdentity
from contract.cameras import CameraAction, CameraCommand

log = structlog.get_logger(__name__)

VIEW_S = 60
MS_PER_S = 1000
LOOK_EVERY_S = 0.5
BOUNDARY = "jangteo-view"
VIEW_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"  # RFC 2046; every part replaces the one before
REFUSED = frozenset({"refused", "expired"})

_writing: set[asyncio.Task[None]] = set()
"""Audit rows on their way: the loop itself holds a task only weakly."""


def place_of(listing: MarketListing, camera: str) -> Place:
    """Where a camera of a market is.

    Raises:
        NotHereError: the market has none of this name.
    """
    device = next((one.device for one in listing.of_kind("cameras") if one.subject == camera), None)
    if device is None:
        raise NotHereError("camera", market=listing.market.id, camera=camera)
    return Place(DeviceIdentity(listing.market.id, device), camera)


async def start_view(console: Console, market: str, camera: str, who: str) -> Told:
    """Ask the camera for pictures for a minute from now; asked again while it runs, the minute begins anew.

    Raises:
        NotHereError: there is no such camera.
        transport.ports.NotConnectedError: the broker is not there.
        transport.ports.PublishTimeoutError: the broker did not confirm: try again.
    """
    place = await _place(console, market, camera)
    until = console.clock.unix_ms() + VIEW_S * MS_PER_S
    # before the command: the first pictures may overtake its reply
    console.views.start(place, until)
    told = await _tell(console, place, CameraAction.VIEW, VIEW_S, who)
    if told.outcome in REFUSED:
        console.views.start(place, 0)
    return told


async def stop_view(console: Console, market: str, camera: str, who: str) -> Told:
    """Tell the camera to send no more pictures. Raises as `start_view` does."""
    place = await _place(console, market, camera)
    console.views.start(place, 0)
    return await _tell(console, place, CameraAction.STOP_VIEW, 0, who)


async def accept_view(console: Console, market: str, camera: str, who: str) -> Told:
    """Tell the camera that it looks where it should: `moved` is told against what it sees now. Raises as above."""
    return await _tell(console, await _place(console, market, camera), CameraAction.ACCEPT_VIEW, 0, who)


async def start_test(console: Console, market: str, camera: str, who: str) -> Told:
    """Begin a drill of two minutes: what the camera takes for a fire then is a test. Raises as `start_view` does."""
    place = await _place(console, market, camera)
    started = console.clock.unix_ms()
    told = await _tell(console, place, CameraAction.DRILL, DRILL_S, who)
    console.drills.start(Drill(place, told.command_id, started, who))
    return told


async def stop_test(console: Console, market: str, camera: str, who: str) -> Told:
    """End the drill: from now on a fire is a fire. Raises as `start_view` does."""
    place = await _place(console, market, camera)
    told = await _tell(console, place, CameraAction.STOP_DRILL, 0, who)
    console.drills.stop(place, console.clock.unix_ms())
    return told


async def view_stream(console: Console, place: Place, who: str) -> AsyncGenerator[bytes, None]:
    """The pictures as parts that replace each other, the newest always; it ends with the view.

    Raises:
        broker.console.viewing.TooManyViewersError: no more are served.
    """
    begun_s = console.clock.monotonic_s()
    with console.views.watch(place) as viewer:
        try:
            yield f"--{BOUNDARY}\r\n".encode()
            while not console.hub.closed and console.views.until(place) is not None:
                shown = await viewer.next(LOOK_EVERY_S)
                if shown is not None:
                    yield _part(shown)
        finally:
            _write_watched(console, place, who, console.clock.monotonic_s() - begun_s)


def _part(shown: Shown) -> bytes:
    # The next boundary comes at once: browsers show a part when they see its end.
    head = f"Content-Type: image/jpeg\r\nContent-Length: {len(shown.jpeg)}\r\n\r\n"
    return head.encode() + shown.jpeg + f"\r\n--{BOUNDARY}\r\n".encode()


def _write_watched(console: Console, place: Place, who: str, seconds: float) -> None:
    """In a task of its own: this one may be cancelled already, because the viewer went."""

    async def write() -> None:
        try:
            await asyncio.to_thread(console.audit.write, who, "camera.watched", _subject(place), f"{seconds:.0f} s")
        except DBAPIError as error:
            log.warning("console.unaudited", who=who, subject=_subject(place), reason=str(error))

    task = asyncio.get_running_loop().create_task(write(), name="audit-watched")
    _writing.add(task)
    task.add_done_callback(_writing.discard)


async def _place(console: Console, market: str, camera: str) -> Place:
    return place_of(await asyncio.to_thread(console.directory.market, market), camera)


async def _tell(console: Console, place: Place, action: CameraAction, lasts_s: int, who: str) -> Told:
    command = new_command(console, CameraCommand, place.identity, camera=place.camera, action=action, lasts_s=lasts_s)
    return await tell(console, command, who, f"camera.{action.value}", f"{lasts_s} s" if lasts_s else "")


def _subject(place: Place) -> str:
    return f"{place.identity.market}/{place.identity.device}/{place.camera}"
