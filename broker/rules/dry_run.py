"""A dry run: when a rule would have fired, and for how long, over what the series store still has."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from broker.rules.calm import stretches
from broker.rules.evaluation import QUIET, Judged, Standing, Timing, Turn, follow
from broker.rules.history import CHUNK_MS, judged
from broker.rules.model import Rule
from broker.series.ports import Series, SeriesStore

FIRINGS_KEPT_MAX = 1000


@dataclass(frozen=True, slots=True)
class Span:
    """A time from, included, until, not included; Unix milliseconds."""

    from_unix_ms: int
    until_unix_ms: int

    @property
    def ms(self) -> int:
        """How long it is."""
        return self.until_unix_ms - self.from_unix_ms


@dataclass(frozen=True, slots=True)
class Firing:
    """One time that the rule would have fired. `is_over` is false when it still does at the end of what was asked."""

    from_unix_ms: int
    until_unix_ms: int
    is_over: bool

    @property
    def ms(self) -> int:
        """For how long."""
        return self.until_unix_ms - self.from_unix_ms


@dataclass(frozen=True, slots=True)
class SubjectRun:
    """What came of one subject. `firings` are the first `FIRINGS_KEPT_MAX`, the other figures are of all.

    `known_ms`: for how long of the time something was known at all.
    """

    series: Series
    firings: tuple[Firing, ...]
    count: int
    firing_ms: int
    longest_ms: int
    known_ms: int


@dataclass(slots=True)
class Total:
    """What came of a rule over all its subjects so far."""

    subjects: int = 0
    subjects_fired: int = 0
    count: int = 0
    firing_ms: int = 0
    longest_ms: int = 0
    known_ms: int = 0

    def add(self, run: SubjectRun) -> None:
        """Count one subject more."""
        self.subjects += 1
        self.subjects_fired += run.count > 0
        self.count += run.count
        self.firing_ms += run.firing_ms
        self.longest_ms = max(self.longest_ms, run.longest_ms)
        self.known_ms += run.known_ms


def series_of(rule: Rule, store: SeriesStore, from_unix_ms: int) -> tuple[Series, ...]:
    """The series that the rule is about and that have something at or after `from_unix_ms`, in their order.

    Raises:
        runtime.errors.RetryableError: the store does not answer right now.
        runtime.errors.FatalError: the store refuses us; a person has to act.
    """
    found = store.newest(rule.telemetry, from_unix_ms)
    return tuple(sorted(one for one in found if rule.is_about(one.market, one.device)))


def dry_run(
    rule: Rule, store: SeriesStore, series: Iterable[Series], span: Span, is_wanted: Callable[[], bool] = lambda: True
) -> Iterator[SubjectRun]:
    """What the rule would have said of each series, one after the other, as they are read.

    It begins so much earlier that what was waited for at the beginning counts; a time that had begun before counts from
    the beginning. Ends early when it `is_wanted` no more, which is asked for each day of a series.

    Raises:
        runtime.errors.RetryableError: the store does not answer right now.
        runtime.errors.FatalError: the store refuses us; a person has to act.
    """
    for one in series:
        run = _run_one(rule, store, one, span, is_wanted)
        if run is None:
            return
        yield run


@dataclass(slots=True)
class _Tally:
    """The firings of one subject, as they come."""

    span: Span
    firings: list[Firing] = field(default_factory=list)
    count: int = 0
    firing_ms: int = 0
    longest_ms: int = 0
    since_unix_ms: int | None = None

    def _close(self, from_unix_ms: int, until_unix_ms: int, *, is_over: bool) -> None:
        begin = max(from_unix_ms, self.span.from_unix_ms)
        if until_unix_ms <= begin and is_over:
            return  # before what was asked
        self.count += 1
        self.firing_ms += until_unix_ms - begin
        self.longest_ms = max(self.longest_ms, until_unix_ms - begin)
        if len(self.firings) < FIRINGS_KEPT_MAX:
            self.firings.append(Firing(begin, until_unix_ms, is_over))

    def take(self, turns: Iterable[Turn]) -> None:
        for turn in turns:
            if turn.fires:
                self.since_unix_ms = turn.time_unix_ms
            elif self.since_unix_ms is not None:
                self._close(self.since_unix_ms, turn.time_unix_ms, is_over=True)
                self.since_unix_ms = None

    def end(self) -> None:
        """What fires now still does at the end."""
        if self.since_unix_ms is not None:
            self._close(self.since_unix_ms, self.span.until_unix_ms, is_over=False)


def _run_one(
    rule: Rule, store: SeriesStore, series: Series, span: Span, is_wanted: Callable[[], bool]
) -> SubjectRun | None:
    timing, tally = Timing.of(rule), _Tally(span)
    begin = max(0, span.from_unix_ms - timing.for_ms - timing.hold_ms)
    course = _Course(replace(QUIET, until_unix_ms=begin))
    for part in _parts(begin, span):
        if not is_wanted():
            return None
        known_before_ms = course.known_ms
        for piece, is_calm in _pieces(rule, store, series, part, course):
            if is_calm:
                course.pass_calm(piece)
                continue
            # after what was passed over, from a little before: what was read then holds into the piece
            ahead_ms = timing.hold_ms if course.standing.heard_unix_ms < 0 else 0
            values = judged(rule, store, series, piece.from_unix_ms - ahead_ms, piece.until_unix_ms)
            tally.take(course.follow(timing, values, piece.until_unix_ms))
        if part.from_unix_ms < span.from_unix_ms:
            course.known_ms = known_before_ms
    tally.end()
    return SubjectRun(series, tuple(tally.firings), tally.count, tally.firing_ms, tally.longest_ms, course.known_ms)


@dataclass(slots=True)
class _Course:
    """Where the rule stands on its way through the span, and for how long something was known so far."""

    standing: Standing
    known_ms: int = 0

    def pass_calm(self, piece: Span) -> None:
        """All was known and nothing was at fault: it stays quiet."""
        self.known_ms += piece.ms
        self.standing = replace(QUIET, until_unix_ms=piece.until_unix_ms)

    def follow(self, timing: Timing, values: Iterable[Judged], until_unix_ms: int) -> tuple[Turn, ...]:
        """Take a run of values; how the rule turned."""
        followed = follow(timing, self.standing, values, until_unix_ms)
        self.standing = followed.standing
        self.known_ms += followed.known_ms
        return followed.turns


def _pieces(rule: Rule, store: SeriesStore, series: Series, part: Span, course: _Course) -> Iterator[tuple[Span, bool]]:
    """The part in pieces that can be passed over, or have to be read: these joined, as long as nothing is between."""
    begin: int | None = None
    for from_unix_ms, until_unix_ms, is_calm in stretches(rule, store, series, part.from_unix_ms, part.until_unix_ms):
        if not is_calm:
            begin = from_unix_ms if begin is None else begin
            continue
        if begin is not None:
            yield Span(begin, from_unix_ms), False
            begin = None
        # asked only now: what was read until here has decided whether it is quiet
        yield Span(from_unix_ms, until_unix_ms), course.standing.is_quiet
    if begin is not None:
        yield Span(begin, part.until_unix_ms), False


def _parts(begin_unix_ms: int, span: Span) -> Iterator[Span]:
    """What leads up to the span, then the span day by day."""
    if begin_unix_ms < span.from_unix_ms:
        yield Span(begin_unix_ms, span.from_unix_ms)
    for begin in range(span.from_unix_ms, span.until_unix_ms, CHUNK_MS):
        yield Span(begin, min(begin + CHUNK_MS, span.until_unix_ms))
