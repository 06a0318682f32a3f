"""The player: the pages of this device's screens, on loopback, for the browser that runs on this device."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import brand
from edge.signage.board import Board
from edge.signage.screen import Heartbeat
from runtime.errors import FatalError

HOST = "127.0.0.1"
ALLOWED_HOSTS = ("127.0.0.1", "localhost")
STATIC = Path(__file__).parent / "static"
BEAT_EVERY_S = 1.5
HEARTBEAT_BYTES_MAX = 2_000
STOP_WITHIN_S = 1
CONNECTIONS_MAX = 100
HEADERS = {
    b"content-security-policy": b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-resource-policy": b"same-origin",
}

OnHeartbeat = Callable[[str, Heartbeat], None]
FindFile = Callable[[str], Path | None]


class PortInUseError(FatalError):
    """The player's port is taken; the sentence names the key to change."""


def build_app(board: Board, find_file: FindFile, on_heartbeat: OnHeartbeat) -> Starlette:
    """The pages and what they ask for.

    Answers only requests that name this machine (a page elsewhere that has its own name resolve to 127.0.0.1 gets 400),
    takes heartbeats only from its own pages, and serves no file but those of the pool by their hash.
    """
    routes = [
        Route("/screen/{screen}", _page),
        Route("/screen/{screen}/state", _state),
        Route("/screen/{screen}/events", _events),
        Route("/screen/{screen}/heartbeat", _heartbeat, methods=["POST"]),
        Route("/files/{sha256}", _file),
        Mount("/static", StaticFiles(directory=STATIC)),
        Mount("/brand", StaticFiles(directory=brand.STATIC)),
    ]
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(ALLOWED_HOSTS)), Middleware(_SafeHeaders)]
    app = Starlette(routes=routes, middleware=middleware)
    app.state.board = board
    app.state.find_file = find_file
    app.state.on_heartbeat = on_heartbeat
    return app


class PlayerServer:
    """Serves an app on a loopback port until cancelled.

    Raises:
        PortInUseError: from `run`, when the port is taken.
    """

    def __init__(self, app: ASGIApp, port: int, board: Board) -> None:
        self._port = port
        self._board = board
        self._config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            limit_concurrency=CONNECTIONS_MAX,  # one more gets 503
            timeout_graceful_shutdown=STOP_WITHIN_S,
        )

    async def run(self) -> None:
        """Bind and serve; pages' streams have ended and the port is free again when this returns."""
        with _bound(self._port) as listener:
            self._board.open()
            server = _Server(self._config)
            serving = asyncio.create_task(server.serve([listener]))
            try:
                await asyncio.shield(serving)
            finally:
                self._board.close()
                server.should_exit = True
                await serving


class _Server(uvicorn.Server):
    """uvicorn's server without its signal handlers: the agent decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.contextmanager
def _bound(port: int) -> Iterator[socket.socket]:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"player.port {port} on {HOST} cannot be used: {error.strerror}; set a free one"
        ) from error
    with listener:
        yield listener


class _SafeHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS.items()]
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _board(request: Request) -> Board:
    board = request.app.state.board
    if not isinstance(board, Board):
        raise TypeError("the app was built without a board")
    return board


def _screen(request: Request) -> str:
    screen = str(request.path_params["screen"])
    known = _board(request).screens
    if screen not in known:
        raise HTTPException(404, f"this device has no screen {screen!r}; it has: {', '.join(known) or 'none'}")
    return screen


async def _page(request: Request) -> Response:
    _screen(request)
    return FileResponse(STATIC / "player.html", headers={"Cache-Control": "no-store"})


async def _state(request: Request) -> Response:
    state = _board(request).state(_screen(request))
    return JSONResponse(state.model_dump(mode="json"), headers={"Cache-Control": "no-store"})


async def _events(request: Request) -> Response:
    screen = _screen(request)
    stream = _stream(_board(request), screen)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _stream(board: Board, screen: str) -> AsyncIterator[str]:
    """The whole state at every change, and every `BEAT_EVERY_S`, so that a page knows that the agent lives."""
    yield "retry: 1000\n\n"
    while not board.closed:
        yield f"data: {board.state(screen).model_dump_json()}\n\n"
        await board.wait(BEAT_EVERY_S)


async def _heartbeat(request: Request) -> Response:
    screen = _screen(request)
    origin = request.headers.get("origin")
    if origin is not None and origin != f"{request.url.scheme}://{request.headers.get('host', '')}":
        raise HTTPException(403, "heartbeats come from the player's own pages only")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > HEARTBEAT_BYTES_MAX:
            raise HTTPException(413, f"a heartbeat has at most {HEARTBEAT_BYTES_MAX} bytes")
    try:
        heartbeat = Heartbeat.model_validate_json(body)
    except ValidationError as error:
        raise HTTPException(422, f"not a heartbeat: {error.errors(include_url=False)[0]['msg']}") from error
    request.app.state.on_heartbeat(screen, heartbeat)
    return Response(status_code=204)


async def _file(request: Request) -> Response:
    sha256 = str(request.path_params["sha256"])
    path = request.app.state.find_file(sha256)
    if path is None:
        raise HTTPException(404, "the pool has no such file")
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return FileResponse(path, media_type=_picture_type(path), headers=headers)


def _picture_type(path: Path) -> str:
    """By its first bytes: the name of a pool's file is its hash."""
    with path.open("rb") as data:
        head = data.read(12)
    for magic, media_type in _MAGIC.items():
        if head.startswith(magic):
            return media_type
    return "application/octet-stream"


_MAGIC: Mapping[bytes, str] = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}
