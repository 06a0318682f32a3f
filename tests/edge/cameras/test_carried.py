import math
from collections.abc import Callable

import numpy as np
import pytest

from edge.cameras.candidates import Spot, burnt_out_spots
from edge.cameras.carried import Carried, SpotsFollowed, turns_of


def spot(x: float, y: float = 50.0, px: float = 100.0) -> Spot:
    return Spot(int(x), int(y), 10, 10, round(px), x, y, np.ones((10, 10), np.bool_))


def followed(draw: Callable[[float], list[Spot]], seconds: float = 2.0, fps: float = 8.0) -> list[Carried]:
    following = SpotsFollowed()
    for index in range(round(seconds * fps)):
        found = following.follow(draw(index / fps), index / fps)
    return found


def flicker(time_s: float) -> float:
    return 100.0 + 40.0 * math.sin(13.0 * time_s)


def test_a_flame_that_is_carried_travels_and_breathes() -> None:
    (way,) = followed(lambda t: [spot(100 + 30 * math.sin(3 * t), px=flicker(t))])
    assert way.travel > 3.0
    assert way.breaths_per_s > 2.0


def test_a_lamp_that_is_carried_travels_and_keeps_its_size() -> None:
    noise = np.random.default_rng(1)
    (way,) = followed(lambda t: [spot(100 + 30 * math.sin(3 * t), px=100 + noise.normal(0, 2))])
    assert way.travel > 3.0
    assert way.breaths_per_s == 0.0


def test_a_lamp_that_comes_nearer_only_grows() -> None:
    (way,) = followed(lambda t: [spot(100 + 20 * t, px=30 * 4**t)])
    assert way.breaths_per_s == 0.0


def test_a_flame_that_stays_does_not_travel() -> None:
    (way,) = followed(lambda t: [spot(100, px=flicker(t))])
    assert way.travel == 0.0


def test_lamps_that_take_turns_far_from_each_other_are_not_one_that_travels() -> None:
    ways = followed(lambda t: [spot(100 + 60 * (round(8 * t) % 3), px=flicker(t))])
    assert [way.travel for way in ways] == [0.0]


def test_each_of_two_spots_keeps_its_own_way_whatever_their_order() -> None:
    def both(time_s: float) -> list[Spot]:
        still, moving = spot(20, px=100), spot(100 + 30 * math.sin(3 * time_s), px=flicker(time_s))
        return [still, moving] if round(8 * time_s) % 2 else [moving, still]

    assert sorted(way.travel > 1.0 for way in followed(both)) == [False, True]


def test_what_was_hidden_for_a_moment_goes_on_and_for_longer_begins_anew() -> None:
    def hidden(begin_s: float, end_s: float) -> Callable[[float], list[Spot]]:
        return lambda t: [] if begin_s <= t < end_s else [spot(100 + 10 * t, px=flicker(t))]

    assert followed(hidden(1.5, 1.75))[0].breaths_per_s > 0.0
    assert followed(hidden(1.0, 1.5))[0] == Carried(0.0, 0.0)


@pytest.mark.parametrize("fps", [8.0, 12.5, 25.0])
def test_a_fast_camera_counts_no_more_than_a_slow_one(fps: float) -> None:
    (way,) = followed(lambda t: [spot(100, px=flicker(t))], seconds=3.0, fps=fps)
    assert way.breaths_per_s == pytest.approx(2 * 13.0 / 6.283, abs=1.0)


def test_a_turn_is_a_change_of_more_than_a_seventh() -> None:
    assert turns_of([100, 110, 100, 110]) == 0
    assert turns_of([100, 130, 100, 130]) == 2
    assert turns_of([100, 90, 80, 70, 60, 50]) == 0
    assert turns_of([100]) == 0


def test_burnt_out_spots_are_compact_and_the_largest_come_first() -> None:
    core = np.zeros((120, 160), np.bool_)
    core[10:20, 10:20] = core[40:46, 40:46] = True
    core[90, 60:110] = core[60:90, 60] = True  # an edge that shines is no spot
    found = burnt_out_spots(core)
    assert [(one.x, one.y, one.px) for one in found] == [(10, 10, 100), (40, 40, 36)]
    assert (found[0].middle_x, found[0].middle_y) == (14.5, 14.5)


def test_what_fills_much_of_the_picture_is_no_spot() -> None:
    core = np.zeros((120, 160), np.bool_)
    core[:60, :80] = True
    assert burnt_out_spots(core) == []
