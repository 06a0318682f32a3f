import pytest

from edge.cameras.network import Looks
from edge.cameras.places import PLACES_MAX, Place, Places, in_turn
from edge.cameras.ports import Region


def at(x: float, side: float = 0.05) -> Region:
    return Region(x, 0.4, side, side, 0.0)


def test_a_place_is_followed_while_it_moves_a_little() -> None:
    places = Places()
    (first,) = places.follow([at(0.3)], 0.0)
    (again,) = places.follow([at(0.33)], 0.125)
    assert again is first
    assert again.region == at(0.33)
    (other,) = places.follow([at(0.8)], 0.25)
    assert other is not first


def test_two_places_that_swap_their_order_stay_themselves() -> None:
    places = Places()
    left, right = places.follow([at(0.1), at(0.7)], 0.0)
    assert places.follow([at(0.71), at(0.11)], 0.125) == [right, left]


def test_a_place_not_seen_for_a_second_is_forgotten() -> None:
    places = Places()
    (first,) = places.follow([at(0.3)], 0.0)
    assert places.follow([at(0.3)], 0.9) == [first]
    assert places.follow([at(0.3)], 2.1) != [first]


def test_the_places_are_bounded() -> None:
    places = Places()
    for index in range(10):
        places.follow([at(0.1 * n, 0.001) for n in range(10)], index / 80)
        places.follow([Region(0.1 * n, 0.9, 0.001, 0.001, 0.0) for n in range(10)], index / 80)
    assert len(places._places) == PLACES_MAX


def test_looks_are_smoothed_over_time() -> None:
    place = Place(at(0.3), first_s=0.0, last_s=0.0)
    place.looked(Looks(flame=1.0, smoke=0.0), 0.0)
    assert place.flame == 1.0
    place.looked(Looks(flame=0.0, smoke=1.0), 0.125)
    assert place.flame == pytest.approx(0.779, abs=0.001)
    assert place.smoke == pytest.approx(0.221, abs=0.001)


@pytest.mark.parametrize("count", [1, 5, 8, 13])
def test_every_place_is_looked_at_within_a_second(count: int) -> None:
    places = [Place(at(0.01 * n), first_s=0.0, last_s=0.0) for n in range(count)]
    waits = []
    for frame in range(64):
        time_s = frame / 8
        waits.append(max((time_s - place.looked_s for place in places), default=0.0))
        chosen = in_turn(places, time_s, 4)
        assert len(chosen) == min(4, count)
        for place in chosen:
            place.looked(Looks(0.5, 0.0), time_s)
    assert max(waits[8:]) < 1.0


def test_the_most_urgent_are_looked_at_more_often() -> None:
    places = [Place(at(0.01 * n), first_s=0.0, last_s=0.0) for n in range(10)]
    looks = dict.fromkeys(range(10), 0)
    for frame in range(80):
        for place in in_turn(places, frame / 8, 4):
            looks[places.index(place)] += 1
            place.looked(Looks(0.5, 0.0), frame / 8)
    assert looks[0] > 1.5 * looks[9]
