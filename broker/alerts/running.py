"""Runs the alerts service: events in over MQTT, messages out through notifiers, until told to stop.

Of several on one central state all hear and commit; one, by its lease, sends and watches (`broker.alerts.lease`).
"""

import threading
from contextlib import ExitStack

import structlog

from broker.alerts.duties import DutyRound
from broker.alerts.ending_thread import EndingThread
from broker.alerts.inbound import Inbound
from broker.alerts.replies import ReplyDesk
from broker.alerts.rules.work import RuleWork, rule_work
from broker.alerts.service import REPORT_EVERY_S, Service, assemble
from broker.alerts.settings import AlertsSettings
from broker.series.settings import open_series_store
from broker.stores.audit import Audit
from broker.stores.database import migrate_when_there
from broker.stores.replies import Replies
from contract.catalog import CATALOG, EVENT_BYTES_MAX, Role
from contract.topics import TopicFilter
from runtime.clock import SystemClock
from runtime.errors import RetryableError
from runtime.watchdog import Beat, Watchdog
from transport.mqtt_consumer import MqttConsumer
from transport.ports import Consumer, ConsumerSettings, Publisher

log = structlog.get_logger(__name__)

TAKE_OVER_AGAIN_S = 0.3
JOIN_S_MAX = 10.0
LOOP_S_MAX = 180.0  # a round asks the database a dozen times, 10 s each at most; what takes longer hangs
BATCH_S_MAX = 300.0  # longer than every time-out of one try together; between tries nothing is owed
SEND_S_MAX = 60.0  # a notifier has 7 s, the mark in the database 10 s
LEASE_S_MAX = 60.0  # three statements, 10 s each at most
SETTLE_S = 5.0  # after connecting, retained presence comes first: nobody is called absent before it is heard
FILTERS = tuple(TopicFilter(channel=row.channel, name=row.name) for row in CATALOG if Role.ALERTS in row.readers)
# No lingering: an alarm is handed over as it comes. The window bounds what a restart may see again.
CONSUMER = ConsumerSettings(
    filters=FILTERS, batch_messages_max=100, linger_s=0.0, unacknowledged_max=400, body_bytes_max=EVENT_BYTES_MAX
)


def run_alerts(settings: AlertsSettings, stop: threading.Event) -> None:
    """Run until `stop` is set; a database or broker that is away is waited for.

    Raises:
        SettingsError: a setting or a secret file cannot be used.
        BusSettingsError: the MQTT broker refused us for good.
        ReceiptsPortError: a receipts port is in use.
    """
    service = assemble(settings, SystemClock())
    if not migrate_when_there(service.engine, stop):
        return
    watchdog = Watchdog(service.clock)
    consumer = _consumer(service, watchdog)
    watchdog.watch_age("send", SEND_S_MAX, service.dispatcher.busy_s)
    with ExitStack() as stack:
        for notifier in service.notifiers:
            stack.callback(notifier.close)
        inbound = stack.enter_context(_inbound(service))
        threads = _Threads(service, consumer, inbound, _rules(service, stack), watchdog, stop)
        threads.start()
        watchdog.start()
        log.info("alerts.started", worker=settings.worker, notifiers=[one.name for one in service.notifiers])
        try:
            consumer.run(stop)
        finally:
            watchdog.stop()
            threads.end()
    threads.raise_error()
    log.info("alerts.stopped")


class _Threads:
    """The threads beside the consumer's: dispatch, watch, rules, and the lease's, which outlives the others."""

    def __init__(
        self,
        service: Service,
        consumer: Consumer,
        inbound: Inbound,
        rules: RuleWork | None,
        watchdog: Watchdog,
        stop: threading.Event,
    ) -> None:
        self._service = service
        self._consumer = consumer
        self._inbound = inbound
        self._rules = rules
        self._stop = stop
        self._lease_stop = threading.Event()
        self._taken = threading.Event()
        dispatch_beat, watch_beat = watchdog.watch("dispatch", LOOP_S_MAX), watchdog.watch("watch", LOOP_S_MAX)
        lease_beat = watchdog.watch("lease", LEASE_S_MAX)
        self._workers = [
            EndingThread("dispatch", lambda: service.dispatcher.run(stop, dispatch_beat), stop),
            EndingThread("watch", lambda: self._watch(watch_beat), stop),
        ]
        if rules is not None:
            rules_beat = watchdog.watch("rules", LOOP_S_MAX)
            work = EndingThread("rules", lambda: rules.run(stop, rules_beat, lambda: service.lease.held), stop)
            self._workers.append(work)
        self._lease = EndingThread(
            "lease", lambda: service.lease.run(self._lease_stop, self._taken.set, lease_beat), stop
        )

    def start(self) -> None:
        """Begin; the lease first, so that the others find it."""
        for one in (self._lease, *self._workers):
            one.start()

    def end(self) -> None:
        """Let them finish what they are at. The lease is given back last: another would send what we still send."""
        self._stop.set()
        self._taken.set()
        self._service.dispatcher.wake()
        for one in self._workers:
            one.join(JOIN_S_MAX)
        self._lease_stop.set()
        self._lease.join(JOIN_S_MAX)

    def raise_error(self) -> None:
        """Raise what ended one of them, if anything did."""
        for one in (*self._workers, self._lease):
            if one.error is not None:
                raise one.error

    def _watch(self, beat: Beat) -> None:
        """Report every 2 s, take over when our term begins, and while it runs do the duties."""
        service, duties = self._service, DutyRound(self._service.duties(), self._service.clock)
        linked_since_s: float | None = None
        owed = False
        while not self._stop.is_set():
            now_s, connected = service.clock.monotonic_s(), self._consumer.connected
            linked_since_s = (now_s if linked_since_s is None else linked_since_s) if connected else None
            if self._taken.is_set():
                self._taken.clear()
                owed = True
            try:
                if owed and service.lease.held:
                    service.take_over()
                    owed = False
                if service.lease.held:
                    settled = linked_since_s is not None and now_s - linked_since_s >= SETTLE_S
                    duties.look(linked=settled, going_on=lambda: service.lease.held)
                self._report(connected, duties.complaint)
            except RetryableError as error:
                log.warning("alerts.store-unavailable", reason=str(error))
            beat()
            self._taken.wait(TAKE_OVER_AGAIN_S if owed else REPORT_EVERY_S)

    def _report(self, connected: bool, complaint: str) -> None:
        complaints, counters = [complaint, self._inbound.complaint], dict[str, float]()
        if self._rules is not None:
            complaints.append(self._rules.complaint)
            counters |= self._rules.counters()
        self._service.report(connected=connected, complaints=complaints, counters=counters)


def _rules(service: Service, stack: ExitStack) -> RuleWork | None:
    """The work on rules, where there are any; its store is closed with the stack."""
    folder, series = service.settings.rules_dir, service.settings.series
    if folder is None or series is None:
        return None
    store = open_series_store(series)
    stack.callback(store.close)
    return rule_work(folder, store, service.stores.registry, service.engine, service.clock, record=service.record)


def _consumer(service: Service, watchdog: Watchdog) -> Consumer:
    def publisher() -> Publisher:
        return consumer.publisher

    pipeline = service.pipeline(publisher)
    watchdog.watch_age("batch", BATCH_S_MAX, pipeline.busy_s)
    consumer: Consumer = MqttConsumer(service.settings.broker_settings(), CONSUMER, pipeline)
    return consumer


def _inbound(service: Service) -> Inbound:
    desk = ReplyDesk(
        incidents=service.stores.incidents,
        replies=Replies(service.engine, service.clock),
        audit=Audit(service.engine, service.clock),
        wake=service.dispatcher.wake,
        counters=service.counters,
        unicode=service.carries_unicode,
    )
    return Inbound(
        service.notifiers, service.messages, service.counters, desk.take, collecting=lambda: service.lease.held
    )
