"""Says every two seconds, from a thread of its own, that ingest is there and how it does."""

import threading
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from broker.ingest.gaps import GapReview
from broker.ingest.progress import Progress
from broker.stores.parts import Parts
from runtime.watchdog import Beat

REPORT_EVERY_S = 2.0
LOOK_EVERY_S = 0.25
NOT_CONNECTED = "not connected to the MQTT broker"
BUSY_SAID_S = 30.0  # long before the watchdog ends the process

log = structlog.get_logger(__name__)


class Reporter:
    """Writes part status. While the central state does not answer it goes on trying; the part then shows as stale."""

    def __init__(
        self,
        part: str,
        parts: Parts,
        progress: Progress,
        gaps: GapReview,
        connected: Callable[[], bool],
        beat: Beat = lambda: None,
    ) -> None:
        self._part = part
        self._parts = parts
        self._progress = progress
        self._gaps = gaps
        self._connected = connected
        self._beat = beat
        self._failed = False

    def run(self, stop: threading.Event) -> None:
        """Report every `REPORT_EVERY_S`, and at once when the state changes, until `stop`; once more then."""
        said, waited_s = None, 0.0
        while not stop.is_set():
            self._beat()
            detail = self._detail()
            if detail != said or waited_s >= REPORT_EVERY_S:
                self.report()
                said, waited_s = detail, 0.0
            stop.wait(LOOK_EVERY_S)
            waited_s += LOOK_EVERY_S
        self.report()

    def report(self) -> None:
        """Report once; an unreachable central state is logged the first time."""
        try:
            detail = self._detail()
            state = "degraded" if detail else "ok"
            counters = self._progress.report().counters | self._gaps.counters()
            self._parts.report(self._part, state, counters, detail=detail)
        except SQLAlchemyError as error:
            if not self._failed:
                log.warning("report.failed", error=str(error))
            self._failed = True
        else:
            self._failed = False

    def _detail(self) -> str:
        """What is wrong, empty when nothing is."""
        held = self._progress.report().held_because
        if held or not self._connected():
            return held or NOT_CONNECTED
        busy_s = self._progress.busy_s()
        return f"one batch takes over {BUSY_SAID_S:g} s" if busy_s > BUSY_SAID_S else ""
