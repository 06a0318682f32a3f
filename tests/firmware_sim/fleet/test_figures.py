import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.fleet.figures import Lags, Tally


def test_percentiles_are_right_to_two_percent() -> None:
    chance = random.Random(3)
    values = sorted(chance.lognormvariate(4, 1.5) for _ in range(5000))
    lags = Lags()
    for value in values:
        lags.add(value)
    for share in (0.5, 0.9, 0.99, 1.0):
        exact = values[max(0, int(share * len(values)) - 1)]
        assert lags.percentile_ms(share) == pytest.approx(exact, rel=0.03)
    assert lags.max_ms == values[-1]


def test_nothing_noted_has_no_percentile_and_clocks_that_differ_count_as_none() -> None:
    lags = Lags()
    assert lags.percentile_ms(0.5) is None
    lags.add(-5.0, 3)
    assert (lags.count, lags.percentile_ms(0.99)) == (3, 0.0)


def test_merged_lags_are_as_if_noted_together() -> None:
    one, two, both = Lags(), Lags(), Lags()
    for lag_ms, count in ((5.0, 2), (900.0, 1)):
        one.add(lag_ms, count)
        both.add(lag_ms, count)
    two.add(1e9)
    both.add(1e9)
    one.merge(two)
    assert one == both


@given(st.sets(st.integers(0, 2**41), min_size=1, max_size=40), st.integers(0, 2**41), st.integers())
def test_a_tally_tells_when_a_reading_is_missing_or_another(times: set[int], other: int, which: int) -> None:
    ordered = sorted(times)
    assert Tally.of(ordered) == Tally.of(reversed(ordered))
    gone = ordered[which % len(ordered)]
    assert Tally.of(times - {gone}) != Tally.of(times)
    if other not in times:
        assert Tally.of(times - {gone} | {other}) != Tally.of(times)


def test_a_tally_tells_sets_apart_that_have_the_same_sum() -> None:
    assert Tally.of([1, 4]) != Tally.of([2, 3])
