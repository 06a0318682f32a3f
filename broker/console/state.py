"""From registry, live state and `now` to what a page or the API says. Pure: no clock, no database, no bus."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from broker.console.directory import MarketListing
from broker.console.live import Judged, LiveState, judge
from broker.console.views import (
    AgentView,
    BayView,
    CameraView,
    CounterView,
    DeviceView,
    LinkView,
    LotView,
    OccupancyView,
    ScreenView,
    SignageView,
    SirenView,
)
from broker.series.freshness import STALE_AFTER_S
from broker.series.ports import Series
from broker.stores.registry import DeviceRecord, Subject
from contract.access import DeviceIdentity
from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.presence import SignageReport
from contract.telemetry import (
    AgentReading,
    BayReading,
    CameraReading,
    GateReading,
    PeopleReading,
    ScreenReading,
    SirenReading,
)

LIVE, UNKNOWN = "live", "unknown"
MS_PER_S = 1000.0

DayStart = Mapping[Series, tuple[int, int]]
"""The in and out counts of a counter at local midnight."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, and what decides how a value is judged. `stale_after_s`, when given, is for every kind."""

    now_unix_ms: int
    stale_after_s: float | None
    link: LinkView
    day_start: DayStart = field(default_factory=dict)

    def stale_after(self, kind: str) -> float:
        """After how many seconds without a reading a value of this kind is unknown."""
        return STALE_AFTER_S[kind] if self.stale_after_s is None else self.stale_after_s


def occupancy(listing: MarketListing, live: LiveState, moment: Moment) -> OccupancyView:
    """The market's bays, gates and people."""
    bays = tuple(_bay(listing, one, live, moment) for one in listing.of_kind("bays"))
    return OccupancyView(
        market=listing.market.id,
        name_ko=listing.market.name_ko,
        name_en=listing.market.name_en,
        now_unix_ms=moment.now_unix_ms,
        stale_after_s=moment.stale_after("bays"),
        link=moment.link,
        lots=_lots(listing, bays),
        bays=bays,
        gates=tuple(_counter(listing, one, live, moment) for one in listing.of_kind("gates")),
        people=tuple(_counter(listing, one, live, moment) for one in listing.of_kind("people")),
    )


def devices(
    listing: MarketListing, live: LiveState, moment: Moment, wanted: Mapping[DeviceIdentity, int]
) -> tuple[DeviceView, ...]:
    """The market's devices with what is on them. `wanted` has the newest generation of each device with screens."""
    return tuple(_device(listing, record, live, moment, wanted) for record in listing.devices)


def presence_of(listing: MarketListing, device: str, live: LiveState) -> str:
    """Online, offline or unknown: what the bus said, else what the registry remembers."""
    said = live.device(DeviceIdentity(listing.market.id, device)).presence
    record = listing.record(device)
    if said is not None:
        return said.state
    return UNKNOWN if record is None else record.state


def signage_report(record: DeviceRecord, live: LiveState) -> SignageReport | None:
    """The device's last signage report, from the bus or from the registry."""
    said = live.device(DeviceIdentity(record.market, record.device)).signage
    if said is not None:
        return said
    return SignageReport.model_validate(record.signage, strict=False) if record.signage else None


def _judged(listing: MarketListing, one: Subject, live: LiveState, moment: Moment) -> Judged:
    heard = live.heard(Series(listing.market.id, one.device, one.kind, one.subject))
    offline = presence_of(listing, one.device, live) == "offline"
    return judge(
        heard,
        offline=offline,
        now_unix_ms=moment.now_unix_ms,
        stale_after_s=moment.stale_after(one.kind),
        birth=live.device(DeviceIdentity(listing.market.id, one.device)).birth,
    )


def _common(one: Subject, judged: Judged) -> dict[str, object]:
    return {
        "zone": one.zone,
        "state": LIVE if judged.reason is None else UNKNOWN,
        "reason": judged.reason,
        "detail": judged.detail,
        "age_s": judged.age_s,
        "time_unix_ms": None if judged.heard is None else judged.heard.counts_from_unix_ms,
    }


def _bay(listing: MarketListing, one: Subject, live: LiveState, moment: Moment) -> BayView:
    judged = _judged(listing, one, live, moment)
    reading = judged.heard.reading if judged.heard is not None else None
    known = reading if isinstance(reading, BayReading) else None
    values = _common(one, judged)
    values["state"] = known.state.value if known is not None and judged.reason is None else UNKNOWN
    return BayView.model_validate(
        {
            **values,
            "bay": one.subject,
            "lot": one.lot,
            "device": one.device,
            "since_unix_ms": known.since_unix_ms if known is not None else None,
            "confidence": known.confidence if known is not None else None,
            "distance_mm": known.distance_mm if known is not None else None,
            "last_state": known.state.value if known is not None else None,
        }
    )


def _lots(listing: MarketListing, bays: tuple[BayView, ...]) -> tuple[LotView, ...]:
    views = []
    for lot in listing.lots:
        states = Counter(bay.state for bay in bays if bay.lot == lot.id)
        views.append(
            LotView(
                lot=lot.id,
                name_ko=lot.name_ko,
                name_en=lot.name_en,
                total=sum(states.values()),
                free=states["free"],
                occupied=states["occupied"],
                unknown=states[UNKNOWN],
                closed=states["closed"],
            )
        )
    return tuple(views)


def _counter(listing: MarketListing, one: Subject, live: LiveState, moment: Moment) -> CounterView:
    judged = _judged(listing, one, live, moment)
    reading = judged.heard.reading if judged.heard is not None else None
    counts = (reading.in_count, reading.out_count) if isinstance(reading, GateReading | PeopleReading) else None
    start = moment.day_start.get(Series(listing.market.id, one.device, one.kind, one.subject))
    # a counter that was replaced counts from 0 again: less than at midnight is no count of the day
    day_known = counts is not None and start is not None and counts[0] >= start[0] and counts[1] >= start[1]
    today = (counts[0] - start[0], counts[1] - start[1]) if counts and start and day_known else None
    return CounterView.model_validate(
        {
            **_common(one, judged),
            "subject": one.subject,
            "lot": one.lot,
            "device": one.device,
            "in_count": counts[0] if counts else None,
            "out_count": counts[1] if counts else None,
            "in_today": today[0] if today else None,
            "out_today": today[1] if today else None,
        }
    )


def _device(
    listing: MarketListing,
    record: DeviceRecord,
    live: LiveState,
    moment: Moment,
    wanted: Mapping[DeviceIdentity, int],
) -> DeviceView:
    identity = DeviceIdentity(record.market, record.device)
    said = live.device(identity)
    state_unix_ms = said.presence.time_unix_ms if said.presence is not None else record.state_unix_ms
    mine = [one for one in listing.subjects if one.device == record.device]
    urls = said.settings.player_urls if said.settings is not None else record.player_urls
    return DeviceView(
        market=record.market,
        device=record.device,
        presence=presence_of(listing, record.device, live),
        presence_age_s=_age_s(state_unix_ms, moment.now_unix_ms),
        agent_version=said.presence.agent_version if said.presence is not None else record.agent_version,
        agent=_agent(listing, record, live, moment),
        signage=_signage(record, live, wanted.get(identity), has_screens=any(one.kind == "screens" for one in mine)),
        cameras=tuple(_camera(listing, one, live, moment) for one in mine if one.kind == "cameras"),
        screens=tuple(_screen(listing, one, live, moment, urls) for one in mine if one.kind == "screens"),
        sirens=tuple(_siren(listing, one, live, moment) for one in mine if one.kind == "sirens"),
    )


def _signage(record: DeviceRecord, live: LiveState, wanted: int | None, *, has_screens: bool) -> SignageView | None:
    if not has_screens:
        return None
    report = signage_report(record, live)
    shown = None if report is None else report.generation
    state = "waiting" if report is None else report.state
    if wanted is not None and shown is not None and report is not None and state == "active" and shown < wanted:
        state = "waiting"  # what it says is true of an older generation
    reason = "" if report is None else report.reason
    return SignageView(wanted_generation=wanted, generation=shown, state=state, reason=reason)


def _agent(listing: MarketListing, record: DeviceRecord, live: LiveState, moment: Moment) -> AgentView:
    judged = _judged(listing, Subject("agents", record.device, record.device), live, moment)
    reading = judged.heard.reading if judged.heard is not None else None
    known = reading if isinstance(reading, AgentReading) else None
    return AgentView(
        state=LIVE if judged.reason is None else UNKNOWN,
        reason=judged.reason,
        age_s=judged.age_s,
        uptime_s=known.uptime_s if known else None,
        rss_bytes=known.rss_bytes if known else None,
        cpu_share=known.cpu_share if known else None,
        outbox_rows=known.outbox_rows if known else None,
        outbox_dropped_count=known.outbox_dropped_count if known else None,
    )


def _camera(listing: MarketListing, one: Subject, live: LiveState, moment: Moment) -> CameraView:
    judged = _judged(listing, one, live, moment)
    reading = judged.heard.reading if judged.heard is not None else None
    known = reading if isinstance(reading, CameraReading) else None
    return CameraView.model_validate(
        {
            **_common(one, judged),
            "camera": one.subject,
            "frame_age_s": known.frame_age_s if known else None,
            "fps": known.fps if known else None,
            "fire_score": known.fire_score if known else None,
            "fire": known.fire if known else None,
            "drill": known.drill if known else None,
        }
    )


def _screen(
    listing: MarketListing, one: Subject, live: LiveState, moment: Moment, urls: Mapping[str, str]
) -> ScreenView:
    judged = _judged(listing, one, live, moment)
    reading = judged.heard.reading if judged.heard is not None else None
    known = reading if isinstance(reading, ScreenReading) else None
    return ScreenView.model_validate(
        {
            **_common(one, judged),
            "screen": one.subject,
            "showing": known.showing if known else None,
            "item": known.item if known else None,
            "generation": known.generation if known else None,
            "since_unix_ms": known.since_unix_ms if known else None,
            "player_url": _link(urls.get(one.subject)),
        }
    )


def _link(url: str | None) -> str | None:
    """The address if a browser may follow it: a device's word must not become a script in a page."""
    return url if url is not None and url.startswith(("http://", "https://")) else None


def _siren(listing: MarketListing, one: Subject, live: LiveState, moment: Moment) -> SirenView:
    judged = _judged(listing, one, live, moment)
    reading = judged.heard.reading if judged.heard is not None else None
    known = reading if isinstance(reading, SirenReading) else None
    return SirenView.model_validate(
        {
            **_common(one, judged),
            "siren": one.subject,
            "sounding": known.sounding if known else None,
            "silenced": known.silenced if known else None,
        }
    )


def _age_s(unix_ms: int | None, now_unix_ms: int) -> float | None:
    """How long ago that was; unknown for a birth that a device dated before its clock was set."""
    if unix_ms is None or unix_ms < CLOCK_FLOOR_UNIX_MS:
        return None
    return max(0.0, (now_unix_ms - unix_ms) / MS_PER_S)
