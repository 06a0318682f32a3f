"""Dry runs over a store: when, how long, what was known, and no more in memory than a day of one series."""

import random
from collections.abc import Sequence

import pytest

from broker.rules.dry_run import FIRINGS_KEPT_MAX, Firing, Span, Total, dry_run, series_of
from broker.rules.history import CHUNK_MS
from broker.series.freshness import ROLLUP_STEP_MS
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Series
from broker.upkeep.rolling import Span as RollSpan
from broker.upkeep.rolling import roll
from tests.broker.rules.ruleset import AGENT, BAY, FAULT, FULL, NOON, bay_fields, rule, write

S = 1000
DAY_S = 86_400
WEEK = Span(NOON, NOON + 7 * DAY_S * S)


class Counting(MemorySeriesStore):
    """Says how much was asked for at once."""

    def __init__(self) -> None:
        super().__init__()
        self.longest_ms = 0
        self.asked: list[tuple[str, int, int]] = []

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        self.longest_ms = max(self.longest_ms, until_unix_ms - from_unix_ms)
        self.asked.append((series.kind, from_unix_ms - NOON, until_unix_ms - NOON))
        return super().range(series, field, from_unix_ms, until_unix_ms)


@pytest.fixture
def store() -> Counting:
    return Counting()


def bays(store: MemorySeriesStore, begin_s: int, end_s: int, state: str, series: Series = BAY) -> None:
    write(store, series, ((NOON + second * S, bay_fields(state)) for second in range(begin_s, end_s, 20)))


def firings(store: MemorySeriesStore, span: Span = WEEK, **changes: object) -> list[tuple[int, int, bool]]:
    one = rule(FAULT, **changes)
    (run,) = dry_run(one, store, series_of(one, store, span.from_unix_ms), span)
    return [((f.from_unix_ms - NOON) // S, (f.until_unix_ms - NOON) // S, f.is_over) for f in run.firings]


def test_it_says_when_and_how_long_over_days(store: Counting) -> None:
    bays(store, 0, DAY_S - 900, "free")
    bays(store, DAY_S - 900, DAY_S + 900, "unknown")  # over midnight
    bays(store, DAY_S + 900, DAY_S + 2000, "occupied")
    assert firings(store) == [(DAY_S - 300, DAY_S + 900, True)]
    assert store.longest_ms == CHUNK_MS


def test_what_still_fires_at_the_end_and_what_fired_before_the_beginning(store: Counting) -> None:
    bays(store, -7200, 1000, "unknown")
    bays(store, 1000, 3000, "free")
    bays(store, 3000, 5000, "unknown")
    assert firings(store, Span(NOON, NOON + 4000 * S)) == [(0, 1000, True), (3600, 4000, False)]
    assert firings(store, Span(NOON + 1000 * S, NOON + 3000 * S)) == [], "what ended before, and what only waits"


def test_a_wait_that_began_before_counts(store: Counting) -> None:
    bays(store, -500, 1000, "unknown")
    assert firings(store) == [(100, 7 * DAY_S, False)], "nothing says that it ended"


def test_it_says_for_how_long_something_was_known(store: Counting) -> None:
    bays(store, 0, 3600, "free")
    (run,) = dry_run(rule(), store, [BAY], WEEK)
    assert (run.firings, run.known_ms) == ((), 3605 * S)
    (run,) = dry_run(rule(), store, [BAY._replace(subject="never")], WEEK)
    assert (run.count, run.known_ms) == (0, 0)


def test_totals_are_of_all_subjects(store: Counting) -> None:
    two = BAY._replace(subject="a-02")
    for series in (BAY, two):
        bays(store, 0, 1000, "unknown", series)
        bays(store, 1000, 1100, "free", series)
    bays(store, 1100, 2100, "unknown", two)
    bays(store, 2100, 2200, "free", two)
    total = Total()
    for run in dry_run(rule(), store, series_of(rule(), store, NOON), WEEK):
        total.add(run)
    assert (total.subjects, total.subjects_fired, total.count) == (2, 2, 3)
    assert (total.firing_ms, total.longest_ms) == (1200 * S, 400 * S)


def test_a_rule_that_flaps_is_counted_to_the_end_and_listed_in_part(store: Counting) -> None:
    count = FIRINGS_KEPT_MAX + 20
    write(store, BAY, ((NOON + second * S, bay_fields(("unknown", "free")[second % 2])) for second in range(2 * count)))
    (run,) = dry_run(rule(for_s=0), store, [BAY], WEEK)
    assert (run.count, len(run.firings), run.firing_ms) == (count, FIRINGS_KEPT_MAX, count * S)
    assert run.firings[0] == Firing(NOON, NOON + S, is_over=True)


def test_an_unknown_reading_s_other_fields_say_nothing(store: Counting) -> None:
    """A blind camera reports 0 pictures a second because it knows of none: `fault` asks for that."""
    camera = Series("jungang", "alley-1", "cameras", "cam-1")
    for begin, state, fps in ((0, "live", 10.0), (100, "unknown", 0.0), (200, "live", 1.0)):
        fields: dict[str, FieldValue] = {"state": state, "fps": fps}
        write(store, camera, ((NOON + (begin + second) * S, fields) for second in range(0, 100, 2)))
    one = rule(telemetry="cameras", field="fps", condition={"below": 2, "clear_at": 4}, for_s=10)
    (run,) = dry_run(one, store, [camera], WEEK)
    assert [((f.from_unix_ms - NOON) // S, f.is_over) for f in run.firings] == [(210, False)]


def test_a_device_that_does_not_measure_it_has_nothing_known(store: Counting) -> None:
    write(store, AGENT, ((NOON + second * S, {"uptime_s": 1.0}) for second in range(0, 600, 10)))
    (run,) = dry_run(rule(FULL), store, series_of(rule(FULL), store, NOON), WEEK)
    assert (run.count, run.known_ms) == (0, 0)


def test_only_what_the_rule_is_about_is_read(store: Counting) -> None:
    far = BAY._replace(market="nambu")
    for series in (BAY, far, BAY._replace(device="parking-2")):
        bays(store, 0, 100, "free", series)
    assert series_of(rule(markets=["nambu"]), store, NOON) == (far,)
    assert series_of(rule(markets=["jungang"], devices=["parking-1"]), store, NOON) == (BAY,)
    assert len(series_of(rule(), store, NOON)) == 3
    assert series_of(rule(), store, NOON + DAY_S * S) == ()


def test_it_ends_when_nobody_wants_it_any_more(store: Counting) -> None:
    bays(store, 0, 1000, "unknown")
    asked = iter((True, True, False))
    assert list(dry_run(rule(), store, [BAY, BAY], WEEK, lambda: next(asked))) == []


def rolled_up(store: MemorySeriesStore, begin_unix_ms: int, end_unix_ms: int) -> None:
    """What upkeep makes of the store's bays."""
    windows = RollSpan("jungang", "bays", begin_unix_ms, end_unix_ms)
    store.write(list(roll(list(store.scan("jungang", "bays", windows.scan_from_unix_ms, end_unix_ms)), windows)))


@pytest.mark.parametrize("seed", range(6))
def test_roll_ups_save_reading_and_change_nothing(store: Counting, seed: int) -> None:
    chance, span = random.Random(seed), Span(NOON - 1234, NOON + 40 * ROLLUP_STEP_MS + 777)
    moment, state, plain = NOON - 3_000_000, "free", MemorySeriesStore()
    values = []
    while moment < span.until_unix_ms:
        if chance.random() < 0.02:
            state = chance.choice(("unknown", "free", "occupied"))
        moment += chance.choice((9000, 10_000, 10_000, 10_000, 10_500, 40_000 if seed % 2 else 10_000))
        values.append((moment, bay_fields(state)))
    for one in (store, plain):
        write(one, BAY, values)
    rolled_up(store, NOON - 20 * ROLLUP_STEP_MS, NOON + 36 * ROLLUP_STEP_MS)  # the last windows are not rolled up yet
    asked = rule(for_s=chance.choice((0, 120, 600)), clear_for_s=chance.choice((0, 60, 400)))
    expected = list(dry_run(asked, plain, [BAY], span))
    assert list(dry_run(asked, store, [BAY], span)) == expected
    assert expected[0].count


def test_calm_days_are_not_read(store: Counting) -> None:
    bays(store, -300, 6000, "free")
    rolled_up(store, NOON, NOON + 18 * ROLLUP_STEP_MS)
    (run,) = dry_run(rule(), store, [BAY], Span(NOON, NOON + 18 * ROLLUP_STEP_MS))
    assert (run.count, run.known_ms) == (0, 18 * ROLLUP_STEP_MS)
    assert [one for one in store.asked if one[0] == "bays"] == [("bays", -650_000, 0)], "what leads up, and no more"
