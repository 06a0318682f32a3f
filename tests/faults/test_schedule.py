"""The schedule: a seed names it, and every kind comes as often as its cards say."""

from collections import Counter
from itertools import pairwise

from benchmarks.faults.schedule import Kind, by_kind, plan

KINDS = [Kind("kill", (0.0, 2.0), cards=2), Kind("cut", (0.0, 0.0)), Kind("lock", (1.0, 4.0))]


def test_a_seed_names_a_history() -> None:
    assert plan(7, 40, KINDS) == plan(7, 40, KINDS)
    assert plan(7, 40, KINDS) != plan(8, 40, KINDS)
    assert plan(7, 40, KINDS)[:10] == plan(7, 10, KINDS)


def test_every_kind_is_dealt_before_any_comes_again() -> None:
    planned = plan(1, 400, KINDS)
    assert Counter(one.kind for one in planned) == {"kill": 200, "cut": 100, "lock": 100}
    assert {one.kind for one in planned[:4]} == {"kill", "cut", "lock"}
    assert by_kind(planned) == "kill 200, cut 100, lock 100"


def test_times_rise_and_holds_keep_their_bounds() -> None:
    planned = plan(3, 100, KINDS, between_s=(0.5, 2.0))
    gaps_s = [later.at_s - one.at_s for one, later in pairwise(planned)]
    assert all(0.499 <= gap_s <= 2.001 for gap_s in gaps_s)
    assert all(1.0 <= one.hold_s <= 4.0 for one in planned if one.kind == "lock")
