"""Dry runs of rules, started from their page: one at a time, beside the requests; the newest few are kept.

A month of a large market is tens of millions of readings, so a page asks again until it is done.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import structlog

from broker.console.problems import ExplainedError, NotHereError
from broker.rules.dry_run import Span, SubjectRun, Total, dry_run, series_of
from broker.rules.model import Rule
from broker.series.ports import SeriesStore
from runtime.errors import JangteoError

log = structlog.get_logger(__name__)

KEPT_MAX = 8
SUBJECTS_SHOWN_MAX = 200
CLOSE_WITHIN_S = 5.0


class BusyError(ExplainedError):
    """Another dry run is going on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for: `month` as YYYY-MM, `span` as far of it as has passed."""

    rule: Rule
    market: str
    month: str
    span: Span


@dataclass(frozen=True, slots=True)
class DryRun:
    """How far a dry run is. `runs` are the first subjects on which it would have fired, `of` all that there are."""

    number: int
    asked: Asked
    state: Literal["running", "done", "failed"] = "running"
    of: int | None = None
    total: Total = field(default_factory=Total)
    runs: tuple[SubjectRun, ...] = ()

    @property
    def known_share(self) -> float | None:
        """For how much of the time values are known; None while nothing has been looked at."""
        looked_ms = self.total.subjects * self.asked.span.ms
        return self.total.known_ms / looked_ms if looked_ms else None


class DryRuns:
    """Runs dry, and keeps what came of it in memory."""

    def __init__(self, series: SeriesStore) -> None:
        self._series = series
        self._lock = threading.Lock()
        self._kept: dict[int, DryRun] = {}
        self._next = 1
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def begin(self, asked: Asked) -> int:
        """Start one; its number.

        Raises:
            BusyError: another one is going on.
        """
        with self._lock:
            if any(one.state == "running" for one in self._kept.values()):
                raise BusyError("dry_run_busy")
            number, self._next = self._next, self._next + 1
            self._kept[number] = DryRun(number, asked)
            while len(self._kept) > KEPT_MAX:
                del self._kept[next(iter(self._kept))]
            self._thread = threading.Thread(target=self._run, args=(number,), name=f"dry-run-{number}", daemon=True)
            self._thread.start()
        return number

    def get(self, number: int) -> DryRun:
        """How far it is.

        Raises:
            NotHereError: there is none with this number, or no longer.
        """
        with self._lock:
            found = self._kept.get(number)
        if found is None:
            raise NotHereError("dry_run", n=number)
        return found

    def newest(self) -> Sequence[DryRun]:
        """Those that are kept, newest first."""
        with self._lock:
            return tuple(reversed(self._kept.values()))

    def close(self) -> None:
        """End what is going on."""
        self._is_closed = True
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(CLOSE_WITHIN_S)

    def _run(self, number: int) -> None:
        asked, total = self.get(number).asked, Total()
        rule, span = asked.rule, asked.span
        try:
            found = series_of(rule, self._series, span.from_unix_ms)
            series = [one for one in found if one.market == asked.market]
            self._note(number, of=len(series))
            for run in dry_run(rule, self._series, series, span, lambda: not self._is_closed):
                total.add(run)
                self._note(number, total=replace(total), run=run)
            self._end(number, "failed" if self._is_closed else "done")
        except JangteoError as error:
            log.warning("dry_run.failed", rule=rule.name, reason=str(error))
            self._end(number, "failed")
        except Exception:
            self._end(number, "failed")  # the page says so, whatever it was
            raise

    def _note(
        self, number: int, *, of: int | None = None, total: Total | None = None, run: SubjectRun | None = None
    ) -> None:
        with self._lock:
            kept = self._kept.get(number)
            if kept is None:
                return
            runs = (
                (*kept.runs, run)
                if run is not None and run.count and len(kept.runs) < SUBJECTS_SHOWN_MAX
                else kept.runs
            )
            self._kept[number] = replace(kept, of=kept.of if of is None else of, total=total or kept.total, runs=runs)

    def _end(self, number: int, state: Literal["done", "failed"]) -> None:
        with self._lock:
            if number in self._kept:
                self._kept[number] = replace(self._kept[number], state=state)
