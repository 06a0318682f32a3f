"""The pages of a camera and of an incident, and what is pressed on them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic_core import to_json

from broker.console.api import Number
from broker.console.camera_sections import camera_context
from broker.console.cameras import (
    VIEW_TYPE,
    accept_view,
    place_of,
    start_test,
    start_view,
    stop_test,
    stop_view,
    view_stream,
)
from broker.console.commands import Told
from broker.console.composition import Console, console_of
from broker.console.frame import framed
from broker.console.incident_sections import incident_context
from broker.console.problems import NotHereError
from broker.console.render import language_of, page
from broker.console.security import ForbiddenError, Visitor, form_visitor, page_visitor
from broker.console.stills import still_for
from broker.console.streams import STREAM_HEADERS
from broker.console.zone_form import BadZonesError, ZoneInput, inputs_of, read_zones, zones_of
from contract.cameras import CameraZone, CameraZones

router = APIRouter()

Composed = Annotated[Console, Depends(console_of)]
Seen = Annotated[Visitor, Depends(page_visitor)]
Sent = Annotated[Visitor, Depends(form_visitor)]
Moment = Literal["before", "first", "now"]

CAMERA = "/markets/{market}/cameras/{camera}"
Action = Literal["view", "stop-view", "accept-view", "test", "stop-test"]
ACTIONS: Mapping[Action, Callable[[Console, str, str, str], Awaitable[Told]]] = {
    "view": start_view,
    "stop-view": stop_view,
    "accept-view": accept_view,
    "test": start_test,
    "stop-test": stop_test,
}
"""What the page's buttons do, by the last part of their address."""


@router.get("/markets/{market}/incidents/{incident_id}")
def get_incident(market: str, incident_id: Number, request: Request, visitor: Seen, console: Composed) -> Response:
    """An incident: pictures, reasons, messages, history."""
    context = {**incident_context(console, market, str(incident_id)), "page": "incident"}
    return framed(request, "incident.html", context, visitor, group="incident", of=str(incident_id))


@router.get("/incidents/{incident_id}/stills/{moment}")
def get_still(incident_id: Number, moment: Moment, visitor: Seen, console: Composed) -> Response:
    """One of an incident's pictures; who looks is written down. Not kept by the browser: a private one may follow."""
    return Response(still_for(console, visitor.user.name, incident_id, moment), media_type="image/jpeg")


@router.get(CAMERA)
def get_camera(market: str, camera: str, request: Request, visitor: Seen) -> Response:
    """A camera: whether it sees, its live view, its zones, a test fire."""
    return _camera_page(request, market, camera, visitor)


@router.get(CAMERA + "/view")
async def get_view(market: str, camera: str, visitor: Seen, console: Composed) -> StreamingResponse:
    """The live view's pictures, for managers, as long as the view runs."""
    if not visitor.may_write:
        raise ForbiddenError("view_right", who=visitor.user.name)
    place = place_of(await asyncio.to_thread(console.directory.market, market), camera)
    if console.views.until(place) is None:
        raise NotHereError("view_over", camera=camera)
    pictures = view_stream(console, place, visitor.user.name)
    return StreamingResponse(pictures, media_type=VIEW_TYPE, headers=STREAM_HEADERS)


@router.get(CAMERA + "/picture")
def get_picture(market: str, camera: str, visitor: Seen, console: Composed) -> Response:
    """The live view's newest picture, to draw zones on. Who looks is written down."""
    if not visitor.may_write:
        raise ForbiddenError("view_right", who=visitor.user.name)
    place = place_of(console.directory.market(market), camera)
    shown = console.views.newest(place)
    if shown is None:
        raise NotHereError("picture", camera=camera)
    console.looks.note(visitor.user.name, "camera.picture", f"{market}/{place.identity.device}/{camera}")
    return Response(shown.jpeg, media_type="image/jpeg")


@router.post(CAMERA + "/zones")
async def post_zones(market: str, camera: str, request: Request, visitor: Sent, console: Composed) -> Response:
    """Save the camera's zones; what is wrong is said above the form, with what was typed still in it."""
    place = place_of(await asyncio.to_thread(console.directory.market, market), camera)
    typed = read_zones(await request.form())
    try:
        zones = CameraZones(camera=camera, zones=zones_of(typed))
    except BadZonesError as error:
        sentence = error.sentence(language_of(request))
        return await asyncio.to_thread(_camera_page, request, market, camera, visitor, error=sentence, typed=typed)
    before = await console.zones.save(place, zones)
    words = " → ".join(_words(one) for one in (before, zones.zones))
    subject = f"{market}/{place.identity.device}/{camera}"
    await asyncio.to_thread(console.audit.write, visitor.user.name, "camera.zones", subject, words)
    return RedirectResponse(f"{_address(market, camera)}?saved=1#zones", 303)


@router.post(CAMERA + "/{action}")
async def post_action(market: str, camera: str, action: Action, visitor: Sent, console: Composed) -> Response:
    """Press a button of the camera's page, and say what became of it."""
    told = await ACTIONS[action](console, market, camera, visitor.user.name)
    query = urlencode({"did": action, "said": told.outcome or "waiting", "command": told.command_id})
    part = "test" if action.endswith("test") else "view"
    return RedirectResponse(f"{_address(market, camera)}?{query}#{part}", 303)


@router.get("/test-fire-card")
def get_card(request: Request) -> Response:
    """A flame for the installer's phone. Open to everybody: there is nothing in it but the flame."""
    return page(request, "test_fire_card.html", {})


def _camera_page(
    request: Request,
    market: str,
    camera: str,
    visitor: Visitor,
    *,
    error: str = "",
    typed: tuple[ZoneInput, ...] | None = None,
) -> Response:
    console, query = console_of(request), request.query_params
    context = camera_context(console, market, camera)
    reply = console.live.reply(query.get("command", ""))
    place = place_of(console.directory.market(market), camera)
    inputs = typed if typed is not None else inputs_of(console.zones.zones(place))
    more = {
        "page": "camera",
        "may_write": visitor.may_write,
        "did": query.get("did", ""),
        "said": query.get("said", "") if reply is None else reply.outcome,
        "said_reason": "" if reply is None else reply.reason,
        "saved": "saved" in query,
        "error": error,
        "inputs": (*inputs, ZoneInput.blank(len(inputs) + 1)) if "add" in query and not error else inputs,
        "blank": ZoneInput.blank(0),
        "has_picture": console.views.newest(place) is not None,
    }
    status = 422 if error else 200
    return framed(request, "camera.html", {**context, **more}, visitor, group="camera", of=camera, status=status)


def _words(zones: Sequence[CameraZone]) -> str:
    """Zones as one line of the audit log."""
    return to_json([one.model_dump(mode="json") for one in zones]).decode()


def _address(market: str, camera: str) -> str:
    return f"/markets/{quote(market)}/cameras/{quote(camera)}"
