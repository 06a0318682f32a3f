"""The roll-up job: raw readings become 5-minute means, a bounded piece at a time.

A window is rolled up once it and its grace are over. How far each market is stands in the central state and is written
after the roll-ups are: a job that dies does its last piece again, which changes nothing, because the same series and
time overwrites. After an outage it goes on where it stopped, an hour of a market at a time, the market that is furthest
behind first. Windows that late readings touched are done again. Beside the series' roll-ups each window has one sample
of the whole market (`broker.upkeep.markets`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice

import structlog
from sqlalchemy.exc import DBAPIError

from broker.series.freshness import ROLLUP_STEP_MS, rolled_kind
from broker.series.ports import Sample, Series, SeriesStore
from broker.stores.database import as_retryable
from broker.stores.registry import Registry
from broker.stores.rollups import Rollups, Window
from broker.upkeep.markets import MarketWindows, scan_from_unix_ms
from broker.upkeep.progress import Progress
from broker.upkeep.rolling import ROLLED_KINDS, Span, roll
from broker.upkeep.settings import UpkeepSettings
from runtime.clock import Clock
from runtime.errors import PartialError

log = structlog.get_logger(__name__)

WINDOWS_PER_STEP_MAX = 12
CLAIMS_PER_STEP_MAX = 12
WRITE_SAMPLES_MAX = 500  # one short transaction in the embedded store: ingest writes there too
SKIP_FROM_MS = 24 * 12 * ROLLUP_STEP_MS
DAY_MS = 86_400_000

Piece = tuple[str, int, int]
"""A market, from when, until when."""


class RollUpJob:
    """Does one piece a `step`. One job at a time is enough; a second one would only do the same again."""

    def __init__(
        self,
        settings: UpkeepSettings,
        store: SeriesStore,
        registry: Registry,
        rollups: Rollups,
        clock: Clock,
        progress: Progress,
    ) -> None:
        self._settings = settings
        self._store = store
        self._registry = registry
        self._rollups = rollups
        self._clock = clock
        self._progress = progress
        self._due: deque[Piece] = deque()
        self._again_next = False
        self._busy: set[str] = set()
        self._known: frozenset[str] = frozenset()

    def step(self) -> bool:
        """Do a piece; false when there is nothing to do now.

        Raises:
            RetryableError: the piece was not done; call again later.
            FatalError: a person has to act; the piece was not done.
        """
        self._again_next = not self._again_next  # neither a backlog nor late readings may starve the other
        if self._again_next:
            return self._again() or self._forward()
        return self._forward() or self._again()

    # --- windows whose time has come

    def _forward(self) -> bool:
        if not self._due:
            self._due.extend(self._plan())
        if not self._due:
            return False
        market, from_unix_ms, until_unix_ms = self._due[0]
        begin = from_unix_ms if market in self._busy else self._first_with_samples(market, from_unix_ms, until_unix_ms)
        until_unix_ms = min(until_unix_ms, begin + WINDOWS_PER_STEP_MAX * ROLLUP_STEP_MS)
        written = 0
        if until_unix_ms > begin:
            self._rollups.begin(market, begin, until_unix_ms)
            whole = MarketWindows(market, begin, until_unix_ms)
            spans = self._spans(market, begin, until_unix_ms)
            written = sum(self._write(self._rolled(span, whole)) for span in spans)
            self._write(whole.samples())
        self._rollups.note_done(market, until_unix_ms)
        (self._busy.add if written else self._busy.discard)(market)
        self._due.popleft()
        self._progress.add("windows_total", (until_unix_ms - begin) // ROLLUP_STEP_MS)
        return True

    def _plan(self) -> list[Piece]:
        """What each market lacks, the furthest behind first; says how far behind the last of them is."""
        now, done = self._clock.unix_ms(), self._rollups.done_until()
        horizon = floor(now - int(self._settings.grace_s * 1000))
        markets = self._markets()
        if frozenset(markets) != self._known:
            self._rollups.forget_others(markets)
            self._known = frozenset(markets)
        begin = floor(now - self._settings.retention.raw_days * DAY_MS)
        lacking = [(market, done.get(market, begin), horizon) for market in markets]
        waiting, _ = self._rollups.waiting()
        last = min((max(since, begin) for _, since, _ in lacking), default=horizon)
        self._progress.say(
            {"rollup_behind_s": max(0.0, (horizon - last) / 1000), "dirty_windows": waiting, "markets": len(markets)}
        )
        return sorted((one for one in lacking if one[1] < horizon), key=lambda one: one[1])

    def _markets(self) -> Sequence[str]:
        try:
            return [one.id for one in self._registry.markets()]
        except DBAPIError as error:
            raise as_retryable(error) from error

    def _first_with_samples(self, market: str, from_unix_ms: int, until_unix_ms: int) -> int:
        """From where there is something to do: a market that is new, or came back, has long times without a sample.

        Asked only when it is more than a day behind and nothing was found in its last piece; it takes a few questions.
        """
        begin, length = from_unix_ms, until_unix_ms - from_unix_ms
        if length < SKIP_FROM_MS:
            return begin
        while length >= WINDOWS_PER_STEP_MAX * ROLLUP_STEP_MS and begin < until_unix_ms:
            end = min(begin + length, until_unix_ms)
            if self._is_empty(market, begin, end):
                begin = end
            length = floor(length // 2)
        return begin

    def _is_empty(self, market: str, from_unix_ms: int, until_unix_ms: int) -> bool:
        for span in self._spans(market, from_unix_ms, until_unix_ms):
            with closing(self._store.scan(market, span.kind, span.scan_from_unix_ms, until_unix_ms)) as samples:
                if next(samples, None) is not None:
                    return False
        return True

    # --- windows that late readings touched

    def _again(self) -> bool:
        claimed = self._rollups.claim(CLAIMS_PER_STEP_MAX)
        if not claimed:
            return False
        done = self._rollups.done_until()
        old = floor(self._clock.unix_ms() - self._settings.retention.raw_days * DAY_MS)
        for market, from_unix_ms, until_unix_ms in runs(claimed, done):
            whole = MarketWindows(market, from_unix_ms, until_unix_ms)
            spans = self._spans(market, from_unix_ms, until_unix_ms)
            if from_unix_ms < old:
                self._fill(spans, whole)
            else:
                for span in spans:
                    self._write(self._rolled(span, whole))
                self._write(whole.samples())
        self._rollups.finished(claimed)
        self._progress.add("windows_again_total", len(claimed))
        return True

    def _fill(self, spans: Iterable[Span], whole: MarketWindows) -> None:
        """Write what is missing: beyond what is kept, other readings of a window may be gone.

        What was rolled up of them stays, and a market's sample is written only where nothing of the window was there.
        """
        begun: set[int] = set()
        for span in spans:
            held = self._held(span.market, rolled_kind(span.kind), span)
            begun |= {time_unix_ms for _, time_unix_ms in held}
            rolled = self._rolled(span, whole)
            self._write(one for one in rolled if (one.series, one.time_unix_ms) not in held)
        self._write(one for one in whole.samples(only_heard=True) if one.time_unix_ms not in begun)

    def _held(self, market: str, kind: str, span: Span) -> set[tuple[Series, int]]:
        with closing(self._store.scan(market, kind, span.from_unix_ms, span.until_unix_ms)) as samples:
            return {(one.series, one.time_unix_ms) for one in samples}

    # --- both

    def _spans(self, market: str, from_unix_ms: int, until_unix_ms: int) -> Iterator[Span]:
        for kind in ROLLED_KINDS:
            yield Span(market, kind, from_unix_ms, until_unix_ms)

    def _rolled(self, span: Span, whole: MarketWindows) -> Iterator[Sample]:
        since_unix_ms = scan_from_unix_ms(span)
        with closing(self._store.scan(span.market, span.kind, since_unix_ms, span.until_unix_ms)) as samples:
            yield from roll(whole.watch(span.kind, samples), span, whole.add)

    def _write(self, rolled: Iterator[Sample]) -> int:
        """Write what comes, a few hundred at a time; how many. What the store will never take is said and left out."""
        written = 0
        while batch := list(islice(rolled, WRITE_SAMPLES_MAX)):
            written += len(batch)
            self._progress.add("series_windows_total", len(batch))
            try:
                self._store.write(batch)
            except PartialError as error:
                self._progress.add("rejected_total", len(error.rejected))
                first = error.rejected[0]
                log.warning("rollup.rejected", series=batch[first.index].series, reason=first.reason)
        return written


def floor(unix_ms: int) -> int:
    """The beginning of the window that a time lies in."""
    return unix_ms - unix_ms % ROLLUP_STEP_MS


def runs(windows: Iterable[Window], done_until: Mapping[str, int]) -> list[Piece]:
    """Windows as pieces without holes. A window's last reading still holds in the next, so that one is done too."""
    pieces: list[Piece] = []
    for market, window_unix_ms in sorted(windows):
        end = window_unix_ms + ROLLUP_STEP_MS
        if end < done_until.get(market, 0):
            end += ROLLUP_STEP_MS
        if pieces and pieces[-1][0] == market and window_unix_ms <= pieces[-1][2]:
            pieces[-1] = (market, pieces[-1][1], max(end, pieces[-1][2]))
        else:
            pieces.append((market, window_unix_ms, end))
    return pieces
