"""What runs beside the requests: the session, the watch, and what is done every few seconds."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict

import structlog
from sqlalchemy.exc import DBAPIError

from broker.console.composition import Console
from broker.series.ports import Series
from runtime.errors import JangteoError
from transport.ports import BusSettingsError

log = structlog.get_logger(__name__)

STATUS_EVERY_S = 2.0
LINK_EVERY_S = 0.25
COMPLETE_EVERY_S = 5.0
ROSTERS_EVERY_S = 10.0
DAY_STARTS_EVERY_S = 30.0
REFUSED_RETRY_S = 30.0
BEAT_EVERY_S = 1.0


def beside(console: Console, beat: Callable[[], None]) -> Mapping[str, Coroutine[None, None, None]]:
    """By name, each to be run as a task until cancelled. `beat` says to the watchdog that the loop goes on."""

    async def say_alive() -> None:
        beat()

    async def look_at_link() -> None:
        console.link.look()

    async def ask_day_starts() -> None:
        await asyncio.to_thread(_ask_day_starts, console)

    async def report() -> None:
        await asyncio.to_thread(_report, console)

    return {
        "session": _run_session(console),
        "watch": console.watch.run(),
        "link": _every(LINK_EVERY_S, look_at_link),
        "signage": _every(COMPLETE_EVERY_S, console.push.complete),
        "zones": _every(COMPLETE_EVERY_S, console.zones.complete),
        "rosters": _every(ROSTERS_EVERY_S, console.roster_push.complete),
        "day-starts": _every(DAY_STARTS_EVERY_S, ask_day_starts),
        "status": _every(STATUS_EVERY_S, report),
        "beat": _every(BEAT_EVERY_S, say_alive),
    }


async def _run_session(console: Console) -> None:
    """A broker that refuses us leaves the pages up, saying that the link is lost; the cause may be mended meanwhile."""
    while True:
        try:
            await console.session.run()
        except BusSettingsError as error:
            console.link.note_refusal(str(error))
            log.warning("console.refused", reason=str(error), retry_s=REFUSED_RETRY_S)
            await asyncio.sleep(REFUSED_RETRY_S)


async def _every(period_s: float, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work` now and then every `period_s`; what a later try may mend is logged."""
    while True:
        try:
            await work()
        except (DBAPIError, JangteoError) as error:
            log.warning("console.later", reason=str(error))
        await asyncio.sleep(period_s)


def _ask_day_starts(console: Console) -> None:
    counters = [
        Series(listing.market.id, one.device, one.kind, one.subject)
        for listing in console.directory.markets()
        for kind in ("gates", "people")
        for one in listing.of_kind(kind)
    ]
    console.day_starts.ask(counters)


def _report(console: Console) -> None:
    connected = console.link.view().state == "connected"
    counters = {
        **asdict(console.counters),
        "readings_total": console.feed.heard_count,
        "unregistered_total": console.feed.unregistered_count,
        "rejected_bodies_total": console.session.rejected_count,
        "streams": console.hub.listeners_count,
        "link_up": int(connected),
    }
    detail = "" if connected else console.link.refusal or "the broker is not connected"
    console.statuses.report("console", "ok" if connected else "degraded", counters, detail=detail)
