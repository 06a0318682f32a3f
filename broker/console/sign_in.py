"""Signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi.responses import RedirectResponse

from broker.console.composition import Console, console_of
from broker.console.render import page
from broker.console.security import SESSION_COOKIE, Visitor, check_same_site, form_visitor
from broker.stores.users import SESSION_LIFE_S, User

router = APIRouter()

Composed = Annotated[Console, Depends(console_of)]
Sent = Annotated[Visitor, Depends(form_visitor)]


@router.get("/sign-in")
def get_sign_in(request: Request, next: str = "/") -> Response:  # noqa: A002 — the query's name
    """The form."""
    return _form(request, next, "")


@router.post("/sign-in")
def post_sign_in(
    request: Request,
    console: Composed,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=500)] = "",
    next: Annotated[str, Form(max_length=500)] = "/",  # noqa: A002 — the form's name
) -> Response:
    """Check name and password; after five failures within a minute one has to wait."""
    check_same_site(request)
    address = request.client.host if request.client is not None else ""
    wait_s = console.attempts.wait_s(name, address)
    if wait_s > 0:
        return _form(request, next, "sign_in.wait", status=429, wait_s=wait_s)
    user = console.users.by_password(name, password)
    if user is None:
        console.attempts.failed(name, address)
        console.counters.sign_ins_failed_total += 1
        console.audit.write(name, "sign-in.failed", address)
        return _form(request, next, "sign_in.wrong", status=401)
    return _signed_in(request, console, user, next)


@router.get("/sign-in/link/{secret}")
def get_link(secret: str, request: Request) -> Response:
    """One button: a link that only needs to be fetched would be used up by whatever previews it."""
    return page(request, "sign_in_link.html", {"secret": secret, **_no_frame()})


@router.post("/sign-in/link/{secret}")
def post_link(secret: str, request: Request, console: Composed) -> Response:
    """Use the link."""
    check_same_site(request)
    user = console.users.use_sign_in_link(secret)
    if user is None:
        console.counters.sign_ins_failed_total += 1
        return _form(request, "/", "sign_in.link_used", status=401)
    return _signed_in(request, console, user, "/")


@router.post("/sign-out")
def post_sign_out(request: Request, visitor: Sent, console: Composed) -> Response:
    """End the session."""
    console.users.end_session(request.cookies.get(SESSION_COOKIE, ""))
    console.audit.write(visitor.user.name, "sign-out", "")
    response = RedirectResponse("/sign-in", 303)
    response.delete_cookie(SESSION_COOKIE)
    return response


def _signed_in(request: Request, console: Console, user: User, way: str) -> Response:
    console.counters.sign_ins_total += 1
    console.audit.write(user.name, "sign-in", request.client.host if request.client is not None else "")
    response = RedirectResponse(_inside(way), 303)
    secret = console.users.new_session(user)
    secure = console.settings.is_https
    response.set_cookie(
        SESSION_COOKIE, secret, max_age=SESSION_LIFE_S, httponly=True, samesite="lax", secure=secure, path="/"
    )
    return response


def _inside(way: str) -> str:
    """A path of this console: a link of another site must not send people on to a page of its own."""
    outside = not way.startswith("/") or way.startswith("//") or "\\" in way or not way.isprintable()
    return "/" if outside else way


def _form(request: Request, way: str, problem: str, *, status: int = 200, wait_s: float = 0.0) -> Response:
    context = {"way": _inside(way), "problem": problem, "wait_s": int(wait_s) + 1, **_no_frame()}
    return page(request, "sign_in.html", context, status=status)


def _no_frame() -> dict[str, object]:
    return {"alarms": (), "link": None, "live": "", "listings": []}
