"""Rendering: templates with the texts of one language, and the words that templates need for values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy.exc import DBAPIError

from broker.console.composition import Console, console_of
from broker.console.security import LANGUAGE_COOKIE, Visitor, session_visitor
from broker.console.texts import LANGUAGES, Language, age_text, fault_text, translator
from contract.telemetry import Reason

TEMPLATES = Path(__file__).parent / "templates"
MS_PER_S = 1000
MS_PER_DAY = 86_400_000
YEAR_S = 365 * 86400
REASONS = frozenset(one.value for one in Reason)
DASH = "\N{EN DASH}"  # where a number is not known

environment = Environment(
    loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


@dataclass(frozen=True, slots=True)
class Words:
    """What templates say in one language at one time. With `still` ages have no text: the browser writes them."""

    language: Language
    now_unix_ms: int
    utc_offset_minutes: int
    still: bool = False

    @property
    def t(self) -> Callable[..., str]:
        """The texts."""
        return translator(self.language)

    def name(self, named: object) -> str:
        """A market's, zone's or lot's name."""
        return str(getattr(named, f"name_{self.language}"))

    def age(self, unix_ms: int | None) -> Markup:
        """An age that goes on in the browser."""
        if unix_ms is None:
            return Markup('<span class="age">{}</span>').format(self.t("never"))
        age_s = max(0.0, (self.now_unix_ms - unix_ms) / MS_PER_S)
        text = "" if self.still else age_text(self.t, age_s)
        return Markup('<span class="age" data-at="{}">{}</span>').format(unix_ms, text)

    def time(self, unix_ms: int) -> str:
        """Local time of day; with the date when it is another day."""
        zone = timezone(timedelta(minutes=self.utc_offset_minutes))
        then = datetime.fromtimestamp(unix_ms / MS_PER_S, UTC).astimezone(zone)
        today = datetime.fromtimestamp(self.now_unix_ms / MS_PER_S, UTC).astimezone(zone).date()
        return then.strftime("%H:%M:%S" if then.date() == today else "%Y-%m-%d %H:%M")

    def fault(self, kind: str) -> str:
        """A fault's kind in words."""
        return fault_text(self.t, kind)

    def why(self, detail: str) -> str:
        """An incident's detail: a reason in words where it begins with one."""
        head, colon, rest = detail.partition(": ")
        return self.t(f"reason.{head}") + colon + rest if head in REASONS else detail

    def number(self, value: float | None) -> str:
        """A count with thousands separated; a dash where it is not known."""
        return DASH if value is None else f"{value:,.0f}"

    def per_cent(self, share: float | None) -> str:
        """A share as per cent."""
        return DASH if share is None else f"{share * 100:.0f} %"

    def bytes(self, value: int | None) -> str:
        """Bytes as MB."""
        return DASH if value is None else f"{value / 1_000_000:.0f} MB"

    def span(self, seconds: float | None) -> str:
        """A length of time as hours and minutes."""
        if seconds is None:
            return DASH
        hours, rest = divmod(int(seconds), 3600)
        return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min"


def language_of(request: Request) -> Language:
    """`?lang=`, else the cookie, else Korean."""
    wanted = request.query_params.get("lang") or request.cookies.get(LANGUAGE_COOKIE)
    return next((one for one in LANGUAGES if one == wanted), LANGUAGES[0])


def words_of(console: Console, language: Language, *, still: bool = False) -> Words:
    """The words for now."""
    return Words(language, console.clock.unix_ms(), console.settings.utc_offset_minutes, still)


def fragment(template: str, words: Words, context: Mapping[str, object]) -> str:
    """One piece of a page."""
    return environment.get_template(template).render(w=words, t=words.t, **context)


def page(
    request: Request,
    template: str,
    context: Mapping[str, object],
    *,
    visitor: Visitor | None = None,
    status: int = 200,
) -> Response:
    """A whole page, in the visitor's language; a language chosen by `?lang=` is kept in a cookie."""
    console = console_of(request)
    words = words_of(console, language_of(request))
    frame = {
        "path": request.url.path,
        "language": words.language,
        "visitor": visitor,
        "form_token": "" if visitor is None else visitor.form_token,
        "trial_broker": console.settings.trial_broker,
        "market": None,
        "page": "",
        **context,
    }
    response = HTMLResponse(fragment(template, words, frame), status)
    if request.query_params.get("lang") in LANGUAGES:
        secure = console.settings.is_https
        response.set_cookie(LANGUAGE_COOKIE, words.language, max_age=YEAR_S, samesite="lax", secure=secure)
    return response


def error_visitor(request: Request) -> Visitor | None:
    """Who sees an error page, if anybody is signed in; nobody while the database cannot say."""
    try:
        return session_visitor(request, console_of(request))
    except DBAPIError:
        return None
