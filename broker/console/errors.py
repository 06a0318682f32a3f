"""Errors in one shape: `{"error": sentence, "field"?}` for programs, a page with the sentence for people.

Programs (`/api`, `/assets`, …) get English. A page, and what a page's script asks for, gets the page's language.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException as StarletteHTTPException

from broker.console.assets import AssetsFullError
from broker.console.dry_runs import BusyError
from broker.console.hub import TooManyListenersError
from broker.console.intake import BadNoticeError
from broker.console.middleware import BODY_BYTES_MAX, HEADERS
from broker.console.problems import PROBLEMS, ExplainedError, field_label, problem_text
from broker.console.push import TooMuchSignageError
from broker.console.render import language_of
from broker.console.security import ForbiddenError, NotSignedInError, SignInNeededError
from broker.console.texts import Language
from broker.console.viewing import TooManyViewersError
from broker.console.views import ErrorView
from broker.stores.acknowledge_tokens import LINK_PATH
from broker.stores.database import StoreUnavailableError
from broker.stores.incidents import UnknownIncidentError
from runtime.errors import RetryableError
from transport.ports import NotConnectedError, PublishTimeoutError

log = structlog.get_logger(__name__)

ErrorPage = Callable[[Request, int, str], Awaitable[Response]]

ERRORS: dict[int | str, dict[str, Any]] = {  # FastAPI's own type for `responses`
    status: {"model": ErrorView} for status in (401, 403, 404, 422, 503)
}
SECRET_PATHS = (LINK_PATH, "/sign-in/link/")
MACHINE_PATHS = ("/api/", "/assets/", "/healthz", "/metrics", "/openapi")

_STATUS: Mapping[type[Exception], int] = {
    NotSignedInError: 401,
    ForbiddenError: 403,
    LookupError: 404,
    TooMuchSignageError: 409,
    BusyError: 409,
    RequestValidationError: 422,
    BadNoticeError: 422,
    RetryableError: 503,
    DBAPIError: 503,
    TooManyListenersError: 503,
    TooManyViewersError: 503,
    AssetsFullError: 507,
}
_PASSING: Mapping[type[Exception], str] = {
    StoreUnavailableError: "store",
    DBAPIError: "store",
    NotConnectedError: "broker_lost",
    PublishTimeoutError: "broker_slow",
    RetryableError: "later",
}
_INPUT: Mapping[str, tuple[str, str]] = {  # pydantic's error type: our sentence, and what of its context is {n}
    "missing": ("input.missing", ""),
    "string_too_short": ("input.missing", ""),
    "string_too_long": ("input.too_long", "max_length"),
    "greater_than_equal": ("input.at_least", "ge"),
    "less_than_equal": ("input.at_most", "le"),
    "int_parsing": ("input.whole", ""),
    "int_parsing_size": ("input.whole", ""),
    "int_type": ("input.whole", ""),
    "int_from_float": ("input.whole", ""),
    "string_type": ("input.text", ""),
    "control_characters": ("input.control", ""),
    "extra_forbidden": ("input.unknown", ""),
    "json_invalid": ("input.json", ""),
    "model_type": ("input.object", ""),
    "model_attributes_type": ("input.object", ""),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What an error comes to: its HTTP status, its sentence in one language, and the input that is wrong, if one is."""

    status: int
    sentence: str
    field: str | None = None


def answer_to(error: Exception, language: Language, *, labelled: bool = False) -> Answer:
    """What to answer to an error; `labelled` calls inputs as a page's labels do, not by their names."""
    if isinstance(error, HTTPException | StarletteHTTPException):
        key = f"http.{error.status_code}"
        key = key if key in PROBLEMS else "http.other"
        limit_mb = BODY_BYTES_MAX // 1_000_000
        return Answer(error.status_code, problem_text(language, key, status=error.status_code, limit_mb=limit_mb))
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error, RequestValidationError):
        return _answer_to_input(error, language, labelled=labelled)
    if isinstance(error, ExplainedError):
        return Answer(status, error.sentence(language), getattr(error, "field", None))
    if isinstance(error, UnknownIncidentError):
        return Answer(status, problem_text(language, "incident", n=error.incident_id))
    key = next((key for kind, key in _PASSING.items() if isinstance(error, kind)), "")
    key = key or ("http.404" if isinstance(error, LookupError) else "unexpected")
    return Answer(status, problem_text(language, key))


def _answer_to_input(error: RequestValidationError, language: Language, *, labelled: bool) -> Answer:
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"] if part not in {"query", "path", "body"})
    key, limit = _INPUT.get(first["type"], ("input.other", ""))
    context = first.get("ctx", {})
    message = str(context.get("error", first["msg"]) if key == "input.json" else first["msg"])
    name = field_label(language, field) if labelled else field or "body"
    sentence = problem_text(language, key, field=name, n=context.get(limit), message=message)
    return Answer(422, sentence, None if key == "input.json" else field or None)


def install(app: FastAPI, page: ErrorPage) -> None:
    """Answer every error in its shape; `page` makes the page for people."""
    app.state.error_page = page
    for kind in (*_STATUS, HTTPException, StarletteHTTPException):
        app.add_exception_handler(kind, _known)
    app.add_exception_handler(SignInNeededError, _sign_in_needed)
    app.add_exception_handler(Exception, _unexpected)


async def _known(request: Request, error: Exception) -> Response:
    response = await _respond(request, error)
    response.headers.update(getattr(error, "headers", None) or {})
    return response


async def _unexpected(request: Request, error: Exception) -> Response:
    """The last resort runs outside of every middleware, so it adds the headers itself."""
    log.error("console.unexpected", method=request.method, path=_loggable(request.url.path), exc_info=error)
    response = await _respond(request, error)
    response.headers.update({**HEADERS, "cache-control": "no-store"})
    return response


def _loggable(path: str) -> str:
    """The path without what is secret in it: whoever reads the log must not be able to use a link."""
    start = next((one for one in SECRET_PATHS if path.startswith(one)), None)
    return path if start is None else f"{start}…"


async def _respond(request: Request, error: Exception) -> Response:
    is_machine = request.url.path.startswith(MACHINE_PATHS)
    answer = answer_to(error, "en" if is_machine else language_of(request), labelled=not is_machine)
    if not is_machine and "text/html" in request.headers.get("accept", "") and "hx-request" not in request.headers:
        page: ErrorPage = request.app.state.error_page
        return await page(request, answer.status, answer.sentence)
    content = ErrorView(error=answer.sentence, field=answer.field).model_dump(exclude_none=True)
    headers = {"www-authenticate": "Bearer"} if answer.status == HTTPStatus.UNAUTHORIZED else {}
    return JSONResponse(content, answer.status, headers)


async def _sign_in_needed(request: Request, _error: Exception) -> Response:
    way = "/sign-in" if request.method != "GET" else f"/sign-in?next={quote(request.url.path)}"
    if "hx-request" in request.headers or "text/event-stream" in request.headers.get("accept", ""):
        return Response(status_code=401, headers={"hx-redirect": way})
    return RedirectResponse(way, 303)
