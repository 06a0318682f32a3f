"""Upkeep, put together: roll-ups, retention, stills, incidents, canary and report, each in a thread of its own."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from broker.series.ports import SeriesStore
from broker.series.settings import open_series_store
from broker.stores.database import as_retryable, migrate_when_there, open_database
from broker.stores.incident_removal import IncidentRemoval
from broker.stores.parts import Parts
from broker.stores.registry import Registry
from broker.stores.rollups import Rollups
from broker.stores.stalls import Stalls
from broker.stores.stills import Stills
from broker.upkeep.canary import Canary
from broker.upkeep.incidents import IncidentsRetention
from broker.upkeep.progress import Progress
from broker.upkeep.retention import Retention
from broker.upkeep.rollups import RollUpJob
from broker.upkeep.services import samples_of
from broker.upkeep.settings import UpkeepSettings
from broker.upkeep.stills import StillsRetention
from runtime.backoff import Backoff
from runtime.clock import Clock, SystemClock
from runtime.errors import JangteoError, RetryableError
from runtime.watchdog import Beat, Watchdog

log = structlog.get_logger(__name__)

PART = "upkeep"
ROLLUP_IDLE_S = 5.0
ROLLUP_PAUSE_S = 0.01
RETENTION_IDLE_S = 60.0
RETENTION_PAUSE_S = 0.2  # between two removals: who waits for the embedded store's lock asks every 0.1 s at least
REPORT_EVERY_S = 2.0
SERVICES_EVERY_S = 10.0
REFUSED_DELAY_S = 30.0
WORK_S_MAX = 400.0  # a piece that takes longer hangs: InfluxDB has 300 s for a removal
JOIN_S_MAX = 10.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The parts, put together but not started."""

    settings: UpkeepSettings
    clock: Clock
    engine: Engine
    store: SeriesStore
    parts: Parts
    progress: Progress
    rollups: RollUpJob
    retention: Retention
    stills: StillsRetention
    incidents: IncidentsRetention
    canary: Canary

    def report(self) -> None:
        """Tell the part status what was done and what is wrong.

        Raises:
            StoreUnavailableError: try again later.
        """
        self.canary.note_age()
        detail = self.progress.detail()
        state = "degraded" if detail else "ok"
        try:
            self.parts.report(PART, state, self.progress.counters(), detail=detail)
        except DBAPIError as error:
            raise as_retryable(error) from error

    def write_services(self) -> None:
        """Store every part's counters.

        Raises:
            JangteoError: not stored; these are of the moment and are not tried again.
        """
        try:
            statuses = self.parts.all()
        except DBAPIError as error:
            raise as_retryable(error) from error
        self.store.write(samples_of(statuses, self.clock.unix_ms()))


def assemble(settings: UpkeepSettings, clock: Clock) -> Upkeep:
    """The service's parts; connects to nothing.

    Raises:
        SettingsError: the database URL or the token file cannot be used.
    """
    engine, store = open_database(settings.database_url), open_series_store(settings.series)
    registry, rollups, progress = Registry(engine), Rollups(engine), Progress()
    return Upkeep(
        settings,
        clock,
        engine,
        store,
        Parts(engine, clock),
        progress,
        RollUpJob(settings, store, registry, rollups, clock, progress),
        Retention(settings.retention, store, rollups, clock, progress),
        StillsRetention(settings.stills, Stills(engine), clock, progress),
        IncidentsRetention(settings.incidents, IncidentRemoval(engine), clock, progress),
        Canary(store, registry, Stalls(engine), clock, progress, age_s_max=settings.canary_age_s_max),
    )


def run_upkeep(settings: UpkeepSettings, stop: threading.Event) -> None:
    """Run until `stop` is set; stores that are away are waited for.

    Raises:
        SettingsError: the database URL or the token file cannot be used.
    """
    upkeep = assemble(settings, SystemClock())
    try:
        if migrate_when_there(upkeep.engine, stop):
            _run_tasks(upkeep, stop)
    finally:
        upkeep.store.close()
        upkeep.engine.dispose()


def _run_tasks(upkeep: Upkeep, stop: threading.Event) -> None:
    watchdog = Watchdog(upkeep.clock)
    every_s = upkeep.settings.canary_every_s
    works: Mapping[str, tuple[float, Callable[[], float]]] = {
        "rollups": (ROLLUP_IDLE_S, lambda: ROLLUP_PAUSE_S if upkeep.rollups.step() else ROLLUP_IDLE_S),
        "retention": (RETENTION_IDLE_S, lambda: RETENTION_PAUSE_S if upkeep.retention.step() else RETENTION_IDLE_S),
        "stills": (RETENTION_IDLE_S, lambda: RETENTION_PAUSE_S if upkeep.stills.step() else RETENTION_IDLE_S),
        "incidents": (RETENTION_IDLE_S, lambda: RETENTION_PAUSE_S if upkeep.incidents.step() else RETENTION_IDLE_S),
        "canary": (every_s, lambda: _then(upkeep.canary.look, every_s)),
        "services": (SERVICES_EVERY_S, lambda: _then(upkeep.write_services, SERVICES_EVERY_S)),
        "report": (REPORT_EVERY_S, lambda: _then(upkeep.report, REPORT_EVERY_S)),
    }
    tasks = [
        _Task(name, stop, upkeep.progress, work, watchdog.watch(name, WORK_S_MAX + max(delay_s_max, REFUSED_DELAY_S)))
        for name, (delay_s_max, work) in works.items()
    ]
    for task in tasks:
        task.start()
    watchdog.start()
    log.info("upkeep.started", store=upkeep.settings.series.kind)
    stop.wait()
    watchdog.stop()
    for task in tasks:
        task.join(JOIN_S_MAX)
    log.info("upkeep.stopped", **upkeep.progress.counters())
    for task in tasks:
        if task.error is not None:
            raise task.error


def _then(work: Callable[[], None], delay_s: float) -> float:
    work()
    return delay_s


class _Task(threading.Thread):
    """Work that is done over and over; `work` does a piece and returns how long to wait until the next.

    What may pass is tried again with back-off, what a person has to mend every half a minute; both are said in the part
    status meanwhile. A defect ends the service: `error` is raised again by `run_upkeep`, and supervision restarts it.
    """

    def __init__(
        self, name: str, stop: threading.Event, progress: Progress, work: Callable[[], float], beat: Beat
    ) -> None:
        super().__init__(name=f"upkeep-{name}", daemon=True)
        self._task = name
        self._stop_all = stop
        self._progress = progress
        self._work = work
        self._beat = beat
        self._backoff = Backoff()
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            while not self._stop_all.is_set():
                delay_s = self._once()
                self._beat()
                self._stop_all.wait(delay_s)
        except Exception as error:  # noqa: BLE001 - kept, and raised again by the main thread
            self.error = error
        finally:
            self._stop_all.set()

    def _once(self) -> float:
        try:
            delay_s = self._work()
        except JangteoError as error:
            may_pass = isinstance(error, RetryableError)
            delay_s = self._backoff.next_delay_s() if may_pass else REFUSED_DELAY_S
            log.warning("upkeep.later", task=self._task, reason=str(error), retry_in_s=round(delay_s, 1))
            self._progress.wrong(self._task, str(error))
            return delay_s
        self._backoff.reset()
        self._progress.wrong(self._task, "")
        return delay_s
