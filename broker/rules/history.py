"""What a rule judges, read from the series store: a day of one series at a time, so that memory stays bounded."""

from collections.abc import Iterator, Mapping

from broker.rules.evaluation import Judged
from broker.rules.fields import STATE, UNKNOWN
from broker.rules.model import Judge, Rule, Verdict
from broker.series.ports import FieldValue, Sample, Series, SeriesStore

CHUNK_MS = 86_400_000


def judged(rule: Rule, store: SeriesStore, series: Series, from_unix_ms: int, until_unix_ms: int) -> Iterator[Judged]:
    """A series' values as the rule judges them, oldest first, from `from_unix_ms` until before `until_unix_ms`.

    Raises:
        runtime.errors.RetryableError: the store does not answer right now.
        runtime.errors.FatalError: the store refuses us; a person has to act.
    """
    judge = rule.judge()
    for begin in range(from_unix_ms, until_unix_ms, CHUNK_MS):
        end = min(begin + CHUNK_MS, until_unix_ms)
        values = store.range(series, rule.asked_field, begin, end)
        if not rule.needs_state:
            for time_unix_ms, value in values:
                yield time_unix_ms, judge(value)
            continue
        found = dict(values)
        for time_unix_ms, state in store.range(series, STATE, begin, end):
            yield time_unix_ms, _stated(judge, state, found.get(time_unix_ms))


def verdict_of(rule: Rule, judge: Judge, sample: Sample) -> tuple[bool, Verdict]:
    """Whether a sample says anything to the rule, and what. As `judged` has it: a kind without a state may lack it."""
    fields: Mapping[str, FieldValue] = sample.fields
    value = fields.get(rule.asked_field)
    if rule.needs_state:
        return STATE in fields, _stated(judge, fields.get(STATE, UNKNOWN), value)
    return (False, None) if value is None else (True, judge(value))


def _stated(judge: Judge, state: FieldValue, value: FieldValue | None) -> Verdict:
    """Nothing is known of a reading that says itself that it knows nothing, whatever its other fields hold."""
    return None if state == UNKNOWN or value is None else judge(value)
