"""What a device says of itself: born, dead, what it runs, what it costs."""

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Literal

import structlog

from contract.catalog import topic_for
from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.presence import Presence, SettingsReport
from contract.telemetry import AgentReading
from edge.ports import Timekeeper
from edge.recording import Recorder
from edge.settings import DeviceSettings
from runtime.errors import RetryableError
from transport.ports import Outbox, OutboxStatus, Session, Will

log = structlog.get_logger(__name__)

PERIOD_S = 10.0
_STATM = Path("/proc/self/statm")
_THERMAL = Path("/sys/class/thermal/thermal_zone0/temp")  # the processor's on a Pi, in thousandths of a degree
_TEMPERATURES_C = (-100.0, 200.0)  # what the contract takes; beyond it the sensor is wrong


def agent_version() -> str:
    """The installed version, or "source" where the tree runs without being installed."""
    try:
        return metadata.version("jangteo")[:40]
    except metadata.PackageNotFoundError:
        return "source"


def settings_sha256(settings: DeviceSettings) -> str:
    """Names the settings that run: equal settings, equal hash. Secrets are in files and not part of it."""
    return hashlib.sha256(settings.model_dump_json().encode()).hexdigest()


class LifeSigns:
    """Presence and reported settings at every connect, and the agent's own reading every `PERIOD_S`."""

    name = "life-signs"

    def __init__(self, settings: DeviceSettings, outbox: Outbox, recorder: Recorder, clock: Timekeeper) -> None:
        self._settings = settings
        self._outbox = outbox
        self._recorder = recorder
        self._clock = clock
        self._started_unix_ms = clock.unix_ms()
        self._started_s = clock.monotonic_s()
        self._player_urls: Callable[[], Mapping[str, str]] = dict

    def show_players(self, player_urls: Callable[[], Mapping[str, str]]) -> None:
        """Where the screens' pages are served."""
        self._player_urls = player_urls

    def will(self) -> Will:
        """What the broker says when this device falls silent."""
        presence = self._presence("offline")
        return Will(topic_for(self._settings.market, self._settings.device, Presence), presence)

    async def be_born(self, session: Session) -> None:
        """Say that this device is here and what it runs."""
        await self._say_presence(session, "online")
        topic = topic_for(self._settings.market, self._settings.device, SettingsReport)
        report = SettingsReport(
            settings_sha256=settings_sha256(self._settings),
            player_urls=dict(self._player_urls()),
            drill_siren=self._settings.drill_siren and bool(self._settings.sirens),
            time_unix_ms=self._clock.unix_ms(),
        )
        try:
            await session.publish(topic, report)
        except RetryableError as error:
            log.info("settings.not_reported", reason=str(error))

    async def say_goodbye(self, session: Session) -> None:
        """Say that this device goes: the broker publishes no will after a clean end."""
        await self._say_presence(session, "offline")

    async def run(self) -> None:
        """Measure and report until cancelled."""
        wall_s, cpu_s = self._clock.monotonic_s(), time.process_time()
        while True:
            await asyncio.sleep(PERIOD_S)
            wall_before_s, cpu_before_s = wall_s, cpu_s
            wall_s, cpu_s = self._clock.monotonic_s(), time.process_time()
            status = await asyncio.to_thread(self._outbox.status)
            cpu_share = (cpu_s - cpu_before_s) / max(wall_s - wall_before_s, 0.001)
            self._recorder.report(self._reading(status, wall_s - self._started_s, cpu_share))

    def _reading(self, status: OutboxStatus, uptime_s: float, cpu_share: float) -> AgentReading:
        now_unix_ms = self._clock.unix_ms()
        return AgentReading(
            time_unix_ms=now_unix_ms,
            agent=self._settings.device,
            uptime_s=round(uptime_s, 1),
            rss_bytes=rss_bytes(),
            cpu_share=round(cpu_share, 4),
            outbox_rows=status.rows,
            outbox_bytes=status.bytes,
            outbox_dropped_count=status.dropped_count + self._recorder.dropped_count,
            outbox_oldest_age_s=oldest_age_s(status.oldest_unix_ms, now_unix_ms),
            clock_source=self._clock.source,
            clock_skew_ms=self._clock.skew_ms,
            outbox_share=min(1.0, round(status.bytes / self._settings.outbox.bytes_max, 4)),
            disk_used_share=disk_used_share(self._settings.data_dir),
            temperature_c=temperature_c(),
        )

    async def _say_presence(self, session: Session, state: Literal["online", "offline"]) -> None:
        topic = topic_for(self._settings.market, self._settings.device, Presence)
        try:
            await session.publish(topic, self._presence(state))
        except RetryableError as error:
            log.info("presence.not_said", state=state, reason=str(error))

    def _presence(self, state: Literal["online", "offline"]) -> Presence:
        return Presence(
            state=state,
            epoch=self._outbox.epoch,
            time_unix_ms=self._clock.unix_ms(),
            agent_version=agent_version(),
            started_unix_ms=self._clock.settled(self._started_unix_ms),
        )


def oldest_age_s(oldest_unix_ms: int | None, now_unix_ms: int) -> float | None:
    """How long the oldest has waited: 0 with nothing waiting, None when its time and now are of different boots.

    The one is then a true time and the other milliseconds since boot.
    """
    if oldest_unix_ms is None:
        return 0.0
    if (oldest_unix_ms < CLOCK_FLOOR_UNIX_MS) != (now_unix_ms < CLOCK_FLOOR_UNIX_MS):
        return None
    return round(max(0, now_unix_ms - oldest_unix_ms) / 1000, 1)


def rss_bytes() -> int:
    """This process's resident memory; 0 where the system does not tell."""
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def disk_used_share(folder: Path) -> float | None:
    """How full the disk that `folder` is on is, as whoever may not use its reserve sees it; None if it does not say."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    usable = found.f_blocks - found.f_bfree + found.f_bavail
    return round(1 - found.f_bavail / usable, 4) if usable > 0 else None


def temperature_c(file: Path = _THERMAL) -> float | None:
    """The processor's temperature in degrees Celsius; None where the system does not tell."""
    try:
        found = int(file.read_text(encoding="ascii")) / 1000
    except (OSError, ValueError):
        return None
    lowest, highest = _TEMPERATURES_C
    return round(found, 1) if lowest <= found <= highest else None
