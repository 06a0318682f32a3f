"""A signage component on the in-memory bus, with a console's session beside it."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from contract.catalog import topic_for
from contract.events import Phase
from contract.presence import SignageReport
from contract.signage import Manifest, SignedManifest
from contract.signature import Signer
from contract.telemetry import AnyReading, BayBatch, BayState, ScreenReading
from contract.topics import Topic, TopicFilter
from edge.ports import FireDecision
from edge.safety.alarm import MarketAlarm
from edge.settings import DeviceSettings
from edge.signage.component import Signage
from runtime.clock import SystemClock
from tests.edge.signage.contents import DEVICE, MARKET, new_signer
from tests.edge.signage.test_live import batch
from tests.eventually import eventually_async
from transport.memory_bus import MemoryBus


class SignDevice:
    """What a test does to a device with one screen, and what comes of it."""

    def __init__(self, data_dir: Path, port: int, assets_url: str, signer: Signer | None = None) -> None:
        self.signer = signer or new_signer()
        self.bus = MemoryBus()
        self.clock = SystemClock()
        self.alarm = MarketAlarm(DEVICE, self.clock)
        self.readings: list[ScreenReading] = []
        self.reports: list[SignageReport] = []
        self.settings = DeviceSettings.model_validate(
            {
                "market": MARKET,
                "device": DEVICE,
                "data_dir": data_dir,
                "broker": {"host": "127.0.0.1"},
                "signing_public_key": self.signer.public_key_hex,
                "assets_url": assets_url,
                "screens": [{"name": "screen-1", "zone": "b"}],
                "player": {"port": port},
            }
        )
        self.session = self.bus.session(f"{MARKET}.{DEVICE}")
        self.console = self.bus.session("console")
        self.neighbour = self.bus.session(f"{MARKET}.parking-1")
        self.signage = Signage(
            self.settings, session=self.session, alarm=self.alarm, report=self._report, clock=self.clock
        )
        self.console.subscribe(TopicFilter(channel="reported", name="signage"), SignageReport, self._reported)

    @property
    def url(self) -> str:
        return self.signage.player_urls["screen-1"]

    def _report(self, reading: AnyReading) -> None:
        assert isinstance(reading, ScreenReading)
        self.readings.append(reading)

    async def _reported(self, _topic: Topic, report: SignageReport) -> None:
        self.reports.append(report)

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SignDevice"]:
        parts = (self.session, self.console, self.neighbour, self.signage)
        tasks = [asyncio.create_task(part.run()) for part in parts]
        try:
            sessions = (self.session, self.console, self.neighbour)
            await eventually_async(lambda: all(session.connected for session in sessions))
            yield self
        finally:
            for task in tasks:
                task.cancel()
            async with asyncio.timeout(3):
                await asyncio.gather(*tasks, return_exceptions=True)

    async def push(self, manifest: Manifest) -> None:
        await self.push_signed(self.signer.sign_manifest(manifest))

    async def push_signed(self, signed: SignedManifest) -> None:
        await self.console.publish(topic_for(MARKET, DEVICE, SignedManifest), signed)

    async def bays(self, *states: BayState, first: int = 0, lot: str | None = None) -> None:
        fresh = batch(*states, time_unix_ms=self.clock.unix_ms(), first=first, lot=lot)
        await self.neighbour.publish(topic_for(MARKET, "parking-1", BayBatch), fresh)

    def fire(self, zone: str = "c") -> str:
        event_id = uuid.uuid4().hex
        self._decide(event_id, Phase.RAISED, zone)
        return event_id

    def clear(self, event_id: str) -> None:
        self._decide(event_id, Phase.CLEARED, "c")

    def _decide(self, event_id: str, phase: Phase, zone: str) -> None:
        now = self.clock.unix_ms()
        self.alarm.on_decision(FireDecision(event_id, phase, zone, "cam-1", 0.9, now - 1000, now))
