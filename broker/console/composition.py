"""The console's parts, put together once, and what pages and API ask of them as a whole."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request
from sqlalchemy import Engine

from broker.console.assets import AssetFiles
from broker.console.attempts import Attempts
from broker.console.day_start import DayStarts
from broker.console.directory import Directory, MarketListing
from broker.console.drills import Drills
from broker.console.dry_runs import DryRuns
from broker.console.feed import Feed
from broker.console.hub import Change, Hub
from broker.console.link import Link
from broker.console.link_tries import LinkTries
from broker.console.live import LiveState
from broker.console.looks import Looks
from broker.console.push import SignagePush
from broker.console.roster_push import RosterPush
from broker.console.settings import ConsoleSettings
from broker.console.shared import SharedSections
from broker.console.state import Moment, devices, occupancy
from broker.console.viewing import Views
from broker.console.views import ArrivalView, DeviceView, OccupancyView
from broker.console.watch import Facts, Watch
from broker.console.zones import ZonePush
from broker.rules.files import RuleFolder
from broker.series.ports import SeriesStore
from broker.stores.acknowledge_tokens import AcknowledgeTokens
from broker.stores.audit import Audit
from broker.stores.dead_letters import DeadLetters
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from broker.stores.notices import Notices
from broker.stores.parts import Parts
from broker.stores.policies import Policies
from broker.stores.registry import Registry
from broker.stores.rosters import RosterBook
from broker.stores.rule_states import RuleStates
from broker.stores.signage import Signage
from broker.stores.stills import Stills
from broker.stores.users import Users
from broker.stores.zone_plans import ZonePlans
from contract.signature import Signer
from runtime.clock import Clock
from runtime.secret_files import ensure_secret
from transport.ports import Session


@dataclass(slots=True)
class Counters:
    """What the console counts of itself; names as on `/metrics`."""

    sign_ins_total: int = 0
    sign_ins_failed_total: int = 0
    refused_tokens_total: int = 0
    notices_total: int = 0
    commands_total: int = 0
    link_tries_failed_total: int = 0
    link_tries_refused_total: int = 0


@dataclass(slots=True)
class Console:
    """Everything that a request may need."""

    settings: ConsoleSettings
    clock: Clock
    session: Session
    signer: Signer
    series: SeriesStore
    users: Users
    audit: Audit
    looks: Looks
    notices: Notices
    incidents: Incidents
    stills: Stills
    messages: Messages
    dead_letters: DeadLetters
    rosters: RosterBook
    policies: Policies
    statuses: Parts
    directory: Directory
    live: LiveState
    link: Link
    hub: Hub
    files: AssetFiles
    push: SignagePush
    zones: ZonePush
    roster_push: RosterPush
    feed: Feed
    watch: Watch
    day_starts: DayStarts
    attempts: Attempts
    acknowledge_tokens: AcknowledgeTokens
    link_tries: LinkTries
    shared: SharedSections
    views: Views
    drills: Drills
    rules: RuleFolder | None
    rule_states: RuleStates
    dry_runs: DryRuns
    counters: Counters = field(default_factory=Counters)

    def moment(self) -> Moment:
        """Now."""
        return Moment(self.clock.unix_ms(), self.settings.stale_after_s, self.link.view(), self.day_starts.known())

    def occupancy(self, market: str) -> OccupancyView:
        """A market's bays, gates and people.

        Raises:
            broker.console.directory.UnknownMarketError: there is no such market.
        """
        return occupancy(self.directory.market(market), self.live, self.moment())

    def devices(self, market: str) -> tuple[DeviceView, ...]:
        """A market's devices.

        Raises:
            broker.console.directory.UnknownMarketError: there is no such market.
        """
        return devices(self.directory.market(market), self.live, self.moment(), self.push.wanted())

    def arrivals(self, market: str) -> tuple[ArrivalView, ...]:
        """How far each device with screens is with its newest manifest."""
        return tuple(
            ArrivalView(
                device=one.device,
                wanted_generation=one.signage.wanted_generation,
                generation=one.signage.generation,
                state="offline" if one.presence == "offline" else one.signage.state,
                reason=one.signage.reason,
                screens=tuple(screen.screen for screen in one.screens),
            )
            for one in self.devices(market)
            if one.signage is not None and one.signage.wanted_generation is not None
        )


def console_of(request: Request) -> Console:
    """The console that answers this request."""
    console = request.app.state.console
    assert isinstance(console, Console)  # noqa: S101 — `state` is untyped; create_app put it there
    return console


def compose(
    settings: ConsoleSettings, *, session: Session, engine: Engine, series: SeriesStore, clock: Clock
) -> Console:
    """Build every part; nothing connects yet.

    Raises:
        runtime.errors.SettingsError: the signing key's file can be read by others.
    """
    registry = Registry(engine)
    directory, live, hub, views = Directory(registry, clock), LiveState(), Hub(), Views(clock)
    link, day_starts = Link(session, clock), DayStarts(series, clock, settings.utc_offset_minutes)
    notices, signage, incidents = Notices(engine, clock), Signage(engine), Incidents(engine, clock)
    signer = Signer(ensure_secret(settings.signing_key_file, Signer.new_private_key_hex()))
    push = SignagePush(
        directory, notices, signage, signer, session, live, clock=clock, utc_offset_minutes=settings.utc_offset_minutes
    )
    zones = ZonePush(
        ZonePlans(engine),
        directory,
        live,
        signer,
        session,
        clock,
        utc_offset_minutes=settings.utc_offset_minutes,
    )

    rosters, policies = RosterBook(engine), Policies(engine, clock)
    roster_push = RosterPush(
        directory, live, rosters, policies, signer, session, clock, utc_offset_minutes=settings.utc_offset_minutes
    )

    def facts(market: str) -> Facts:
        moment = Moment(clock.unix_ms(), settings.stale_after_s, link.view(), day_starts.known())
        return _facts(directory.market(market), live, moment, push)

    watch = Watch(directory, facts, incidents, hub, clock)
    audit = Audit(engine, clock)
    link.on_change(lambda view: hub.tell(Change("link", None, view.model_dump())))
    return Console(
        settings=settings,
        clock=clock,
        session=session,
        signer=signer,
        series=series,
        users=Users(engine, clock),
        audit=audit,
        looks=Looks(audit, clock),
        notices=notices,
        incidents=incidents,
        stills=Stills(engine),
        messages=Messages(engine, clock),
        dead_letters=DeadLetters(engine),
        rosters=rosters,
        policies=policies,
        statuses=Parts(engine, clock),
        directory=directory,
        live=live,
        link=link,
        hub=hub,
        files=AssetFiles(settings.assets_dir, settings.assets_bytes_max),
        push=push,
        zones=zones,
        roster_push=roster_push,
        feed=Feed(live, views, directory, registry, clock, watch.wake),
        watch=watch,
        day_starts=day_starts,
        attempts=Attempts(clock),
        acknowledge_tokens=AcknowledgeTokens(engine, clock),
        link_tries=LinkTries(clock),
        shared=SharedSections(clock, lambda: hub.told_count),
        views=views,
        drills=Drills(),
        rules=None if settings.rules_dir is None else RuleFolder(settings.rules_dir),
        rule_states=RuleStates(engine),
        dry_runs=DryRuns(series),
    )


def _facts(listing: MarketListing, live: LiveState, moment: Moment, push: SignagePush) -> Facts:
    """What is said of a market, entry by entry, without what changes by itself (ages)."""
    found: dict[tuple[str, str], Mapping[str, object]] = {}
    seen = occupancy(listing, live, moment).model_dump(mode="json", exclude={"now_unix_ms", "link"})
    for part, name in (("lots", "lot"), ("bays", "bay"), ("gates", "subject"), ("people", "subject")):
        for entry in seen[part]:
            entry.pop("age_s", None)
            found[f"occupancy.{part}", entry[name]] = entry
    for device in devices(listing, live, moment, push.wanted()):
        found["devices.devices", device.device] = _ageless(device.model_dump(mode="json"))
    for fire in live.fires(listing.market.id, moment.now_unix_ms):
        found["devices.fires", fire.event.event_id] = fire.event.model_dump(mode="json")
    for drill in live.drills(listing.market.id, moment.now_unix_ms):
        found["devices.drills", drill.event.event_id] = drill.event.model_dump(mode="json")
    gone = {"live": sorted(one.event.event_id for one in live.fires(listing.market.id, moment.now_unix_ms))}
    found["devices.fires_burning", ""] = gone
    return found


def _ageless(entry: dict[str, object]) -> dict[str, object]:
    """The entry without ages and without the agent's own figures, which change all the time and matter little."""
    kept = {name: value for name, value in entry.items() if not name.endswith("age_s") and name != "agent"}
    for part in ("cameras", "screens", "sirens"):
        inner = kept[part]
        assert isinstance(inner, list)  # noqa: S101 — narrows what model_dump made of a tuple of models
        kept[part] = [{key: value for key, value in one.items() if key != "age_s"} for one in inner]
    return kept
