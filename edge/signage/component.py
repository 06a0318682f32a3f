"""Signage: the component of the agent that brings content to this device's screens and says what they show."""

import asyncio
import ssl

import httpx
import structlog

from contract.catalog import topic_for
from contract.presence import SignageReport
from contract.signage import SignedManifest
from contract.signature import Verifier
from contract.telemetry import BayBatch
from contract.topics import Topic, TopicFilter
from edge.ports import AlarmState, Report, Timekeeper
from edge.settings import DeviceSettings
from edge.signage.activation import Activation
from edge.signage.board import Board
from edge.signage.live import LiveBays
from edge.signage.player import HOST, PlayerServer, build_app
from edge.signage.pool import AssetPool
from edge.signage.screen import Heartbeat, ScreenWatch
from runtime.errors import RetryableError
from transport.ports import Session

log = structlog.get_logger(__name__)

TICK_S = 0.5


class Signage:
    """Wires the rooms of `edge.signage` together. A `Component` of the agent.

    `desired/signage` goes to the activation, the market's bays to the live values, the alarm to the board (at once, on
    the same event loop); `reported/signage` is published at every change and at every connection.
    """

    name = "signage"

    def __init__(
        self, settings: DeviceSettings, *, session: Session, alarm: AlarmState, report: Report, clock: Timekeeper
    ) -> None:
        self._settings = settings
        self._session = session
        self._report = report
        self._clock = clock
        self._report_due = asyncio.Event()
        self._bays_changed = False
        self._bays = LiveBays()
        directory = settings.data_dir / "signage"
        self._pool = AssetPool(directory / "files", settings.assets_url)
        self._activation = Activation(
            directory,
            verifier=Verifier(settings.signing_public_key),
            market=settings.market,
            device=settings.device,
            pool=self._pool,
            clock=clock,
            on_change=self._content_changed,
        )
        zones = {screen.name: screen.zone for screen in settings.screens}
        self._board = Board(
            settings.market,
            zones,
            manifest=lambda: self._activation.active,
            bays=self._bays,
            is_fed=lambda: session.connected,
            clock=clock,
        )
        self._watches = {
            screen: ScreenWatch(screen, clock.monotonic_s(), clock.unix_ms()) for screen in self._board.screens
        }
        alarm.listen(self._board.show_fires)
        self._listen()

    @property
    def player_urls(self) -> dict[str, str]:
        """Where each screen's page is served, on this device's loopback."""
        port = self._settings.player.port
        return {screen: f"http://{HOST}:{port}/screen/{screen}" for screen in self._board.screens}

    def clock_was_set(self) -> None:
        """The schedule can be followed now, and what was reported gets its true time."""
        self._report_due.set()
        self._board.changed()

    async def run(self) -> None:
        """Serve, fetch and report until cancelled."""
        app = build_app(self._board, self._pool.path, self._heartbeat)
        player = PlayerServer(app, self._settings.player.port, self._board)
        try:
            async with httpx.AsyncClient(verify=self._trust(), trust_env=False) as client, asyncio.TaskGroup() as tasks:
                tasks.create_task(player.run())
                tasks.create_task(self._content(client))
                tasks.create_task(self._publish_reports())
                tasks.create_task(self._tick())
        except ExceptionGroup as group:
            raise group.exceptions[0] from group  # the first says why; the others were cancelled for it

    async def _content(self, client: httpx.AsyncClient) -> None:
        await self._activation.load()
        await self._activation.run(client)

    def _listen(self) -> None:
        market, device = self._settings.market, self._settings.device
        desired = TopicFilter(market=market, device=device, channel="desired", name="signage")
        bays = TopicFilter(market=market, channel="telemetry", name="bays")
        self._session.subscribe(desired, SignedManifest, self._take_manifest)
        self._session.subscribe(bays, BayBatch, self._take_bays)
        self._session.on_connect(self._connected)

    async def _take_manifest(self, _topic: Topic, signed: SignedManifest) -> None:
        self._activation.offer(signed)

    async def _take_bays(self, topic: Topic, batch: BayBatch) -> None:
        if self._bays.take(topic.device, batch, self._clock.monotonic_s(), self._clock.unix_ms()):
            self._bays_changed = True

    async def _connected(self) -> None:
        self._report_due.set()

    def _content_changed(self) -> None:
        self._report_due.set()
        self._board.changed()

    def _heartbeat(self, screen: str, heartbeat: Heartbeat) -> None:
        painted = {"painted_unix_ms": self._clock.from_wall(heartbeat.painted_unix_ms)}  # a page reads the wall clock
        self._watches[screen].heartbeat(heartbeat.model_copy(update=painted), self._clock.monotonic_s())
        self._report_screen(screen)

    def _report_screen(self, screen: str) -> None:
        reading = self._watches[screen].due(self._clock.monotonic_s(), self._clock.unix_ms())
        if reading is not None:
            self._report(reading)

    async def _publish_reports(self) -> None:
        """Say what is shown. Without a connection nothing is kept: it is said again at the next one."""
        topic = topic_for(self._settings.market, self._settings.device, SignageReport)
        while True:
            await self._report_due.wait()
            self._report_due.clear()
            try:
                await self._session.publish(topic, self._activation.report())
            except RetryableError as error:
                log.info("signage.report_waits", reason=str(error))

    async def _tick(self) -> None:
        """The schedule, the pages' silence, and the bays: many changes a second become one of the page."""
        while True:
            self._board.follow_schedule()
            if self._bays_changed:
                self._bays_changed = False
                self._board.changed()
            for screen in self._board.screens:
                self._report_screen(screen)
            await asyncio.sleep(TICK_S)

    def _trust(self) -> ssl.SSLContext:
        """The machine's certificate authorities, and the one that the market runs for itself."""
        context = ssl.create_default_context()
        if self._settings.broker.ca_file is not None:
            context.load_verify_locations(self._settings.broker.ca_file)
        return context
