"""The API under `/api/v1`."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import StreamingResponse

from broker.console.acknowledge import acknowledge
from broker.console.composition import Console, console_of
from broker.console.errors import ERRORS
from broker.console.incidents import incident_view, message_view
from broker.console.intake import NoticeInput, notice_view, read_notice, take_notice, withdraw_notice
from broker.console.problems import NotHereError
from broker.console.security import Visitor, api_visitor
from broker.console.silence import silence_siren
from broker.console.stills import still_for
from broker.console.streams import json_stream
from broker.console.views import (
    DeadLetterView,
    DeviceView,
    IncidentView,
    MessageView,
    NameView,
    NoticesView,
    OccupancyView,
    PushedView,
    SilenceView,
)

router = APIRouter(prefix="/api/v1", tags=["api"], responses=ERRORS)

ID_MAX = 2**63 - 1  # what a database holds

Composed = Annotated[Console, Depends(console_of)]
Caller = Annotated[Visitor, Depends(api_visitor)]
Number = Annotated[int, Path(ge=1, le=ID_MAX)]
Limit = Annotated[int, Query(ge=1, le=1000)]
NOTICE_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": NoticeInput.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["title"],
                    "properties": {
                        **NoticeInput.model_json_schema()["properties"],
                        "picture": {"type": "string", "format": "binary"},
                    },
                }
            },
        },
    }
}


@router.get("/markets")
def get_markets(_caller: Caller, console: Composed) -> list[NameView]:
    """Every market."""
    named = [one.market for one in console.directory.markets()]
    return [NameView(id=one.id, name_ko=one.name_ko, name_en=one.name_en) for one in named]


@router.get("/markets/{market}/occupancy")
def get_occupancy(market: str, _caller: Caller, console: Composed) -> OccupancyView:
    """The market's bays, gates and people now; what is not known is said to be unknown, with the reason."""
    return console.occupancy(market)


@router.get("/markets/{market}/incidents")
def get_incidents(market: str, _caller: Caller, console: Composed, limit: Limit = 50) -> list[IncidentView]:
    """Active incidents first, then the most recently changed."""
    console.directory.market(market)
    now = console.clock.unix_ms()
    return [incident_view(one, now) for one in console.incidents.open_and_recent(market, limit)]


@router.get("/incidents/{incident_id}")
def get_incident(incident_id: Number, _caller: Caller, console: Composed) -> IncidentView:
    """One incident."""
    return incident_view(console.incidents.get(incident_id), console.clock.unix_ms())


@router.get("/incidents/{incident_id}/still", response_class=Response)
def get_still(incident_id: Number, caller: Caller, console: Composed) -> Response:
    """The incident's newest picture (JPEG). Who looks is written down in the audit log."""
    return Response(still_for(console, caller.user.name, incident_id), media_type="image/jpeg")


@router.post("/incidents/{incident_id}/acknowledge")
def post_acknowledge(incident_id: Number, caller: Caller, console: Composed) -> IncidentView:
    """Somebody takes care of it: messages that are still due are cancelled. A second time changes nothing."""
    return incident_view(acknowledge(console, incident_id, caller.user.name), console.clock.unix_ms())


@router.get("/devices")
def get_devices(_caller: Caller, console: Composed, market: str | None = None) -> list[DeviceView]:
    """Every device with its cameras, screens and sirens, of one market or of all."""
    wanted = [market] if market is not None else [one.market.id for one in console.directory.markets()]
    return [device for one in wanted for device in console.devices(one)]


@router.get("/messages")
def get_messages(
    _caller: Caller, console: Composed, market: str | None = None, limit: Limit = 100
) -> list[MessageView]:
    """What was or will be sent to people, newest first."""
    if market is not None:
        console.directory.market(market)
    return [message_view(one) for one in console.messages.newest(market, limit)]


@router.get("/markets/{market}/notices")
def get_notices(market: str, _caller: Caller, console: Composed, limit: Limit = 50) -> NoticesView:
    """The market's newest notices, and how far each device is with them."""
    console.directory.market(market)
    now = console.clock.unix_ms()
    found = tuple(notice_view(one, now) for one in console.notices.newest(market, limit))
    return NoticesView(market=market, notices=found, arrivals=console.arrivals(market))


@router.post("/markets/{market}/notices", status_code=201, openapi_extra=NOTICE_BODY)
async def post_notice(market: str, request: Request, caller: Caller, console: Composed) -> PushedView:
    """Put a notice on every screen of the market."""
    wanted, picture = await read_notice(request)
    return await take_notice(console, market, wanted, picture, caller.user.name)


@router.delete("/markets/{market}/notices/{notice_id}")
async def delete_notice(market: str, notice_id: Number, caller: Caller, console: Composed) -> PushedView:
    """Take a notice off every screen."""
    notice = await asyncio.to_thread(console.notices.get, notice_id)
    if notice is None or notice.market != market:
        raise NotHereError("notice", market=market, n=notice_id)
    return await withdraw_notice(console, notice, caller.user.name)


@router.post("/devices/{market}/{device}/sirens/silence")
async def post_silence(market: str, device: str, caller: Caller, console: Composed) -> SilenceView:
    """Silence a device's sirens; alarm and screens stay. `outcome` is null while the device has not answered."""
    return await silence_siren(console, market, device, caller.user.name)


@router.get("/dead-letters")
def get_dead_letters(_caller: Caller, console: Composed, limit: Limit = 100) -> list[DeadLetterView]:
    """Messages that could not be taken, newest first."""
    return [
        DeadLetterView(
            id=one.dead_letter_id,
            received_unix_ms=one.received_unix_ms,
            part=one.part,
            reason_kind=one.reason_kind,
            reason=one.reason,
            topic=one.topic,
            body=one.body[:2000].decode("utf-8", "replace"),
            body_bytes=one.body_bytes,
        )
        for one in console.dead_letters.newest(limit)
    ]


@router.get("/stream", response_class=StreamingResponse)
async def get_stream(_caller: Caller, console: Composed, market: str | None = None) -> StreamingResponse:
    """Server-sent events: `occupancy`, `devices`, `incident`, `notices`, `link`; `heartbeat` each 15 s.

    `reload` says that this client fell behind and has to fetch the state anew.
    """
    if market is not None:
        await asyncio.to_thread(console.directory.market, market)
    return json_stream(console, market)
