"""The alerts service put together: what hears, what sends, and what the active one of several watches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from broker.alerts.absence import NAME, absences, differences
from broker.alerts.balance import BalanceWatch
from broker.alerts.canary import Canary
from broker.alerts.central_watch import CentralWatch
from broker.alerts.counters import Counters
from broker.alerts.disk import DiskWatch, folder_of
from broker.alerts.dispatcher import Dispatcher
from broker.alerts.duties import Duty
from broker.alerts.lease import Lease
from broker.alerts.links import Links
from broker.alerts.pipeline import Pipeline, Stores
from broker.alerts.plugins import build
from broker.alerts.policy import Composers
from broker.alerts.ports import Notifier
from broker.alerts.providers import gives_receipts
from broker.alerts.repeats import Repeats
from broker.alerts.settings import AlertsSettings
from broker.alerts.stages.recognise import sighting_again
from broker.alerts.stalled import NAMES as STALL_NAMES
from broker.alerts.stalled import StallWatch
from broker.alerts.stalled import differences as stall_differences
from broker.alerts.storm import Storms
from broker.stores.database import as_retryable, open_database
from broker.stores.dead_letters import DeadLetters
from broker.stores.incident_models import Sighting
from broker.stores.incidents import Incidents
from broker.stores.leases import Leases
from broker.stores.messages import SMS, Messages, release_leased
from broker.stores.parts import Parts
from broker.stores.presses import Presses
from broker.stores.registry import Registry
from broker.stores.stalls import Stalls
from broker.stores.told import DeviceTellings
from contract.events import Phase
from runtime.clock import Clock
from runtime.errors import SettingsError
from transport.ports import Publisher

log = structlog.get_logger(__name__)

REPORT_EVERY_S = 2.0
RETIRED_AFTER_S = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class Service:
    """The parts of a running alerts service, put together but not started."""

    settings: AlertsSettings
    clock: Clock
    engine: Engine
    stores: Stores
    messages: Messages
    parts: Parts
    counters: Counters
    notifiers: tuple[Notifier, ...]
    composers: Composers
    lease: Lease
    dispatcher: Dispatcher
    stall_watch: StallWatch

    def pipeline(self, publisher: Callable[[], Publisher]) -> Pipeline:
        """The batch handler, answering through `publisher`."""
        return Pipeline(
            self.stores,
            self.clock,
            self.counters,
            composers=self.composers,
            publisher=publisher,
            dispatch=self.dispatcher.wake,
            presence_changed=self._somebody_is_back,
            stale_after_s=self.settings.stale_after_s,
        )

    @property
    def carries_unicode(self) -> bool:
        """Whether anybody sends SMS with letters that EUC-KR does not have."""
        return _carries_unicode(self.notifiers)

    def duties(self) -> tuple[Duty, ...]:
        """What the active service looks at again and again, in this order."""
        centre = self._central_watch()
        repeats = Repeats(self.engine, self.clock, self.composers)
        return (
            Duty("absence", REPORT_EVERY_S, self.watch_absence, needs_link=True),
            Duty("stalls", REPORT_EVERY_S, self.watch_stalls),
            Duty("tell-acknowledged", 1.0, self.tell_acknowledged),
            Duty("repeats", 5.0, lambda: self._wake_if(repeats.look())),
            Duty("undeliverable", 10.0, centre.undeliverable),
            Duty("close", 10.0, self.stores.incidents.close_over),
            Duty("canary", 15.0, centre.canary),
            Duty("disk", 60.0, centre.disk),
            Duty("balance", 600.0, centre.balance),
        )

    def take_over(self) -> None:
        """Our term has begun: active fires get the messages that they lack.

        Raises:
            StoreUnavailableError: try again soon.
        """
        self.reevaluate()
        self.dispatcher.wake()
        self.counters.add("terms_total")
        log.warning("alerts.active", term=self.lease.term)

    def tell_acknowledged(self) -> None:
        """Tell everybody who was told of an incident that somebody has acknowledged it, wherever that was done.

        Raises:
            StoreUnavailableError: try again later.
        """
        waiting = self.stores.incidents.acknowledged_untold()
        if waiting:
            composer = self.composers({one.market for one in waiting})
            self._wake_if(self.stores.incidents.tell_acknowledged(waiting, composer.acknowledged))

    def watch_absence(self, *, raising: bool = True) -> None:
        """Let the incidents say who is away; without `raising` only who is back.

        Raises:
            StoreUnavailableError: try again later.
        """
        now = self.clock.unix_ms()
        try:
            away = absences(self.stores.registry.devices(), now, self.settings.absent_after_s)
            sightings = differences(away, self.stores.incidents.open_sightings(NAME), now)
            if not raising:
                sightings = tuple(one for one in sightings if one.phase is Phase.CLEARED)
        except DBAPIError as error:
            raise as_retryable(error) from error
        self.record(sightings)

    def watch_stalls(self) -> None:
        """Let the incidents say which parts are unwell and whose readings do not arrive in the database.

        Parts that have been silent for a week while another does their work are retired: they are forgotten first.

        Raises:
            StoreUnavailableError: try again later.
        """
        now = self.clock.unix_ms()
        try:
            for part in self.parts.forget_older_than(RETIRED_AFTER_S):
                log.warning("part.forgotten", part=part, silent_days_min=RETIRED_AFTER_S / 86_400)
            found = self.stall_watch.look(self.parts.all(), Stalls(self.engine).all(), self.clock.monotonic_s())
            known = {name: self.stores.incidents.open_sightings(name) for name in STALL_NAMES}
            markets = [one.id for one in self.stores.registry.markets()]
        except DBAPIError as error:
            raise as_retryable(error) from error
        self.record(stall_differences(found, markets, known, now))

    def record(self, sightings: Sequence[Sighting]) -> None:
        """Write what was seen here, not by a device, with the messages that it sends.

        Raises:
            StoreUnavailableError: nothing was written; try again later.
        """
        if sightings:
            self.stores.incidents.record(sightings, self.composers({one.market for one in sightings}))
            self.dispatcher.wake()

    def reevaluate(self) -> None:
        """Give active fires that nobody has acknowledged the messages they lack.

        Raises:
            StoreUnavailableError: try again later.
        """
        now = self.clock.unix_ms()
        added = self.stores.incidents.reevaluate(
            self.composers, lambda event, incident: sighting_again(event, incident, now)
        )
        if added:
            self.dispatcher.wake()
            log.warning("alerts.reevaluated", messages=added)

    def report(
        self, *, connected: bool, complaints: Sequence[str] = (), counters: Mapping[str, float] | None = None
    ) -> None:
        """Tell the part status what was done and what is wrong.

        `complaints` and `counters` are those of others; empty complaints are left out.

        Raises:
            StoreUnavailableError: try again later.
        """
        due = self.messages.next_due_unix_ms()
        is_active = self.lease.held
        lag_s = 0.0 if due is None or not is_active else max(0.0, (self.clock.unix_ms() - due) / 1000)
        state = {"dispatch_lag_s": lag_s, "bus_connected": float(connected), "is_active": float(is_active)}
        wrong = [] if connected else ["no link to the MQTT broker: events wait there and on the devices"]
        if is_active and self.dispatcher.last_error:
            wrong.append(f"messages do not go out: {self.dispatcher.last_error}")
        if is_active and self.dispatcher.suspects():
            wrong.append(f"passed over because they hang or fail: {', '.join(self.dispatcher.suspects())}")
        wrong += [one for one in complaints if one]
        try:
            mute = self.stores.registry.markets_without_recipients()
            if mute:
                wrong.append(f"no recipients for market {', '.join(mute)}: nobody would be told of a fire there")
            told = {**self.counters.all(), **(counters or {}), **state}
            self.parts.report(self.settings.part, "degraded" if wrong else "ok", told, detail="; ".join(wrong))
        except DBAPIError as error:
            raise as_retryable(error) from error

    def _somebody_is_back(self) -> None:
        if self.lease.held:
            self.watch_absence(raising=False)

    def _wake_if(self, written: int) -> None:
        if written:
            self.dispatcher.wake()

    def _central_watch(self) -> CentralWatch:
        folder, bird, market = folder_of(self.settings.database_url), self.settings.canary, self.settings.central_market
        return CentralWatch(
            self.stores.incidents,
            self.stores.registry,
            self.messages,
            self.clock,
            self.record,
            self.dispatcher.wake,
            BalanceWatch(self.notifiers),
            market,
            None if folder is None else DiskWatch(folder),
            None if bird is None or market is None else Canary(bird, market, self.messages),
        )


def assemble(settings: AlertsSettings, clock: Clock) -> Service:
    """The service's parts; connects to nothing.

    Raises:
        SettingsError: a setting or a secret file cannot be used.
    """
    engine = open_database(settings.database_url)
    messages, counters = Messages(engine, clock), Counters()
    notifiers = tuple(build(one) for one in settings.notifiers)
    if settings.canary is not None and not any(SMS in one.channels and gives_receipts(one) for one in notifiers):
        raise SettingsError(
            "canary: none of the notifiers gives receipts for SMS: its message could never be confirmed"
        )
    incidents = Incidents(engine, clock, settings.window_s)
    stores = Stores(Registry(engine), incidents, DeadLetters(engine), Presses(engine), DeviceTellings(engine))
    composers = Composers(
        engine,
        clock,
        link=Links(settings.public_url, clock),
        channels=frozenset(channel for one in notifiers for channel in one.channels),
        unicode=_carries_unicode(notifiers),
    )
    # what the one before us was sending when it died is sent at once, not when each lease has run out
    lease = Lease(Leases(engine), clock, settings.worker, first=release_leased)
    storms = Storms(engine, clock, composers)
    dispatcher = Dispatcher(messages, notifiers, clock, counters, lease=lease, gather=storms.gather)
    return Service(
        settings,
        clock,
        engine,
        stores,
        messages,
        Parts(engine, clock),
        counters,
        notifiers,
        composers,
        lease,
        dispatcher,
        StallWatch(settings.part),
    )


def _carries_unicode(notifiers: Sequence[Notifier]) -> bool:
    return any(one.carries_unicode for one in notifiers if SMS in one.channels)
