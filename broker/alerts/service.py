"""The alerts service: events in over MQTT, messages out through notifiers, until told to stop."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from broker.alerts.absence import NAME, absences, differences
from broker.alerts.counters import Counters
from broker.alerts.dispatcher import Dispatcher
from broker.alerts.dlr import ReceiptListener, receipts_app
from broker.alerts.pipeline import Pipeline, Stores
from broker.alerts.plugins import build
from broker.alerts.policy import Composer, load_rosters
from broker.alerts.ports import Notifier, Receipting
from broker.alerts.settings import AlertsSettings
from broker.alerts.stages.recognise import sighting_again
from broker.alerts.stalled import NAMES as STALL_NAMES
from broker.alerts.stalled import StallWatch
from broker.alerts.stalled import differences as stall_differences
from broker.stores.database import StoreUnavailableError, as_retryable, migrate, open_database
from broker.stores.dead_letters import DeadLetters
from broker.stores.incident_models import Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from broker.stores.parts import Parts
from broker.stores.registry import Registry
from broker.stores.stalls import Stalls
from contract.catalog import CATALOG, EVENT_BYTES_MAX, Role
from contract.events import Phase
from contract.topics import TopicFilter
from runtime.backoff import Backoff
from runtime.clock import Clock, SystemClock
from runtime.watchdog import Beat, Watchdog
from transport.mqtt_consumer import MqttConsumer
from transport.ports import Consumer, ConsumerSettings, Publisher

log = structlog.get_logger(__name__)

PART = "alerts"
REPORT_EVERY_S = 2.0
JOIN_S_MAX = 10.0
LOOP_S_MAX = 180.0  # a round asks the database a dozen times, 10 s each at most; what takes longer hangs
BATCH_S_MAX = 300.0  # longer than every time-out of one try together; between tries nothing is owed
SEND_S_MAX = 60.0  # a notifier has 7 s, the mark in the database 10 s
RETIRED_AFTER_S = 7 * 86_400.0
SETTLE_S = 5.0  # after connecting, retained presence comes first: nobody is called absent before it is heard
FILTERS = tuple(TopicFilter(channel=row.channel, name=row.name) for row in CATALOG if Role.ALERTS in row.readers)
# No lingering: an alarm is handed over as it comes. The window bounds what a restart may see again.
CONSUMER = ConsumerSettings(
    filters=FILTERS, batch_messages_max=100, linger_s=0.0, unacknowledged_max=400, body_bytes_max=EVENT_BYTES_MAX
)


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
    dispatcher: Dispatcher
    stall_watch: StallWatch = field(default_factory=lambda: StallWatch(PART))

    def pipeline(self, publisher: Callable[[], Publisher]) -> Pipeline:
        """The batch handler, answering through `publisher`."""
        return Pipeline(
            self.stores,
            self.clock,
            self.counters,
            publisher=publisher,
            dispatch=self.dispatcher.wake,
            presence_changed=lambda: self.watch_absence(raising=False),
            stale_after_s=self.settings.stale_after_s,
        )

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
        self._record(sightings, now)

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
        self._record(stall_differences(found, markets, known, now), now)

    def _record(self, sightings: Sequence[Sighting], now_unix_ms: int) -> None:
        if not sightings:
            return
        rosters = load_rosters(self.stores.registry, {one.market for one in sightings})
        self.stores.incidents.record(sightings, Composer(rosters, now_unix_ms))
        self.dispatcher.wake()

    def reevaluate(self) -> None:
        """After a start: active fires that nobody has acknowledged get the messages they lack.

        Raises:
            StoreUnavailableError: try again later.
        """
        now = self.clock.unix_ms()
        try:
            markets = {one.id for one in self.stores.registry.markets()}
        except DBAPIError as error:
            raise as_retryable(error) from error
        rosters = load_rosters(self.stores.registry, markets)
        added = self.stores.incidents.reevaluate(
            Composer(rosters, now), lambda event, incident: sighting_again(event, incident, now)
        )
        if added:
            log.warning("alerts.reevaluated", messages=added)

    def report(self, *, connected: bool) -> None:
        """Tell the part status what was done and what is wrong.

        Raises:
            StoreUnavailableError: try again later.
        """
        due = self.messages.next_due_unix_ms()
        lag_s = 0.0 if due is None else max(0.0, (self.clock.unix_ms() - due) / 1000)
        counters = {**self.counters.all(), "dispatch_lag_s": lag_s, "bus_connected": float(connected)}
        wrong = [] if connected else ["no link to the MQTT broker: events wait there and on the devices"]
        if self.dispatcher.last_error:
            wrong.append(f"messages do not go out: {self.dispatcher.last_error}")
        try:
            mute = self.stores.registry.markets_without_recipients()
            if mute:
                wrong.append(f"no recipients for market {', '.join(mute)}: nobody would be told of a fire there")
            self.parts.report(PART, "degraded" if wrong else "ok", counters, detail="; ".join(wrong))
        except DBAPIError as error:
            raise as_retryable(error) from error


def assemble(settings: AlertsSettings, clock: Clock) -> Service:
    """The service's parts; connects to nothing.

    Raises:
        SettingsError: a setting or a secret file cannot be used.
    """
    engine = open_database(settings.database_url)
    messages, counters = Messages(engine, clock), Counters()
    notifiers = tuple(build(one) for one in settings.notifiers)
    stores = Stores(Registry(engine), Incidents(engine, clock, settings.window_s), DeadLetters(engine))
    dispatcher = Dispatcher(messages, notifiers, clock, counters)
    parts = Parts(engine, clock)
    return Service(settings, clock, engine, stores, messages, parts, counters, notifiers, dispatcher)


def run_alerts(settings: AlertsSettings, stop: threading.Event) -> None:
    """Run until `stop` is set; a database or broker that is away is waited for.

    Raises:
        SettingsError: a setting or a secret file cannot be used.
        BusSettingsError: the MQTT broker refused us for good.
        ReceiptsPortError: a receipts port is in use.
    """
    service = assemble(settings, SystemClock())
    _wait_for_database(service, stop)
    watchdog = Watchdog(service.clock)
    consumer = _consumer(settings, service, watchdog)
    watch_beat, dispatch_beat = watchdog.watch("watch", LOOP_S_MAX), watchdog.watch("dispatch", LOOP_S_MAX)
    watchdog.watch_age("send", SEND_S_MAX, service.dispatcher.busy_s)
    with ExitStack() as stack:
        for notifier in service.notifiers:
            stack.callback(notifier.close)
            if isinstance(notifier, Receipting):
                app = receipts_app(notifier.name, notifier, service.messages, service.counters)
                stack.enter_context(ReceiptListener(app, notifier.receipts_port))
        threads = (
            _Thread("dispatch", lambda: service.dispatcher.run(stop, dispatch_beat), stop),
            _Thread("watch", lambda: _watch(service, consumer, stop, watch_beat), stop),
        )
        for thread in threads:
            thread.start()
        watchdog.start()
        log.info("alerts.started", notifiers=[one.name for one in service.notifiers])
        try:
            consumer.run(stop)
        finally:
            watchdog.stop()
            stop.set()
            service.dispatcher.wake()
            for thread in threads:
                thread.join(JOIN_S_MAX)
    for thread in threads:
        if thread.error is not None:
            raise thread.error
    log.info("alerts.stopped")


class _Thread(threading.Thread):
    """A thread whose end ends the service; `error` is why, and is raised again by `run_alerts`."""

    def __init__(self, name: str, work: Callable[[], None], stop: threading.Event) -> None:
        super().__init__(name=name)
        self._work = work
        self._stop_all = stop
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            self._work()
        except Exception as error:  # noqa: BLE001 — kept and raised again in the main thread: supervision restarts the process
            self.error = error
        finally:
            self._stop_all.set()


def _consumer(settings: AlertsSettings, service: Service, watchdog: Watchdog) -> Consumer:
    def publisher() -> Publisher:
        return consumer.publisher

    pipeline = service.pipeline(publisher)
    watchdog.watch_age("batch", BATCH_S_MAX, pipeline.busy_s)
    consumer: Consumer = MqttConsumer(settings.broker_settings(), CONSUMER, pipeline)
    return consumer


def _wait_for_database(service: Service, stop: threading.Event) -> None:
    backoff = Backoff()
    while not stop.is_set():
        try:
            migrate(service.engine)
            service.reevaluate()
        except StoreUnavailableError as error:
            delay_s = backoff.next_delay_s()
            log.warning("alerts.store-unavailable", reason=str(error), retry_in_s=round(delay_s, 1))
            stop.wait(delay_s)
        else:
            return


def _watch(service: Service, consumer: Consumer, stop: threading.Event, beat: Beat) -> None:
    """Report every 2 s, look for what is stalled, and for absent devices while our own link has stood long enough."""
    linked_since_s: float | None = None
    while not stop.is_set():
        now_s = service.clock.monotonic_s()
        connected = consumer.connected
        linked_since_s = (now_s if linked_since_s is None else linked_since_s) if connected else None
        try:
            if linked_since_s is not None and now_s - linked_since_s >= SETTLE_S:
                service.watch_absence()
            service.watch_stalls()
            service.report(connected=connected)
        except StoreUnavailableError as error:
            log.warning("alerts.store-unavailable", reason=str(error))
        beat()
        stop.wait(REPORT_EVERY_S)
