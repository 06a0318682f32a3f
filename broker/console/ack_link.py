"""The page behind an acknowledge link: opened on a phone, without an account. Only pressing its button acknowledges."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from broker.console.composition import Console, console_of
from broker.console.link_tries import WINDOW_S, address_of
from broker.console.render import Words, environment, words_of
from broker.console.texts import LANGUAGES, age_text
from broker.stores.acknowledge_tokens import Invitation
from broker.stores.incident_models import LATE, Incident
from broker.stores.incidents import Via
from broker.stores.message_models import RANK

log = structlog.get_logger(__name__)

router = APIRouter()

Composed = Annotated[Console, Depends(console_of)]

HEADERS = {
    "referrer-policy": "no-referrer",  # the address is the secret
    "cache-control": "no-store",
    "x-robots-tag": "noindex, nofollow, noarchive",
}
PICTURES = ("now", "first")  # the newest moment first
TOLD_SHOWN = 12
NO_ZONE = "none"
MS_PER_S = 1000
LINK: Via = "link"


@dataclass(frozen=True, slots=True)
class _Told:
    """Somebody who is told, and how far the message to them is that got farthest."""

    name: str
    state: str


@router.get("/a/{token}")
def get_link(token: str, request: Request, console: Composed) -> Response:
    """Show what burns where. Looking acknowledges nothing: messengers fetch every link for a preview."""
    return _admitted(request, console, token, lambda invitation: _shown(console, invitation, token))


@router.post("/a/{token}")
def post_link(token: str, request: Request, console: Composed) -> Response:
    """Acknowledge. The address is the proof, so no session and no form token is asked for."""
    return _admitted(request, console, token, lambda invitation: _acknowledged(console, invitation))


@router.get("/a/{token}/picture")
def get_picture(token: str, request: Request, console: Composed) -> Response:
    """The incident's picture, for as long as its link counts."""
    return _admitted(request, console, token, lambda invitation: _picture(console, invitation))


def _admitted(request: Request, console: Console, token: str, then: Callable[[Invitation], Response]) -> Response:
    """Answer `then` if the link counts. Every other link gets one and the same page, and too many of them none."""
    address = address_of(request)
    wait_s = console.link_tries.wait_s(address)
    if wait_s > 0:
        console.counters.link_tries_refused_total += 1
        return _too_many(console, wait_s)
    invitation = console.acknowledge_tokens.find(token)
    if invitation is not None:
        return then(invitation)
    has_to_wait = console.link_tries.failed(address)
    console.counters.link_tries_failed_total += 1
    detail = f"{request.method}, waits from now on" if has_to_wait else request.method
    console.audit.write(address, "acknowledge.refused", LINK, detail)
    log.warning("link.refused", address=address, method=request.method, waits=has_to_wait)
    return _page(console, "invalid", status=HTTPStatus.NOT_FOUND)


def _shown(console: Console, invitation: Invitation, token: str) -> Response:
    incident = console.incidents.get(invitation.incident_id)
    log.info("link.opened", code=incident.code, market=incident.market)
    notes = {one.moment: one for one in console.stills.of_incident(incident.incident_id)}
    still = next((notes[moment] for moment in PICTURES if moment in notes), None)
    context = {"who": invitation.recipient_name, "token": token, "still": still, **_about(console, incident)}
    return _page(console, "asked", context)


def _acknowledged(console: Console, invitation: Invitation) -> Response:
    """Acknowledge first, use the link up after it.

    If the database goes away in between, the link still opens, and says that the incident is acknowledged.
    """
    who = invitation.recipient_name
    done = console.incidents.acknowledge(invitation.incident_id, who, LINK)
    console.acknowledge_tokens.use_up(invitation)
    incident = done.incident
    action = "incident.acknowledge" if done.is_first else "acknowledge.already"
    console.audit.write(who, action, f"{incident.market}/{incident.code}", LINK)
    context = {"who": who, "is_first": done.is_first, **_about(console, incident)}
    return _page(console, "done", context)


def _picture(console: Console, invitation: Invitation) -> Response:
    for moment in PICTURES:
        still = console.stills.get(invitation.incident_id, moment)
        if still is not None:
            return Response(still.jpeg, media_type="image/jpeg", headers=HEADERS)
    return _page(console, "invalid", status=HTTPStatus.NOT_FOUND)


def _about(console: Console, incident: Incident) -> Mapping[str, object]:
    listing = console.directory.market(incident.market)
    told = _told(console, incident)
    return {
        "one": incident,
        "is_late": incident.detail == LATE,
        "market": listing.market,
        "zone_id": "" if incident.zone == NO_ZONE else incident.zone,
        "zone": listing.zone_name(incident.zone),
        "told": told[:TOLD_SHOWN],
        "told_more": max(0, len(told) - TOLD_SHOWN),
    }


def _told(console: Console, incident: Incident) -> Sequence[_Told]:
    """Whom the incident's messages are for, each once, in the order in which they are due; what is cancelled is not."""
    farthest: dict[str, str] = {}
    for message in console.messages.of_incident(incident.incident_id):
        if message.state == "cancelled":
            continue
        before = farthest.get(message.recipient_name)
        if before is None or RANK[message.state] > RANK[before]:
            farthest[message.recipient_name] = message.state
    return tuple(_Told(name, state) for name, state in farthest.items())


def _too_many(console: Console, wait_s: float) -> Response:
    seconds = min(int(wait_s) + 1, int(WINDOW_S))
    response = _page(console, "wait", {"wait_s": seconds}, status=HTTPStatus.TOO_MANY_REQUESTS)
    response.headers["retry-after"] = str(seconds)
    return response


def _page(
    console: Console, what: str, context: Mapping[str, object] | None = None, *, status: int = HTTPStatus.OK
) -> Response:
    """The page in both languages, Korean first: whoever gets the text may read either."""
    spoken = [words_of(console, language) for language in LANGUAGES]

    def both(say: Callable[[Words], str]) -> Markup:
        return Markup(" ").join(Markup('<span lang="{}">{}</span>').format(one.language, say(one)) for one in spoken)

    html = environment.get_template("ack_link.html").render(
        what=what,
        w=spoken[0],
        t=lambda key, **values: both(lambda words: words.t(key, **values)),
        named=lambda thing: both(lambda words: words.name(thing)),
        fault=lambda kind: both(lambda words: words.fault(kind)),
        ago=lambda unix_ms: both(lambda words: age_text(words.t, max(0.0, (words.now_unix_ms - unix_ms) / MS_PER_S))),
        **(context or {}),
    )
    return HTMLResponse(html, status, headers=HEADERS)
