"""Ingest, put together: broker → decode → series store → dead letter → receipts → acknowledgement."""

import threading
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy import Engine, select

from broker.ingest.gaps import GapWatch
from broker.ingest.known import KnownSeries
from broker.ingest.pipeline import Pipeline
from broker.ingest.progress import Progress
from broker.ingest.reporter import Reporter
from broker.ingest.settings import IngestSettings
from broker.ingest.stages.count import Count
from broker.ingest.stages.dead_letter import KeepDeadLetters
from broker.ingest.stages.decode import Decode
from broker.ingest.stages.receipts import SendReceipts
from broker.ingest.stages.write import Write
from broker.ingest.work import DeviceEpoch
from broker.series.ports import SeriesStore
from broker.series.settings import open_series_store
from broker.stores.database import StoreUnavailableError, migrate, open_database
from broker.stores.dead_letters import DeadLetters
from broker.stores.parts import Parts
from broker.stores.registry import Registry
from broker.stores.schema import incident_events
from contract.catalog import CATALOG, Role
from contract.topics import TopicFilter
from runtime.backoff import Backoff
from runtime.clock import Clock, SystemClock
from transport.mqtt_consumer import MqttConsumer
from transport.ports import ConsumerSettings, Publisher

SEQS_PER_QUERY_MAX = 500

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
    engine: Engine, store: SeriesStore, progress: Progress, gaps: GapWatch | None, publisher: Callable[[], Publisher]
) -> Pipeline:
    """The stages in their order. `publisher` is asked for when the first receipt goes out."""
    clock = SystemClock()
    stages = (
        Decode(KnownSeries(Registry(engine), clock)),
        Write(store, progress, clock),
        KeepDeadLetters(DeadLetters(engine)),
        SendReceipts(publisher),
        Count(progress, gaps),
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
        if _migrate_when_there(engine, stop):
            _consume(settings, engine, store, clock, stop)
    finally:
        store.close()
        engine.dispose()


def _consume(settings: IngestSettings, engine: Engine, store: SeriesStore, clock: Clock, stop: threading.Event) -> None:
    progress = Progress(clock)
    # A worker of a group sees a part of each device's numbers: the rest would look like gaps.
    gaps = GapWatch(clock, StoredByAlerts(engine)) if settings.share_group is None else None
    pipeline = build_pipeline(engine, store, progress, gaps, lambda: consumer.publisher)
    consumer = MqttConsumer(settings.broker_settings(), consumer_settings(settings.share_group), pipeline)
    reporter = Reporter(settings.part, Parts(engine, clock), progress, gaps, lambda: consumer.connected)
    ended = threading.Event()
    thread = threading.Thread(target=reporter.run, args=(ended,), name="ingest-reporter")
    thread.start()
    log.info("ingest.started", host=settings.broker.host, port=settings.broker.port, store=settings.series.kind)
    try:
        consumer.run(stop)
    finally:
        ended.set()
        thread.join()
        log.info("ingest.stopped", **progress.report().counters)


def _migrate_when_there(engine: Engine, stop: threading.Event) -> bool:
    """Bring the central state up to date, waiting for it if need be; false when stopped before that."""
    backoff = Backoff()
    while not stop.is_set():
        try:
            migrate(engine)
        except StoreUnavailableError as error:
            delay_s = backoff.next_delay_s()
            log.warning("database.unavailable", error=str(error), retry_in_s=round(delay_s, 1))
            stop.wait(delay_s)
        else:
            return True
    return False


class StoredByAlerts:
    """Which numbers alerts has stored: it keeps events, of which ingest does not read all."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, source: DeviceEpoch, seqs: Sequence[int]) -> frozenset[int]:
        """The numbers among `seqs` that are in the incidents' tables."""
        identity, epoch = source
        table = incident_events
        here = (table.c.market == identity.market, table.c.device == identity.device, table.c.epoch == epoch)
        found: set[int] = set()
        with self._engine.connect() as connection:
            for start in range(0, len(seqs), SEQS_PER_QUERY_MAX):
                part = list(seqs[start : start + SEQS_PER_QUERY_MAX])
                query = select(table.c.seq).where(*here, table.c.seq.in_(part))
                found.update(connection.execute(query).scalars())
        return frozenset(found)
