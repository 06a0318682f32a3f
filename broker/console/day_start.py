"""What counters said at local midnight, so that a page can say how many came today."""

from collections.abc import Iterable

import structlog

from broker.console.state import DayStart
from broker.series.ports import FieldValue, Series, SeriesStore
from runtime.clock import Clock
from runtime.errors import JangteoError

log = structlog.get_logger(__name__)

MS_PER_MINUTE = 60_000
MS_PER_DAY = 86_400_000
BEFORE_MIDNIGHT_MS = 15 * MS_PER_MINUTE


class DayStarts:
    """Asks the series store once a day for each counter: the last count before midnight, else the day's first."""

    def __init__(self, store: SeriesStore, clock: Clock, utc_offset_minutes: int) -> None:
        self._store = store
        self._clock = clock
        self._offset_ms = utc_offset_minutes * MS_PER_MINUTE
        self._day = 0
        self._known: dict[Series, tuple[int, int]] = {}

    def known(self) -> DayStart:
        """What is known of today."""
        return dict(self._known) if self._today() == self._day else {}

    def ask(self, counters: Iterable[Series]) -> None:
        """Ask for the counters that are not known yet. Reads the store: not for the loop."""
        if self._today() != self._day:
            self._day, self._known = self._today(), {}
        midnight_ms = self._day * MS_PER_DAY - self._offset_ms
        for series in counters:
            if series in self._known:
                continue
            try:
                counts = [self._count(series, field, midnight_ms) for field in ("in_count", "out_count")]
            except JangteoError as error:
                log.warning("console.no-day-start", subject=series.subject, reason=str(error))
                return
            if counts[0] is not None and counts[1] is not None:
                self._known[series] = (counts[0], counts[1])

    def _today(self) -> int:
        return (self._clock.unix_ms() + self._offset_ms) // MS_PER_DAY

    def _count(self, series: Series, field: str, midnight_ms: int) -> int | None:
        before = self._store.range(series, field, midnight_ms - BEFORE_MIDNIGHT_MS, midnight_ms)
        if before:
            return _whole(before[-1][1])
        since = self._store.range(series, field, midnight_ms, self._clock.unix_ms() + 1)
        return _whole(since[0][1]) if since else None


def _whole(value: FieldValue) -> int | None:
    return int(value) if isinstance(value, int | float) else None
