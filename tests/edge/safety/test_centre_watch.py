"""When a device acts without the centre: a table, and what holds whatever the link does."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.safety.centre_watch import BACK_FOR_S, GONE_AGAIN_AFTER_S, CentreWatch, tells_at_s

GONE_S = 600.0


@pytest.mark.parametrize(
    ("confirmed_s", "down_since_s", "at_s", "why"),
    [
        (100.0, None, 110.0, "the link stands: the receipt has its time"),
        (100.0, 40.0, 100.0, "the link is down already: at once"),
        (100.0, 99.0, 101.0, "it has just been lost: it may be reconnecting"),
        (100.0, 104.0, 106.0, "it is lost while the fire waits"),
        (100.0, 109.5, 110.0, "never later than the receipt's time"),
    ],
)
def test_when_a_fire_is_told_from_here(confirmed_s: float, down_since_s: float | None, at_s: float, why: str) -> None:
    assert tells_at_s(confirmed_s, down_since_s, 10.0) == at_s, why


@given(st.floats(0, 1e6), st.none() | st.floats(0, 1e6), st.floats(0, 300))
def test_it_is_never_before_the_fire_and_never_after_its_patience(
    confirmed_s: float, down_since_s: float | None, wait_s: float
) -> None:
    assert confirmed_s <= tells_at_s(confirmed_s, down_since_s, wait_s) <= confirmed_s + max(wait_s, 0)


def told(watch: CentreWatch, looks: list[tuple[float, bool]]) -> list[tuple[float, str]]:
    """What it says at each of these (second, connected)."""
    found: list[tuple[float, str]] = []
    for now_s, connected in looks:
        news = watch.look(now_s, connected=connected)
        if news is not None:
            found.append((now_s, news))
    return found


def test_gone_is_told_once_and_back_once() -> None:
    away = [(float(second), False) for second in range(0, 4000, 10)]
    here = [(float(second), True) for second in range(4000, 4200, 10)]
    assert told(CentreWatch(GONE_S, 0.0), [*away, *here]) == [(GONE_S, "gone"), (4000.0 + BACK_FOR_S, "back")]


def test_a_link_that_comes_and_goes_tells_little_and_one_that_was_short_nothing() -> None:
    short = [(float(second), second % 590 >= 580) for second in range(0, 20_000, 10)]
    assert told(CentreWatch(GONE_S, 0.0), short) == []
    flapping = [(float(second), second % 900 >= 700) for second in range(0, int(GONE_AGAIN_AFTER_S), 10)]
    assert [news for _, news in told(CentreWatch(GONE_S, 0.0), flapping)] == ["gone", "back"]


def test_a_restart_does_not_tell_again_and_still_tells_that_it_is_back() -> None:
    watch = CentreWatch(GONE_S, 0.0, is_gone_told=True)
    assert told(watch, [(float(second), False) for second in range(0, 3000, 10)]) == []
    assert [news for _, news in told(watch, [(3000.0, True), (3000.0 + BACK_FOR_S, True)])] == ["back"]


@given(st.lists(st.tuples(st.floats(0.1, 5000), st.booleans()), max_size=60))
def test_whatever_the_link_does_gone_and_back_alternate_and_gone_is_rare(steps: list[tuple[float, bool]]) -> None:
    now_s, looks = 0.0, []
    for step_s, connected in steps:
        now_s += step_s
        looks.append((now_s, connected))
    found = told(CentreWatch(GONE_S, 0.0), looks)
    assert [news for _, news in found] == [("gone", "back")[place % 2] for place in range(len(found))]
    gone = [at_s for at_s, news in found if news == "gone"]
    assert all(later - earlier >= GONE_AGAIN_AFTER_S for earlier, later in pairwise(gone))
