"""Errors in one shape: `{"error": sentence, "field"?}` for the API, a page with the sentence for people."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException as StarletteHTTPException

from broker.console.assets import AssetsFullError
from broker.console.directory import UnknownMarketError
from broker.console.hub import TooManyListenersError
from broker.console.intake import BadNoticeError
from broker.console.push import TooMuchSignageError
from broker.console.security import ForbiddenError, NotSignedInError, SignInNeededError
from broker.console.views import ErrorView
from runtime.errors import RetryableError

ErrorPage = Callable[[Request, int, str], Awaitable[Response]]

ERRORS: dict[int | str, dict[str, Any]] = {  # FastAPI's own type for `responses`
    status: {"model": ErrorView} for status in (401, 403, 404, 422, 503)
}

_STATUS: Mapping[type[Exception], int] = {
    UnknownMarketError: 404,
    LookupError: 404,
    ForbiddenError: 403,
    TooMuchSignageError: 409,
    AssetsFullError: 507,
    BadNoticeError: 422,
    RetryableError: 503,
    DBAPIError: 503,
    TooManyListenersError: 503,
}


def sentence_of(error: Exception) -> str:
    """What to tell a person."""
    if isinstance(error, UnknownMarketError):
        return f"there is no market {str(error)!r}: see /api/v1/markets"
    if isinstance(error, DBAPIError):
        return "the central state does not answer: try again in a moment"
    return str(error.args[0]) if error.args else type(error).__name__


def install(app: FastAPI, page: ErrorPage) -> None:
    """Answer every error in its shape; `page` makes the page for people."""
    app.state.error_page = page
    for kind in _STATUS:
        app.add_exception_handler(kind, _known)
    for kind in (HTTPException, StarletteHTTPException):
        app.add_exception_handler(kind, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(NotSignedInError, _not_signed_in)
    app.add_exception_handler(SignInNeededError, _sign_in_needed)


async def _answer(request: Request, status: int, sentence: str, field: str | None = None) -> Response:
    if _wants_page(request):
        page: ErrorPage = request.app.state.error_page
        return await page(request, status, sentence)
    content = ErrorView(error=sentence, field=field).model_dump(exclude_none=True)
    headers = {"www-authenticate": "Bearer"} if status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(content, status, headers)


async def _known(request: Request, error: Exception) -> Response:
    status = next(status for kind, status in _STATUS.items() if isinstance(error, kind))
    return await _answer(request, status, sentence_of(error), getattr(error, "field", None))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException | StarletteHTTPException)  # noqa: S101 — registered for these
    return await _answer(request, error.status_code, str(error.detail))


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 — registered for this
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in {"query", "path", "body"})
    message = str(first["msg"]).removeprefix("Value error, ")
    return await _answer(request, 422, f"{field or 'body'}: {message}", field or None)


async def _not_signed_in(request: Request, error: Exception) -> Response:
    return await _answer(request, 401, str(error))


async def _sign_in_needed(request: Request, _error: Exception) -> Response:
    way = "/sign-in" if request.method != "GET" else f"/sign-in?next={quote(request.url.path)}"
    if "hx-request" in request.headers or "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401, headers={"hx-redirect": way})
    return RedirectResponse(way, 303)


def _wants_page(request: Request) -> bool:
    machine = request.url.path.startswith(("/api/", "/assets/", "/healthz", "/metrics", "/openapi"))
    return not machine and "text/html" in request.headers.get("accept", "")
