"""Taking in a notice: from what a form or an API call handed over to a stored, pushed and audited notice."""

import asyncio
import base64
import binascii
from typing import Annotated

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator
from pydantic_core import PydanticCustomError
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import FormData, UploadFile

from broker.console.composition import Console
from broker.console.hub import Change
from broker.console.manifest import NOTICES_PER_MARKET_MAX
from broker.console.pictures import BadPictureError, inspect_picture
from broker.console.problems import ExplainedError
from broker.console.push import TooMuchSignageError
from broker.console.views import NoticeView, PushedView
from broker.stores.database import as_retryable
from broker.stores.notices import Asset, Draft, Notice
from contract.payload import UnixMs

MS_PER_S = 1000
CONTROL_END = 0x20


class NoticeInput(BaseModel):
    """A notice: `picture` is a PNG, JPEG or WebP file in base64 (JSON) or the file itself (multipart form).

    It shows from `from_unix_ms` (now) until `until_unix_ms`, or for `duration_s`, or until it is withdrawn.
    """

    model_config = ConfigDict(extra="forbid")

    title: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=80)]
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] = ""
    picture: Annotated[str | None, Field(description="base64")] = None
    from_unix_ms: UnixMs | None = None
    until_unix_ms: UnixMs | None = None
    duration_s: Annotated[int | None, Field(ge=1, le=366 * 86400)] = None

    @field_validator("title", "text")
    @classmethod
    def _has_no_control_characters(cls, value: str) -> str:
        """A screen cannot show them, and PostgreSQL cannot hold NUL. Forms send line ends as CR LF."""
        lines = value.replace("\r\n", "\n")
        if any(ord(one) < CONTROL_END and one not in "\n\t" for one in lines):
            raise PydanticCustomError("control_characters", "holds control characters")
        return lines


class BadNoticeError(ExplainedError, ValueError):
    """A notice that cannot be taken; `field` names the input."""

    def __init__(self, key: str, field: str, **values: object) -> None:
        super().__init__(key, **values)
        self.field = field


async def read_notice(request: Request) -> tuple[NoticeInput, bytes | None]:
    """The notice and its picture's bytes, from JSON or a multipart form.

    Raises:
        RequestValidationError: a field is missing or wrong.
        BadNoticeError: the picture is not base64, or the body is neither.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        async with request.form() as form:
            return await _from_form(form)
    if kind != "application/json":
        raise BadNoticeError("notice_kind", "Content-Type")
    try:
        wanted = NoticeInput.model_validate_json(await request.body())
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error
    return wanted, None if wanted.picture is None else _from_base64(wanted.picture)


async def take_notice(
    console: Console, market: str, wanted: NoticeInput, picture: bytes | None, who: str
) -> PushedView:
    """Store the notice, push it to every device with screens, write it down.

    Raises:
        BadNoticeError: the picture or the times cannot be.
        TooMuchSignageError: the market has too many notices; nothing was stored.
        broker.console.assets.AssetsFullError: the picture found no room; nothing was stored.
        broker.stores.database.StoreUnavailableError: try again.
    """
    notice = await asyncio.to_thread(_store, console, market, wanted, picture, who)
    try:
        issued = await console.push.push(market)
    except TooMuchSignageError:
        await asyncio.to_thread(console.notices.remove, notice.notice_id)
        raise
    await asyncio.to_thread(console.audit.write, who, "notice.push", f"{market}/{notice.notice_id}", notice.title)
    console.counters.notices_total += 1
    console.hub.tell(Change("notices", market, {"market": market, "notice_id": notice.notice_id}))
    generations = {one.identity.device: one.generation for one in issued}
    return PushedView(notice_id=notice.notice_id, generations=generations, waiting=console.push.waiting(issued))


async def withdraw_notice(console: Console, notice: Notice, who: str) -> PushedView:
    """Take a notice off every screen."""
    await asyncio.to_thread(console.notices.withdraw, notice.notice_id)
    issued = await console.push.push(notice.market)
    subject = f"{notice.market}/{notice.notice_id}"
    await asyncio.to_thread(console.audit.write, who, "notice.withdraw", subject, notice.title)
    console.hub.tell(Change("notices", notice.market, {"market": notice.market, "notice_id": notice.notice_id}))
    generations = {one.identity.device: one.generation for one in issued}
    return PushedView(notice_id=notice.notice_id, generations=generations, waiting=console.push.waiting(issued))


def notice_view(notice: Notice, now_unix_ms: int) -> NoticeView:
    """A notice as the API says it."""
    sha256 = None if notice.picture is None else notice.picture.sha256
    return NoticeView(
        id=notice.notice_id,
        market=notice.market,
        title=notice.title,
        text=notice.text,
        picture_sha256=sha256,
        picture_url=None if sha256 is None else f"/assets/{sha256}",
        phase=notice.phase(now_unix_ms),
        from_unix_ms=notice.from_unix_ms,
        until_unix_ms=notice.until_unix_ms,
        created_unix_ms=notice.created_unix_ms,
        created_by=notice.created_by,
        withdrawn_unix_ms=notice.withdrawn_unix_ms,
    )


def _store(console: Console, market: str, wanted: NoticeInput, picture: bytes | None, who: str) -> Notice:
    console.directory.market(market)
    now = console.clock.unix_ms()
    start = now if wanted.from_unix_ms is None else wanted.from_unix_ms
    end = wanted.until_unix_ms if wanted.duration_s is None else start + wanted.duration_s * MS_PER_S
    if end is not None and end <= max(start, now):
        raise BadNoticeError("notice_over", "until_unix_ms")
    try:
        if console.notices.count_current(market) >= NOTICES_PER_MARKET_MAX:
            raise TooMuchSignageError("notices_full", n=NOTICES_PER_MARKET_MAX)
        sha256 = None if picture is None else _keep(console, picture)
        return console.notices.add(market, Draft(wanted.title, wanted.text, sha256, start, end, who))
    except DBAPIError as error:
        raise as_retryable(error) from error


def _keep(console: Console, picture: bytes) -> str:
    try:
        seen = inspect_picture(picture)
    except BadPictureError as error:
        raise BadNoticeError(error.key, "picture", **error.values) from error
    sha256 = console.files.keep(picture, console.notices.pictures_in_use())
    console.notices.keep_asset(Asset(sha256, seen.media_type, len(picture)))
    return sha256


async def _from_form(form: FormData) -> tuple[NoticeInput, bytes | None]:
    file = form.get("picture")
    picture = await file.read() if isinstance(file, UploadFile) else None
    names = set(NoticeInput.model_fields) - {"picture"}
    values = {name: value for name, value in form.items() if name in names and isinstance(value, str) and value}
    if isinstance(file, str) and file:
        raise BadNoticeError("picture_not_file", "picture")
    try:
        return NoticeInput.model_validate(values), picture or None
    except ValidationError as error:
        raise RequestValidationError(error.errors(include_url=False)) from error


def _from_base64(text: str) -> bytes:
    head, comma, rest = text.partition(",")
    body = rest if comma and head.startswith("data:") else text
    try:
        return base64.b64decode("".join(body.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNoticeError("picture_base64", "picture") from error
