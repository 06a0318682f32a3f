"""The pages."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, StreamingResponse
from sqlalchemy.exc import DBAPIError

from broker.console.acknowledge import acknowledge
from broker.console.api import Number
from broker.console.assets import AssetsFullError
from broker.console.composition import Console, console_of
from broker.console.dead_letters import Choice, forget_letter, letters_context, replay_chosen, replay_letter
from broker.console.errors import Answer, answer_to
from broker.console.frame import framed
from broker.console.hub import END, Listener
from broker.console.incidents import message_view
from broker.console.intake import BadNoticeError, read_notice, take_notice, withdraw_notice
from broker.console.operations import health
from broker.console.pictures import PICTURE_BYTES_MAX
from broker.console.problems import NotHereError
from broker.console.push import TooMuchSignageError
from broker.console.render import error_visitor, language_of, page, words_of
from broker.console.sections import (
    ABOUT_ONE,
    CLOCK,
    GROUPS,
    About,
    check_about,
    market_context,
    notices_context,
    render_clock,
    render_sections,
)
from broker.console.security import Visitor, form_visitor, page_visitor
from broker.console.silence import silence_siren
from broker.console.stills import still_for
from broker.console.streams import RETRY_MS, STREAM_HEADERS, event
from broker.console.texts import Language
from runtime.errors import JangteoError, RetryableError

log = structlog.get_logger(__name__)

STATIC = Path(__file__).parent / "static"
CLOCK_EVERY_S = 3.0
PACE_S = {"camera": 1.0}  # what runs there is told by no change: pictures that stay away, the steps of a drill
GATHER_S = 0.1
MESSAGES_SHOWN = 200
AUDIT_SHOWN = 50

router = APIRouter()  # who may see a page is decided by each page's own visitor

# said above the form, with what was typed still in it
NOTICE_REFUSED = (BadNoticeError, RequestValidationError, TooMuchSignageError, AssetsFullError, RetryableError)

Composed = Annotated[Console, Depends(console_of)]
Seen = Annotated[Visitor, Depends(page_visitor)]
Sent = Annotated[Visitor, Depends(form_visitor)]


@router.get("/")
def get_home(request: Request, visitor: Seen, console: Composed) -> Response:
    """The one market's live page, or the list of markets."""
    listings = console.directory.markets()
    if len(listings) == 1:
        return RedirectResponse(f"/markets/{listings[0].market.id}", 303)
    rows = [(listing, market_context(console, listing.market.id)) for listing in listings]
    return framed(request, "markets.html", {"page": "markets", "rows": rows}, visitor)


@router.get("/markets/{market}")
def get_market(market: str, request: Request, visitor: Seen, console: Composed) -> Response:
    """A market, live."""
    query = request.query_params
    reply = console.live.reply(query.get("command", ""))
    context = {
        **market_context(console, market),
        "page": "market",
        "silence": query.get("silence") if reply is None else reply.outcome,
        "silence_reason": "" if reply is None else reply.reason,
    }
    return framed(request, "market.html", context, visitor, group="live")


@router.get("/markets/{market}/notices")
def get_notices(market: str, request: Request, visitor: Seen, console: Composed) -> Response:
    """Notices: send one, see where they are."""
    return _notices_page(request, market, visitor, console)


@router.post("/markets/{market}/notices")
async def post_notice(market: str, request: Request, visitor: Sent, console: Composed) -> Response:
    """Send a notice from the page's form; what is wrong is said above the form, with what was typed still in it."""
    try:
        wanted, picture = await read_notice(request)
        await take_notice(console, market, wanted, picture, visitor.user.name)
    except NOTICE_REFUSED as error:
        form = await request.form()
        typed = {name: value for name, value in form.items() if isinstance(value, str)}
        answer = answer_to(error, language_of(request), labelled=True)
        return await asyncio.to_thread(_notices_page, request, market, visitor, console, answer=answer, typed=typed)
    return RedirectResponse(f"/markets/{market}/notices?sent=1", 303)


@router.post("/markets/{market}/notices/{notice_id}/withdraw")
async def post_withdraw(market: str, notice_id: Number, visitor: Sent, console: Composed) -> Response:
    """Take a notice off."""
    notice = await asyncio.to_thread(console.notices.get, notice_id)
    if notice is None or notice.market != market:
        raise NotHereError("notice", market=market, n=notice_id)
    await withdraw_notice(console, notice, visitor.user.name)
    return RedirectResponse(f"/markets/{market}/notices", 303)


@router.post("/markets/{market}/incidents/{incident_id}/acknowledge")
def post_acknowledge(market: str, incident_id: Number, request: Request, visitor: Sent, console: Composed) -> Response:
    """Acknowledge from the page; with htmx the page's stream brings the new state."""
    acknowledge(console, incident_id, visitor.user.name, market)
    return _done(request, f"/markets/{market}#incidents")


@router.get("/incidents/{incident_id}/still")
def get_still(incident_id: Number, visitor: Seen, console: Composed) -> Response:
    """An incident's picture. Who looks is written down."""
    jpeg = still_for(console, visitor.user.name, incident_id)
    return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=60"})


@router.post("/markets/{market}/devices/{device}/silence")
async def post_silence(market: str, device: str, visitor: Sent, console: Composed) -> Response:
    """Silence a device's sirens, and say what became of it."""
    seen = await silence_siren(console, market, device, visitor.user.name)
    query = urlencode({"silence": seen.outcome or "waiting", "command": seen.command_id})
    return RedirectResponse(f"/markets/{quote(market)}?{query}#sirens", 303)


@router.get("/messages")
def get_messages(request: Request, visitor: Seen, console: Composed) -> Response:
    """What was sent to people."""
    found = [message_view(one) for one in console.messages.newest(None, MESSAGES_SHOWN)]
    return framed(request, "messages.html", {"page": "messages", "messages": found}, visitor)


@router.get("/devices")
def get_devices(request: Request, visitor: Seen, console: Composed) -> Response:
    """Every device."""
    rows = [(one, console.devices(one.market.id)) for one in console.directory.markets()]
    return framed(request, "devices.html", {"page": "devices", "rows": rows}, visitor)


@router.get("/dead-letters")
def get_dead_letters(request: Request, visitor: Seen, console: Composed) -> Response:
    """What was refused."""
    context = letters_context(console, Choice.read(request.query_params), request.query_params)
    return framed(request, "dead_letters.html", context, visitor)


@router.post("/dead-letters/replay")
async def post_replay_chosen(request: Request, visitor: Sent, console: Composed) -> Response:
    """Ask for the replay of every letter that the filters leave."""
    choice = Choice.read(await request.form())
    asked = await asyncio.to_thread(replay_chosen, console, choice, visitor.user.name)
    return RedirectResponse(choice.address(said="replay", n=asked), 303)


@router.post("/dead-letters/{letter_id}/replay")
async def post_replay(letter_id: Number, request: Request, visitor: Sent, console: Composed) -> Response:
    """Ask for the replay of one letter."""
    asked = await asyncio.to_thread(replay_letter, console, letter_id, visitor.user.name)
    return RedirectResponse(Choice.read(await request.form()).address(said="replay", n=asked), 303)


@router.post("/dead-letters/{letter_id}/forget")
async def post_forget(letter_id: Number, request: Request, visitor: Sent, console: Composed) -> Response:
    """Delete one letter."""
    await asyncio.to_thread(forget_letter, console, letter_id, visitor.user.name)
    return RedirectResponse(Choice.read(await request.form()).address(said="forget", n=1), 303)


@router.get("/health")
def get_health(request: Request, visitor: Seen, console: Composed) -> Response:
    """Every part, and what people did."""
    details = {one.part: one.detail for one in console.statuses.all()}
    context = {
        "page": "health",
        "health": health(console),
        "details": details,
        "audit": console.audit.newest(AUDIT_SHOWN),
    }
    return framed(request, "health.html", context, visitor)


@router.get("/live")
async def get_live(
    request: Request,
    _visitor: Seen,
    console: Composed,
    group: str = "bar",
    market: str | None = None,
    of: str | None = None,
) -> StreamingResponse:
    """A page's own stream: its sections as HTML, each when it changes, and the clock every three seconds.

    `of` names the one camera or incident that the page is about.
    """
    if group not in GROUPS or (group != "bar" and market is None) or (group in ABOUT_ONE and of is None):
        raise NotHereError("live_group", group=group)
    about = About(group, market, of)
    await asyncio.to_thread(check_about, console, about)
    sections = _sections(console, about, language_of(request))
    return StreamingResponse(sections, media_type="text/event-stream", headers=STREAM_HEADERS)


async def error_page(request: Request, status: int, sentence: str) -> Response:
    """An error for people."""
    visitor = await asyncio.to_thread(error_visitor, request)
    context = {"status": status, "sentence": sentence, **_nothing_live()}
    return page(request, "error.html", context, visitor=visitor, status=status)


async def _sections(console: Console, about: About, language: Language) -> AsyncIterator[str]:
    with console.hub.listen(about.market if about.group != "bar" else None) as listener:
        yield f"retry: {RETRY_MS}\n\n"
        said: dict[str, str] = {}
        ended = False
        while not ended:
            try:
                fresh = await _render(console, about, language)
            except (DBAPIError, JangteoError, LookupError) as error:
                log.warning("console.stream_ended", group=about.group, market=about.market, reason=str(error))
                return  # the page says that it is cut off, and asks again
            for name, html in fresh.items():
                if said.get(name) != html:
                    yield event(name, html)
            said = fresh
            ended = await _something_new(listener, PACE_S.get(about.group, CLOCK_EVERY_S))


async def _render(console: Console, about: About, language: Language) -> dict[str, str]:
    def render() -> dict[str, str]:
        return render_sections(console, about, words_of(console, language, still=True))

    sections = await console.shared.get((about.key, about.market, language), render)
    return {**sections, CLOCK: render_clock(words_of(console, language))}


async def _something_new(listener: Listener, within_s: float) -> bool:
    """Wait for a change or for the clock's turn, gathering what comes together; True when streams are to end."""
    change = await listener.next(within_s)
    if change is None:
        return False
    if change.kind != END:
        await asyncio.sleep(GATHER_S)
    return END in {change.kind, *(one.kind for one in listener.drain())}


def _notices_page(
    request: Request,
    market: str,
    visitor: Visitor,
    console: Console,
    *,
    answer: Answer | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    context = {
        **market_context(console, market),
        **notices_context(console, market),
        "page": "notices",
        "error": "" if answer is None else answer.sentence,
        "error_field": None if answer is None else answer.field,
        "typed": typed or {},
        "picture_bytes_max": PICTURE_BYTES_MAX,
        "sent": "sent" in request.query_params,
    }
    return framed(
        request, "notices.html", context, visitor, group="notices", status=200 if answer is None else answer.status
    )


def _done(request: Request, way: str) -> Response:
    return Response(status_code=204) if "hx-request" in request.headers else RedirectResponse(way, 303)


def _nothing_live() -> dict[str, object]:
    return {"alarms": (), "link": None, "live": "", "listings": []}
