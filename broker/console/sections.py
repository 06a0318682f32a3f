"""Sections: the pieces of pages that change while one looks, rendered alike for the page and for its stream."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from broker.console.camera_sections import camera_context
from broker.console.composition import Console
from broker.console.incident_sections import incident_context
from broker.console.incidents import incident_view
from broker.console.intake import notice_view
from broker.console.render import Words, fragment
from broker.console.views import BayView, CounterView, DeviceView, IncidentView, LotView, OccupancyView
from broker.stores.registry import Named
from contract.events import Phase

INCIDENTS_SHOWN = 12
ALARMS_SHOWN = 5
ALARM_INCIDENTS_READ = 20
STILLS_SHOWN = 4
FLAMES = frozenset({"fire", "drill"})

DIGITS = re.compile(r"([0-9]+)")

Context = Mapping[str, object]

CLOCK = "clock"
BAR = ("alarm", "link", CLOCK)
LIVE = ("summary", "lots", "people", "cameras", "screens", "sirens", "incidents")
NOTICES = ("arrivals", "notice_list")
CAMERA = ("camera", "view", "drill", "zones_report")
GROUPS: Mapping[str, tuple[str, ...]] = {
    "bar": BAR,
    "live": BAR + LIVE,
    "notices": BAR + NOTICES,
    "camera": BAR + CAMERA,
    "incident": (*BAR, "incident"),
}
ABOUT_ONE = frozenset({"camera", "incident"})


@dataclass(frozen=True, slots=True)
class About:
    """What a page is about: its group of sections, its market, and the one camera or incident of it."""

    group: str
    market: str | None = None
    of: str | None = None

    @property
    def key(self) -> str:
        """The group with its one thing."""
        return self.group if self.of is None else f"{self.group}/{self.of}"


@dataclass(frozen=True, slots=True)
class Alarm:
    """A fire for the banner. `incident` is missing while only a device speaks of it."""

    market: Named
    zone: Named | None
    zone_id: str
    since_unix_ms: int
    incident: IncidentView | None


def render_sections(console: Console, about: About, words: Words) -> dict[str, str]:
    """The group's sections by name, without the clock. The market may be missing for the bar only.

    Raises:
        LookupError: there is no such market, camera or incident.
    """
    context: dict[str, object] = {"alarms": alarms(console), "link": console.link.view(), "market": None}
    if about.market is not None:
        context |= _context(console, about)
    return {name: fragment(f"sections/{name}.html", words, context) for name in GROUPS[about.group] if name != CLOCK}


def check_about(console: Console, about: About) -> None:
    """Return if there is what the page is about.

    Raises:
        LookupError: there is no such market, camera or incident.
    """
    if about.market is not None:
        console.directory.market(about.market)
        if about.group in ABOUT_ONE:
            _context(console, about)


def _context(console: Console, about: About) -> dict[str, object]:
    market, of = str(about.market), about.of or ""
    if about.group == "camera":
        return camera_context(console, market, of)
    if about.group == "incident":
        return incident_context(console, market, of)
    context = market_context(console, market)
    return context | notices_context(console, market) if about.group == "notices" else context


def render_clock(words: Words) -> str:
    """The server's time: for each page at its own moment, ages in the browser go by it."""
    return fragment("sections/clock.html", words, {})


def market_context(console: Console, market: str) -> dict[str, object]:
    """What the live page's sections show."""
    listing = console.directory.market(market)
    seen, devices = console.occupancy(market), console.devices(market)
    now = console.clock.unix_ms()
    incidents = [incident_view(one, now) for one in console.incidents.open_and_recent(market, INCIDENTS_SHOWN)]
    zones = {one.id: one for one in listing.zones}
    return {
        "market": listing.market,
        "zones": zones,
        "seen": seen,
        "lots": _lots_with_bays(seen),
        "devices": devices,
        "cameras": sorted(
            ((device, one) for device in devices for one in device.cameras), key=lambda it: natural(it[1].camera)
        ),
        "screens": sorted(
            ((device, one) for device in devices for one in device.screens), key=lambda it: natural(it[1].screen)
        ),
        "sirens": [(device, one) for device in devices for one in device.sirens],
        "incidents": incidents,
        "drills": _burning_drills(console, market, now),
        "stills": _with_stills(console, incidents),
        "seen_by": console.incidents.cameras(one.id for one in incidents if one.severity in FLAMES),
        "totals": _totals(seen.bays),
        "people_in": _sum(seen.people, lambda one: one.in_today),
        "people_out": _sum(seen.people, lambda one: one.out_today),
        "people_in_total": _sum(seen.people, lambda one: one.in_count),
        "people_out_total": _sum(seen.people, lambda one: one.out_count),
    }


def notices_context(console: Console, market: str) -> dict[str, object]:
    """What the notices page's sections show."""
    now = console.clock.unix_ms()
    return {
        "notices": [notice_view(one, now) for one in console.notices.newest(market)],
        "arrivals": console.arrivals(market),
        "has_screens": bool(console.directory.market(market).of_kind("screens")),
    }


def alarms(console: Console) -> tuple[Alarm, ...]:
    """Every fire that burns, of every market: recorded incidents first, then what only devices say."""
    now = console.clock.unix_ms()
    found: list[Alarm] = []
    listings = {one.market.id: one for one in console.directory.markets()}
    for one in console.incidents.open_and_recent(None, ALARM_INCIDENTS_READ):
        if one.is_alarm and one.is_active and one.market in listings:
            listing = listings[one.market]
            view = incident_view(one, now)
            found.append(Alarm(listing.market, listing.zone_name(one.zone), one.zone, one.opened_unix_ms, view))
    recorded = {(one.market.id, one.zone_id) for one in found}
    for market, listing in listings.items():
        for fire in console.live.fires(market, now):
            event = fire.event
            if (market, event.zone) not in recorded:
                recorded.add((market, event.zone))
                zone = listing.zone_name(event.zone)
                found.append(Alarm(listing.market, zone, event.zone, event.decided_unix_ms, None))
    return tuple(found[:ALARMS_SHOWN])


def _lots_with_bays(seen: OccupancyView) -> list[tuple[LotView | None, list[BayView]]]:
    """Each lot with its bays; bays without a lot last."""
    lots: list[tuple[LotView | None, list[BayView]]] = [
        (lot, [bay for bay in seen.bays if bay.lot == lot.lot]) for lot in seen.lots
    ]
    known = {lot.lot for lot in seen.lots}
    others = [bay for bay in seen.bays if bay.lot not in known]
    return [*((lot, bays) for lot, bays in lots if bays), *([(None, others)] if others else [])]


def _totals(bays: Sequence[BayView]) -> Mapping[str, int]:
    counts = {"total": len(bays), "free": 0, "occupied": 0, "unknown": 0, "closed": 0}
    for bay in bays:
        counts[bay.state] += 1
    return MappingProxyType(counts)


def _sum(counters: Sequence[CounterView], count: Callable[[CounterView], int | None]) -> int | None:
    """The sum over counters that can be trusted now; None if one of them cannot, for a part is not the whole."""
    values = [count(one) for one in counters if one.state == "live"]
    known = [value for value in values if value is not None]
    return sum(known) if counters and len(known) == len(counters) else None


def _with_stills(console: Console, incidents: Sequence[IncidentView]) -> frozenset[int]:
    of_flames = [one.id for one in incidents if one.severity in FLAMES]
    return console.stills.with_still(of_flames[:STILLS_SHOWN])


def _burning_drills(console: Console, market: str, now_unix_ms: int) -> frozenset[str]:
    """The cameras that see a test flame."""
    found = (one.event for one in console.live.drills(market, now_unix_ms))
    return frozenset(one.camera for one in found if one.phase is not Phase.CLEARED)


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """A sort key by which cam-2 comes before cam-10."""
    return tuple((one.isdecimal(), int(one) if one.isdecimal() else 0, one) for one in DIGITS.split(name))


def offline_devices(devices: Sequence[DeviceView]) -> tuple[str, ...]:
    """Devices that are known to be off."""
    return tuple(one.device for one in devices if one.presence == "offline")
