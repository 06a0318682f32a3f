"""The pages of the alert policies: the table of a market, and the form of one kind."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from broker.console.composition import Console, console_of
from broker.console.frame import framed
from broker.console.policy_form import BadPolicyError, PolicyInput, StepInput, input_of, policy_of, read_policy
from broker.console.problems import NotHereError
from broker.console.render import language_of
from broker.console.security import Visitor, form_visitor, page_visitor
from broker.stores.policies import SITE_FILE
from broker.stores.policy_models import CHANNELS, KINDS, LANGUAGES, ROLES, STEPS_MAX, Policy
from broker.stores.registry import Recipient

router = APIRouter()

Composed = Annotated[Console, Depends(console_of)]
Seen = Annotated[Visitor, Depends(page_visitor)]
Sent = Annotated[Visitor, Depends(form_visitor)]

POLICIES = "/markets/{market}/policies"
FORGET = "forget"
BLANK_STEPS = 2
SAID = frozenset({"save", FORGET})


@dataclass(frozen=True, slots=True)
class StepView:
    """A step and how many people it reaches."""

    after_s: int
    roles: tuple[str, ...]
    channels: tuple[str, ...]
    people_count: int


@dataclass(frozen=True, slots=True)
class PolicyView:
    """One kind's policy as the table shows it; `reaches` is false where steps are there and tell nobody."""

    kind: str
    policy: Policy
    steps: tuple[StepView, ...]
    reaches: bool


@router.get(POLICIES)
def get_policies(market: str, request: Request, visitor: Seen, console: Composed) -> Response:
    """What counts for each kind of incident."""
    listing = console.directory.market(market)
    saved, people = console.policies.of(market), _people(console, market)
    said = request.query_params.get("said", "")
    context = {
        "market": listing.market,
        "page": "policies",
        "rows": [_view(kind, saved.table.of(kind), people) for kind in KINDS],
        "saved": saved,
        "by_file": saved.saved_by == SITE_FILE,
        "people_count": len(people),
        "said": said if said in SAID else "",
    }
    return framed(request, "policies.html", context, visitor)


@router.post(f"{POLICIES}/{FORGET}")
async def post_forget(market: str, visitor: Sent, console: Composed) -> Response:
    """Let the default count again."""
    await asyncio.to_thread(console.directory.market, market)
    if await asyncio.to_thread(console.policies.forget, market):
        await asyncio.to_thread(console.audit.write, visitor.user.name, "policy.forget", market)
    return RedirectResponse(f"/markets/{quote(market)}/policies?said={FORGET}", 303)


@router.get(POLICIES + "/{kind}")
def get_policy(market: str, kind: str, request: Request, visitor: Seen, console: Composed) -> Response:
    """The form of one kind; viewers see it and cannot send it."""
    return _form_page(request, market, kind, visitor, console)


@router.post(POLICIES + "/{kind}")
async def post_policy(market: str, kind: str, request: Request, visitor: Sent, console: Composed) -> Response:
    """Save one kind's policy; what is wrong is said above the form, with what was typed still in it."""
    await asyncio.to_thread(console.directory.market, market)
    _check_kind(kind)
    typed = read_policy(await request.form())
    people = await asyncio.to_thread(_people, console, market)
    try:
        policy = policy_of(kind, typed, {one.role for one in people})
    except BadPolicyError as error:
        return await asyncio.to_thread(
            _form_page, request, market, kind, visitor, console, typed=typed, error=error.sentence(language_of(request))
        )
    before = (await asyncio.to_thread(console.policies.of, market)).table.of(kind)
    await asyncio.to_thread(console.policies.save, market, kind, policy, visitor.user.name)
    words = " → ".join(one.model_dump_json(exclude_defaults=True) for one in (before, policy))
    await asyncio.to_thread(console.audit.write, visitor.user.name, "policy.save", f"{market}/{kind}", words)
    return RedirectResponse(f"/markets/{quote(market)}/policies?said=save#{quote(kind)}", 303)


def _form_page(
    request: Request,
    market: str,
    kind: str,
    visitor: Visitor,
    console: Console,
    *,
    typed: PolicyInput | None = None,
    error: str = "",
) -> Response:
    listing = console.directory.market(market)
    _check_kind(kind)
    shown = typed or input_of(console.policies.of(market).table.of(kind))
    blanks = (StepInput(),) * max(0, min(BLANK_STEPS, STEPS_MAX - len(shown.steps)))
    context = {
        "market": listing.market,
        "page": "policies",
        "kind": kind,
        "typed": shown,
        "steps": (*shown.steps, *blanks),
        "error": error,
        "may_write": visitor.may_write,
        "roles": ROLES,
        "channels": CHANNELS,
        "languages": LANGUAGES,
        "people_count": len(_people(console, market)),
    }
    return framed(request, "policy.html", context, visitor, status=422 if error else 200)


def _people(console: Console, market: str) -> tuple[Recipient, ...]:
    return tuple(one.recipient for one in console.rosters.of(market).people)


def _view(kind: str, policy: Policy, people: Sequence[Recipient]) -> PolicyView:
    steps = tuple(
        StepView(one.after_s, one.roles, one.channels, sum(person.role in one.roles for person in people))
        for one in policy.steps
    )
    return PolicyView(kind, policy, steps, policy.reaches({one.role for one in people}))


def _check_kind(kind: str) -> None:
    if kind not in KINDS:
        raise NotHereError("policy_kind", kind=kind)
