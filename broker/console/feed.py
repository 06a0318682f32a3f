"""The feed: from the bus and the series store into the live state."""

import asyncio
from collections.abc import Callable

import structlog

from broker.console.directory import Directory
from broker.console.live import LiveState
from broker.console.viewing import Views
from broker.series.ports import Series, SeriesStore
from broker.stores.registry import Registry
from contract.access import DeviceIdentity
from contract.cameras import CameraReply, ViewPicture, ZonesReport
from contract.catalog import channel_for
from contract.delivery import CommandReply
from contract.events import FireEvent
from contract.presence import Presence, SettingsReport, SignageReport
from contract.roster import RosterReport
from contract.telemetry import (
    AgentBatch,
    Batch,
    BayBatch,
    CameraBatch,
    GateBatch,
    PeopleBatch,
    ScreenBatch,
    SirenBatch,
)
from contract.topics import Topic, TopicFilter
from runtime.clock import Clock
from runtime.errors import JangteoError
from transport.ports import Session

log = structlog.get_logger(__name__)

Wake = Callable[[str], None]
BATCHES: tuple[type[Batch], ...] = (
    BayBatch,
    GateBatch,
    PeopleBatch,
    CameraBatch,
    ScreenBatch,
    SirenBatch,
    AgentBatch,
)


class Feed:
    """Subscribes to everything that a device says of itself. What the registry does not know is counted and dropped."""

    def __init__(
        self, live: LiveState, views: Views, directory: Directory, registry: Registry, clock: Clock, wake: Wake
    ) -> None:
        self._live = live
        self._views = views
        self._directory = directory
        self._registry = registry
        self._clock = clock
        self._wake = wake
        self.heard_count = 0
        self.unregistered_count = 0

    def subscribe(self, session: Session) -> None:
        """Hear telemetry, presence, reports, fires, replies and live views of every market."""
        for model in BATCHES:
            row = channel_for(model)
            session.subscribe(TopicFilter(channel=row.channel, name=row.name), model, self._telemetry)
        session.subscribe(TopicFilter(channel="status", name="presence"), Presence, self._presence)
        session.subscribe(TopicFilter(channel="reported", name="signage"), SignageReport, self._signage)
        session.subscribe(TopicFilter(channel="reported", name="settings"), SettingsReport, self._settings)
        session.subscribe(TopicFilter(channel="event", name="fire"), FireEvent, self._fire)
        session.subscribe(TopicFilter(channel="reported", name="zones"), ZonesReport, self._zones)
        session.subscribe(TopicFilter(channel="reported", name="roster"), RosterReport, self._roster)
        session.subscribe(TopicFilter(channel="ack", name="siren"), CommandReply, self._reply)
        session.subscribe(TopicFilter(channel="ack", name="camera"), CameraReply, self._reply)
        session.subscribe(TopicFilter(channel="view", name="camera"), ViewPicture, self._view)

    def seed(self, store: SeriesStore) -> None:
        """Take over the newest stored reading of everything registered; a store that does not answer is said so."""
        for listing in self._directory.markets():
            market = listing.market.id
            try:
                samples = [one for one in store.latest(market) if self._directory.knows(one.series)]
            except JangteoError as error:
                log.warning("console.unseeded", market=market, reason=str(error))
                continue
            unreadable = self._live.seed(samples, self._clock.unix_ms())
            log.info("console.seeded", market=market, series=len(samples), unreadable=unreadable)

    async def _telemetry(self, topic: Topic, batch: Batch) -> None:
        now = self._clock.unix_ms()
        kept = False
        for reading in getattr(batch, "readings", ()):
            series = Series(topic.market, topic.device, topic.name, reading.subject)
            if not self._directory.knows(series):
                self.unregistered_count += 1
                continue
            self.heard_count += 1
            kept |= self._live.hear(series, reading, now)
        if kept:
            self._wake(topic.market)

    async def _presence(self, topic: Topic, presence: Presence) -> None:
        if (identity := self._registered(topic)) is not None:
            self._live.note_presence(identity, presence)
            self._wake(topic.market)

    async def _signage(self, topic: Topic, report: SignageReport) -> None:
        if (identity := self._registered(topic)) is not None:
            self._live.note_signage(identity, report)
            self._wake(topic.market)
            await asyncio.to_thread(self._registry.note_signage, identity, report)

    async def _settings(self, topic: Topic, report: SettingsReport) -> None:
        if (identity := self._registered(topic)) is not None:
            self._live.note_settings(identity, report)
            self._wake(topic.market)
            await asyncio.to_thread(self._registry.note_settings, identity, report)

    async def _zones(self, topic: Topic, report: ZonesReport) -> None:
        if (identity := self._registered(topic)) is not None:
            self._live.note_zones(identity, report)
            self._wake(topic.market)
            await asyncio.to_thread(self._registry.note_zones, identity, report)

    async def _roster(self, topic: Topic, report: RosterReport) -> None:
        if (identity := self._registered(topic)) is not None:
            self._live.note_roster(identity, report)

    async def _fire(self, topic: Topic, event: FireEvent) -> None:
        if (identity := self._registered(topic)) is not None:
            self._live.note_fire(identity, event, self._clock.unix_ms())
            self._wake(topic.market)

    async def _reply(self, topic: Topic, reply: CommandReply) -> None:
        if self._registered(topic) is not None:
            self._live.note_reply(reply)

    async def _view(self, topic: Topic, picture: ViewPicture) -> None:
        if (identity := self._registered(topic)) is not None:
            self._views.note(identity, picture)

    def _registered(self, topic: Topic) -> DeviceIdentity | None:
        identity = DeviceIdentity(topic.market, topic.device)
        if self._directory.knows_device(identity):
            return identity
        self.unregistered_count += 1
        return None
