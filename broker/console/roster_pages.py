"""The roster page: who gets a market's messages, and what managers change about them."""

import asyncio
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from broker.console.api import Number
from broker.console.composition import Console, console_of
from broker.console.frame import framed
from broker.console.problems import NotHereError
from broker.console.render import language_of
from broker.console.roster_form import BadPersonError, PersonInput, clock_text, input_of, person_of, read_person
from broker.console.security import Visitor, form_visitor, page_visitor
from broker.stores.phones import shown
from broker.stores.policy_models import LANGUAGES, ROLES
from broker.stores.registry import Recipient
from broker.stores.rosters import PEOPLE_MAX, DuplicatePhoneError, RosterFullError, UnknownPersonError

router = APIRouter()

Composed = Annotated[Console, Depends(console_of)]
Seen = Annotated[Visitor, Depends(page_visitor)]
Sent = Annotated[Visitor, Depends(form_visitor)]

ROSTER = "/markets/{market}/roster"
SAID = frozenset({"add", "change", "remove", "give-back"})


@router.get(ROSTER)
def get_roster(market: str, request: Request, visitor: Seen, console: Composed) -> Response:
    """Everybody who gets the market's messages; `?edit=` opens one person in the form."""
    wanted = request.query_params.get("edit", "")
    editing = int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 19 else None  # noqa: PLR2004 — fits the column
    return _page(request, market, visitor, console, editing=editing)


@router.post(ROSTER)
async def post_add(market: str, request: Request, visitor: Sent, console: Composed) -> Response:
    """Add a person; what is wrong is said above the form, with what was typed still in it."""
    return await _save(request, market, visitor, console, None)


@router.post(ROSTER + "/give-back")
async def post_give_back(market: str, visitor: Sent, console: Composed) -> Response:
    """Let the next enrolment write the site file's people again."""
    await asyncio.to_thread(console.directory.market, market)
    if await asyncio.to_thread(console.rosters.give_back, market):
        await asyncio.to_thread(console.audit.write, visitor.user.name, "roster.give-back", market)
    return _said(market, "give-back")


@router.post(ROSTER + "/{recipient_id}")
async def post_change(
    market: str, recipient_id: Number, request: Request, visitor: Sent, console: Composed
) -> Response:
    """Change what stands about a person."""
    return await _save(request, market, visitor, console, recipient_id)


@router.post(ROSTER + "/{recipient_id}/remove")
async def post_remove(market: str, recipient_id: Number, visitor: Sent, console: Composed) -> Response:
    """Take a person out of the roster."""
    await asyncio.to_thread(console.directory.market, market)
    try:
        gone = await asyncio.to_thread(console.rosters.remove, market, recipient_id)
    except UnknownPersonError as error:
        raise NotHereError("person", market=market, n=recipient_id) from error
    await asyncio.to_thread(
        console.audit.write, visitor.user.name, "roster.remove", f"{market}/{gone.name}", _words(gone)
    )
    return _said(market, "remove")


async def _save(
    request: Request, market: str, visitor: Visitor, console: Console, recipient_id: int | None
) -> Response:
    await asyncio.to_thread(console.directory.market, market)
    typed = read_person(await request.form())
    try:
        one = person_of(typed)
        before = await asyncio.to_thread(_write, console, market, one, recipient_id)
    except BadPersonError as error:
        return await asyncio.to_thread(
            _page, request, market, visitor, console, editing=recipient_id, typed=typed, error=error
        )
    words = _words(one) if before is None else f"{_words(before)} → {_words(one)}"
    action = "roster.add" if before is None else "roster.change"
    await asyncio.to_thread(console.audit.write, visitor.user.name, action, f"{market}/{one.name}", words)
    return _said(market, "add" if before is None else "change")


def _write(console: Console, market: str, one: Recipient, recipient_id: int | None) -> Recipient | None:
    """Add or change; what stood there before, if anything did."""
    try:
        if recipient_id is None:
            console.rosters.add(market, one)
            return None
        return console.rosters.change(market, recipient_id, one)
    except DuplicatePhoneError as error:
        raise BadPersonError("phone_twice", "phone", phone=shown(error.phone), who=error.name) from error
    except RosterFullError as error:
        raise BadPersonError("roster_full", "name", n=PEOPLE_MAX) from error
    except UnknownPersonError as error:
        raise NotHereError("person", market=market, n=recipient_id) from error


def _page(
    request: Request,
    market: str,
    visitor: Visitor,
    console: Console,
    *,
    editing: int | None = None,
    typed: PersonInput | None = None,
    error: BadPersonError | None = None,
) -> Response:
    listing = console.directory.market(market)
    state = console.rosters.of(market)
    held = {one.recipient_id: one.recipient for one in state.people}
    if editing is not None and editing not in held:
        raise NotHereError("person", market=market, n=editing)
    table = console.policies.of(market).table
    roles = {one.role for one in held.values()}
    said = request.query_params.get("said", "")
    context = {
        "market": listing.market,
        "page": "roster",
        "people": [(one.recipient_id, one.recipient, shown(one.recipient.phone)) for one in state.people],
        "by_console": state.by_console,
        "no_first": bool(held) and not roles & set(table.fire.steps[0].roles),
        "editing": editing,
        "typed": typed or (PersonInput() if editing is None else input_of(held[editing])),
        "error": "" if error is None else error.sentence(language_of(request)),
        "error_field": None if error is None else error.field,
        "said": said if said in SAID else "",
        "roles": ROLES,
        "languages": LANGUAGES,
        "clock_text": clock_text,
    }
    return framed(request, "roster.html", context, visitor, status=200 if error is None else 422)


def _words(one: Recipient) -> str:
    """A person as one line of the audit log."""
    hours = f"{clock_text(one.quiet_from_minute)}-{clock_text(one.quiet_to_minute)}".removesuffix("-")
    return f"{one.name} {shown(one.phone)} {one.role} {one.language} {hours}".rstrip()


def _said(market: str, what: str) -> Response:
    return RedirectResponse(f"/markets/{quote(market)}/roster?{urlencode({'said': what})}", 303)
