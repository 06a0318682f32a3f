"""The console as a service: the application, what runs beside it, and its own web server."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import FrameType

import structlog
import uvicorn
from fastapi import FastAPI
from fastapi.staticfiles import StaticFiles
from sqlalchemy import Engine

from brand import STATIC as BRAND
from broker.console import (
    ack_link,
    api,
    camera_pages,
    errors,
    operations,
    pages,
    policy_pages,
    roster_pages,
    rules,
    sign_in,
)
from broker.console.background import beside
from broker.console.composition import Console, compose
from broker.console.middleware import BodyLimit, Lenient, SecurityHeaders
from broker.console.pages import STATIC
from broker.console.settings import ConsoleSettings
from broker.series.ports import SeriesStore
from broker.series.settings import open_series_store
from broker.stores.database import migrate, open_database
from runtime.clock import Clock, SystemClock
from runtime.errors import FatalError
from runtime.watchdog import Watchdog
from transport.mqtt_session import MqttSession
from transport.ports import Session

log = structlog.get_logger(__name__)

SHUTDOWN_WITHIN_S = 5
LOOP_STALLED_S_MAX = 30.0

Failed = Callable[[BaseException], None]


def create_app(
    settings: ConsoleSettings,
    *,
    session: Session,
    engine: Engine | None = None,
    series: SeriesStore | None = None,
    clock: Clock | None = None,
    failed: Failed | None = None,
    watchdog: Watchdog | None = None,
) -> FastAPI:
    """The application. Its lifespan migrates the database, runs the session and everything beside it.

    `failed` is told when something beside the requests ends with an error that nobody expected. `watchdog`, when given,
    watches the loop while the application is up.

    Raises:
        runtime.errors.SettingsError: a secret's file can be read by others, or a URL cannot be used.
    """
    engine = engine or open_database(settings.database_url)
    console = compose(
        settings,
        session=session,
        engine=engine,
        series=series or open_series_store(settings.series),
        clock=clock or SystemClock(),
    )
    app = FastAPI(
        title="Jangteo console",
        version="1",
        description="Occupancy, incidents, devices, messages and signage of traditional markets.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(console, engine, failed, watchdog),
    )
    app.state.console = console
    app.include_router(api.router)
    app.include_router(operations.router)
    app.include_router(sign_in.router, include_in_schema=False)
    app.include_router(ack_link.router, include_in_schema=False)
    app.include_router(pages.router, include_in_schema=False)
    app.include_router(camera_pages.router, include_in_schema=False)
    app.include_router(roster_pages.router, include_in_schema=False)
    app.include_router(policy_pages.router, include_in_schema=False)
    app.include_router(rules.router, include_in_schema=False)
    app.mount("/brand", StaticFiles(directory=BRAND))
    app.mount("/static", StaticFiles(directory=STATIC))
    errors.install(app, pages.error_page)
    app.add_middleware(BodyLimit)
    app.add_middleware(Lenient)
    app.add_middleware(SecurityHeaders, is_https=settings.is_https, allowed_hosts=settings.allowed_hosts)
    return app


def run_console(settings: ConsoleSettings) -> None:
    """Serve until SIGTERM or SIGINT; open streams are ended at once, requests within five seconds.

    Raises:
        runtime.errors.FatalError: the port is taken, or something failed that a restart may mend.
        runtime.errors.SettingsError: the settings cannot be used.
        broker.stores.database.StoreUnavailableError: the database cannot be reached.
    """
    engine = open_database(settings.database_url)
    migrate(engine)
    failures: list[BaseException] = []
    session = MqttSession(settings.broker_settings())
    server: _Server

    def failed(error: BaseException) -> None:
        failures.append(error)
        server.should_exit = True

    app = create_app(settings, session=session, engine=engine, failed=failed, watchdog=Watchdog())
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_WITHIN_S,
    )
    server = _Server(config, app.state.console)
    try:
        server.run()
    except SystemExit as error:  # uvicorn ends the process itself when it cannot bind
        address = f"{settings.host}:{settings.port}"
        raise FatalError(
            f"the console cannot listen on {address}: is another one running? Choose another port"
        ) from error
    finally:
        engine.dispose()
    if failures:
        raise FatalError(f"the console stopped: {failures[0]}") from failures[0]


class _Server(uvicorn.Server):
    """A server that ends open streams as soon as it is told to stop: they would hold it up otherwise."""

    def __init__(self, config: uvicorn.Config, console: Console) -> None:
        super().__init__(config)
        self._console = console
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 — the base class's signature
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._console.hub.close)
        # not the base class's: it would raise the signal again after the end, and the end would look like a failure
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = True


def _lifespan(
    console: Console, engine: Engine, failed: Failed | None, watchdog: Watchdog | None
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(migrate, engine)
        await asyncio.to_thread(console.directory.refresh)
        await asyncio.to_thread(console.feed.seed, console.series)
        console.feed.subscribe(console.session)
        console.session.on_connect(console.push.say_all)
        console.session.on_connect(console.zones.say_all)
        beat = watchdog.watch("loop", LOOP_STALLED_S_MAX) if watchdog is not None else _nobody_watches
        tasks = [asyncio.create_task(work, name=name) for name, work in beside(console, beat).items()]
        for task in tasks:
            task.add_done_callback(lambda done: _ended(done, failed))
        if watchdog is not None:
            watchdog.start()
        try:
            yield
        finally:
            if watchdog is not None:
                watchdog.stop()
            console.hub.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(console.dry_runs.close)
            await asyncio.to_thread(console.series.close)

    return lifespan


def _nobody_watches() -> None:
    """A beat that nobody listens to."""


def _ended(task: asyncio.Task[None], failed: Failed | None) -> None:
    error = None if task.cancelled() else task.exception()
    if error is None:
        return
    log.critical("console.failed", part=task.get_name(), exc_info=error)
    if failed is not None:
        failed(error)
