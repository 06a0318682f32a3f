"""Ingest, put together: broker → decode → series store → central state → receipts → acknowledgement."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import structlog
from sqlalchemy import Engine

from broker.ingest.gaps import GapReview
from broker.ingest.known import KnownSeries
from broker.ingest.ledger import Ledger
from broker.ingest.pipeline import Pipeline
from broker.ingest.progress import Progress
from broker.ingest.replay import Replayer
from broker.ingest.reporter import Reporter
from broker.ingest.settings import IngestSettings
from broker.ingest.stages.count import Count
from broker.ingest.stages.decode import Decode
from broker.ingest.stages.receipts import SendReceipts
from broker.ingest.stages.record import Record
from broker.ingest.stages.write import Write
from broker.series.ports import SeriesStore
from broker.series.settings import open_series_store
from broker.stores.database import StoreUnavailableError, migrate_when_there, open_database
from broker.stores.deliveries import Deliveries
from broker.stores.gap_records import GapRecords
from broker.stores.parts import Parts
from broker.stores.registry import Registry
from broker.stores.sequences import Sequences
from contract.catalog import CATALOG, Role
from contract.topics import TopicFilter
from runtime.clock import Clock, SystemClock
from runtime.steady_heap import settle_heap
from runtime.watchdog import Watchdog
from transport.mqtt_consumer import MqttConsumer
from transport.ports import ConsumerSettings, Publisher

BATCH_S_MAX = 300.0  # longer than every time-out of a batch together: what is at it still has stalled
LEDGER_SILENT_S_MAX = 300.0
REPORTER_SILENT_S_MAX = 120.0

log = structlog.get_logger(__name__)


def consumer_settings(share_group: str | None) -> ConsumerSettings:
    """What ingest subscribes to: every channel of the catalogue that has ingest among its readers."""
    rows = [row for row in CATALOG if Role.INGEST in row.readers]
    return ConsumerSettings(
        filters=tuple(TopicFilter(channel=row.channel, name=row.name) for row in rows),
        body_bytes_max=max(row.bytes_max for row in rows),
        share_group=share_group,
    )


def build_pipeline(
    engine: Engine,
    store: SeriesStore,
    progress: Progress,
    publisher: Callable[[], Publisher],
    clock: Clock,
    *,
    known: KnownSeries | None = None,
) -> Pipeline:
    """The stages in their order. `publisher` is asked for when the first receipt goes out.

    `known` is the registry as `Decode` uses it; without one it gets its own, read at the first batch.
    """
    stages = (
        Decode(known or KnownSeries(Registry(engine), clock)),
        Write(store, progress, clock),
        Record(Deliveries(engine)),
        SendReceipts(publisher, clock),
        Count(progress),
    )
    return Pipeline(stages, progress, clock)


def run_ingest(settings: IngestSettings, stop: threading.Event) -> None:
    """Ingest until `stop` is set.

    Raises:
        runtime.errors.SettingsError: the database URL or the token file cannot be used.
        transport.ports.BusSettingsError: the broker refused us for good.
    """
    clock = SystemClock()
    engine = open_database(settings.database_url)
    store = open_series_store(settings.series)
    try:
        if migrate_when_there(engine, stop):
            _consume(settings, engine, store, clock, stop)
    finally:
        store.close()
        engine.dispose()


def _consume(settings: IngestSettings, engine: Engine, store: SeriesStore, clock: Clock, stop: threading.Event) -> None:
    progress = Progress(clock)
    known = KnownSeries(Registry(engine), clock)
    pipeline = build_pipeline(engine, store, progress, lambda: consumer.publisher, clock, known=known)
    consumer = MqttConsumer(
        settings.broker_settings(), consumer_settings(settings.share_group), pipeline, client=settings.mqtt_client
    )
    with closing(open_series_store(settings.series)) as quiet_store:  # the ledger's thread never waits for a batch
        watchdog = Watchdog(clock)
        watchdog.watch_age("batch", BATCH_S_MAX, progress.busy_s)
        review = gap_review(engine, quiet_store, clock, settings.gap_patience_s)
        ledger = Ledger(
            review, Replayer(engine, quiet_store, progress, clock), watchdog.watch("ledger", LEDGER_SILENT_S_MAX)
        )
        beat = watchdog.watch("reporter", REPORTER_SILENT_S_MAX)
        parts = Parts(engine, clock)
        reporter = Reporter(settings.part, parts, progress, review, lambda: consumer.connected, beat)
        log.info("ingest.started", host=settings.broker.host, port=settings.broker.port, store=settings.series.kind)
        _settle(known)
        try:
            with _running(watchdog, ledger.run, reporter.run):
                consumer.run(stop)
        finally:
            log.info("ingest.stopped", **progress.report().counters)


def _settle(known: KnownSeries) -> None:
    """Read the registry before the first message, so that it is among what the garbage collector leaves alone."""
    try:
        known.begin()
    except StoreUnavailableError as error:
        log.warning("registry.unavailable", error=str(error), known_markets=0)  # the first batch reads it
    settle_heap()


@contextmanager
def _running(watchdog: Watchdog, *loops: Callable[[threading.Event], None]) -> Iterator[None]:
    """The loops, each in a thread of its own, and the watchdog over them."""
    ended = threading.Event()
    threads = [threading.Thread(target=loop, args=(ended,), name=f"ingest-{loop.__qualname__}") for loop in loops]
    for thread in threads:
        thread.start()
    watchdog.start()
    try:
        yield
    finally:
        watchdog.stop()
        ended.set()
        for thread in threads:
            thread.join()


def gap_review(engine: Engine, store: SeriesStore, clock: Clock, patience_s: float) -> GapReview:
    """The review of delivery numbers, put together."""
    return GapReview(Sequences(engine, clock, patience_s=patience_s), GapRecords(engine), store, clock)
