"""Where the roll-ups prove that a rule about faults has nothing to see, so that a dry run need not read every reading.

A window of a roll-up that is covered from end to end and in which nothing was ever unknown (`known_min` is 1) holds no
fault. Every other window, and one without a roll-up, is read. What came late counts here once its window is rolled up
again, which upkeep does within minutes.
"""

from collections.abc import Iterator

from broker.rules.model import Rule
from broker.series.freshness import ROLLUP_STEP_MS, rolled_kind
from broker.series.ports import Series, SeriesStore

MS_PER_S = 1000


def stretches(
    rule: Rule, store: SeriesStore, series: Series, from_unix_ms: int, until_unix_ms: int
) -> Iterator[tuple[int, int, bool]]:
    """A time cut where roll-ups' windows meet: (from, until, whether nothing can be at fault in it), in order.

    Raises:
        runtime.errors.RetryableError: the store does not answer right now.
        runtime.errors.FatalError: the store refuses us; a person has to act.
    """
    calm = _calm(store, series, from_unix_ms, until_unix_ms) if rule.condition.fault else frozenset()
    if not calm:
        yield from_unix_ms, until_unix_ms, False
        return
    begin = from_unix_ms
    while begin < until_unix_ms:
        end = min(begin - begin % ROLLUP_STEP_MS + ROLLUP_STEP_MS, until_unix_ms)
        yield begin, end, begin in calm and end - begin == ROLLUP_STEP_MS
        begin = end


def _calm(store: SeriesStore, series: Series, from_unix_ms: int, until_unix_ms: int) -> frozenset[int]:
    """The beginnings of windows in which everything was known from end to end."""
    rolled = series._replace(kind=rolled_kind(series.kind))
    known = store.range(rolled, "known_min", from_unix_ms, until_unix_ms)
    begins = {moment for moment, least in known if least == 1}
    if not begins:
        return frozenset()
    covered = store.range(rolled, "covered_s", from_unix_ms, until_unix_ms)
    whole_s = ROLLUP_STEP_MS / MS_PER_S
    return frozenset(moment for moment, seconds in covered if moment in begins and seconds == whole_s)
