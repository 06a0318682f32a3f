"""Who may ask: tokens, sessions and form tokens."""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import FormData

from broker.console.composition import Console, console_of
from broker.console.problems import ExplainedError
from broker.stores.users import API_TOKEN, SESSION, User

SESSION_COOKIE = "jangteo_session"
LANGUAGE_COOKIE = "jangteo_language"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
LOOPBACK = frozenset({"127.0.0.1", "::1"})
PROXY_HEADERS = ("x-forwarded-for", "forwarded", "x-real-ip")


class NotSignedInError(ExplainedError):
    """An API call without a token or session that counts; the sentence says what to send."""


class SignInNeededError(Exception):
    """A page asked for without a session: to be answered with the way to the sign-in page."""


class ForbiddenError(ExplainedError):
    """Signed in, and still not allowed; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking, and the form token of their session (empty for API tokens)."""

    user: User
    form_token: str = ""

    @property
    def may_write(self) -> bool:
        """Managers change things, viewers look."""
        return self.user.role == "manager"


def form_token(session: str) -> str:
    """The token that this session's forms carry; another site can neither read nor guess it."""
    return hmac.new(session.encode(), b"jangteo form", hashlib.sha256).hexdigest()


_bearer = HTTPBearer(auto_error=False, description="The token in <data>/admin.token.")
Bearer = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
Composed = Annotated[Console, Depends(console_of)]


def api_visitor(request: Request, bearer: Bearer, console: Composed) -> Visitor:
    """Who calls the API: a token, or for reading also a page's session.

    Raises:
        NotSignedInError: neither.
        ForbiddenError: a viewer changes something.
    """
    visitor = None
    if bearer is not None:
        user = console.users.by_secret(API_TOKEN, bearer.credentials)
        visitor = None if user is None else Visitor(user)
    elif request.method in SAFE_METHODS:
        visitor = session_visitor(request, console)
    if visitor is None:
        console.counters.refused_tokens_total += 1
        raise NotSignedInError("token")
    _check_role(request, visitor)
    return visitor


def page_visitor(request: Request, console: Composed) -> Visitor:
    """Who looks at a page.

    Raises:
        SignInNeededError: nobody is signed in.
    """
    visitor = session_visitor(request, console)
    if visitor is None:
        raise SignInNeededError
    return visitor


async def form_visitor(request: Request, visitor: Annotated[Visitor, Depends(page_visitor)]) -> AsyncIterator[Visitor]:
    """Who sends a page's form: a session whose own form token came with it.

    Raises:
        ForbiddenError: the form does not come from a page of ours, or a viewer sends it.
    """
    form = await request.form()
    async with AsyncExitStack() as after:
        after.push_async_callback(form.close)  # the files in it, once the answer is made
        _check_form(request, form, visitor)
        yield visitor


def _check_form(request: Request, form: FormData, visitor: Visitor) -> None:
    sent = form.get("form_token")
    if not isinstance(sent, str) or not hmac.compare_digest(sent.encode(), visitor.form_token.encode()):
        raise ForbiddenError("form_expired")
    check_same_site(request)
    _check_role(request, visitor)


def session_visitor(request: Request, console: Console) -> Visitor | None:
    """The visitor whose session cookie came with the request."""
    session = request.cookies.get(SESSION_COOKIE)
    if not session:
        return None
    user = console.users.by_secret(SESSION, session)
    return None if user is None else Visitor(user, form_token(session))


def check_same_site(request: Request) -> None:
    """Refuse a form that another site's page sends; browsers say where a form comes from.

    Raises:
        ForbiddenError: it does.
    """
    site = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    foreign = site is not None and site not in {"same-origin", "none"}
    if origin is not None and origin != "null":
        foreign |= urlsplit(origin).netloc != request.headers.get("host", "")
    if foreign:
        raise ForbiddenError("foreign_form")


def is_local(request: Request) -> bool:
    """Whether the request comes from this machine and not through a proxy on it."""
    host = request.client.host if request.client is not None else ""
    return host in LOOPBACK and not any(name in request.headers for name in PROXY_HEADERS)


def _check_role(request: Request, visitor: Visitor) -> None:
    if request.method not in SAFE_METHODS and not visitor.may_write:
        raise ForbiddenError("viewer", who=visitor.user.name)
