"""What every request passes: the answer's headers, the allowed hosts, the bound on a body."""

import json
from urllib.parse import urlsplit

from fastapi import HTTPException
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES_MAX = 8_000_000
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; font-src 'self';"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}
STREAM_PATHS = frozenset({"/live", "/api/v1/stream"})
VIEW_SUFFIX = "/view"  # of a camera's live view
JSON_TYPE = (b"content-type", b"application/json")
STRICT_TRANSPORT = "max-age=31536000"


class SecurityHeaders:
    """ASGI middleware: every answer carries the headers; what is not an asset is not kept by caches."""

    def __init__(self, app: ASGIApp, *, is_https: bool, allowed_hosts: tuple[str, ...]) -> None:
        self._app = app
        self._headers = {**HEADERS, **({"strict-transport-security": STRICT_TRANSPORT} if is_https else {})}
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        if self._allowed_hosts and not self._is_allowed(scope):
            await with_headers({"type": "http.response.start", "status": 400, "headers": [JSON_TYPE]})
            body = json.dumps({"error": "this host name is not served here: see allowed_hosts", "field": "Host"})
            await send({"type": "http.response.body", "body": body.encode()})
            return
        await self._app(scope, receive, with_headers)

    def _is_allowed(self, scope: Scope) -> bool:
        host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
        name = urlsplit(f"//{host}").hostname or ""
        return host.lower() in self._allowed_hosts or name in self._allowed_hosts


class Lenient:
    """ASGI middleware: a trailing slash is no other address, and HEAD is answered as GET without its body.

    A redirect would name the address by what this process sees of it, which behind a proxy is not what a browser sees.
    A stream has no end, so HEAD is not for it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"].rstrip("/") or "/"
        is_head = scope["method"] == "HEAD" and path not in STREAM_PATHS and not path.endswith(VIEW_SUFFIX)

        async def bodiless(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        asked = {**scope, "path": path, "method": "GET" if is_head else scope["method"]}
        await self._app(asked, receive, bodiless if is_head else send)


class BodyLimit:
    """ASGI middleware: a body over `BODY_BYTES_MAX` is refused while it arrives, and no more of it is read."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_BYTES_MAX:
                raise HTTPException(413)
            return message

        await self._app(scope, counted, send)
