"""Zones: which hold when, what they cover, what a cooking zone lets pass."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.cameras import CameraZone, Point
from contract.events import FireSign
from edge.cameras.ports import Detection, Region
from edge.cameras.zones import CookingWatch, area_of, covered, zone_of, zones_at

SEOUL = 540
MONDAY_0900 = 1_767_571_200_000  # 2026-01-05T00:00Z, a Monday, nine in Seoul
MINUTE = 60_000

SQUARE = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
TRIANGLE = ((0.0, 0.0), (0.5, 0.0), (0.0, 1.0))


def zone(points: Iterable[tuple[float, float]] = SQUARE, *, kind: str = "cooking", **more: object) -> CameraZone:
    corners = [Point(x=x, y=y) for x, y in points]
    return CameraZone.model_validate({"name": "stove", "kind": kind, "points": corners, **more})


def square_at(x: float, y: float, side: float, score: float = 0.9) -> Region:
    return Region(x - side / 2, y - side / 2, side, side, score)


def seen(*regions: Region) -> Detection:
    return Detection(max((region.score for region in regions), default=0.0), regions)


@pytest.mark.parametrize(
    ("minutes", "holds"), [(-1, False), (0, True), (479, True), (480, False), (24 * 60, False), (7 * 24 * 60, True)]
)
def test_a_zone_holds_in_its_hours_of_the_markets_week(minutes: int, holds: bool) -> None:
    stove = zone(days=(1,), from_minute=9 * 60, to_minute=17 * 60)
    assert zones_at([stove], MONDAY_0900 + minutes * MINUTE, SEOUL) == ((stove,) if holds else ())


def test_hours_past_midnight_belong_to_the_day_they_begin_on() -> None:
    night = zone(days=(1,), from_minute=22 * 60, to_minute=2 * 60)
    tuesday_0100 = MONDAY_0900 + 16 * 60 * MINUTE
    assert zones_at([night], tuesday_0100, SEOUL) == (night,)
    assert zones_at([night], tuesday_0100 - 24 * 60 * MINUTE, SEOUL) == ()


def test_without_a_clock_only_zones_without_hours_hold() -> None:
    always, by_day = zone(), zone(from_minute=60, to_minute=120)
    assert zones_at([always, by_day], None, SEOUL) == (always,)


def test_a_polygon_covers_its_inside_and_no_more() -> None:
    mask = covered((zone(TRIANGLE),), 100, 200)
    assert mask[10, 10]
    assert not mask[90, 90]
    assert not mask[50, 60]
    assert mask.mean() == pytest.approx(area_of(zone(TRIANGLE)), abs=0.01)
    assert area_of(zone(TRIANGLE)) == pytest.approx(0.25)


def test_a_region_belongs_to_the_zone_that_holds_its_centre_or_most_of_it() -> None:
    square = zone()
    assert zone_of(square_at(0.3, 0.3, 0.3), [square]) is square
    assert zone_of(square_at(0.2, 0.5, 0.06), [square]) is None
    leaning = Region(0.55, 0.3, 0.44, 0.1, 0.9)  # its centre lies outside, and more than half of it
    assert zone_of(leaning, [square]) is None
    corner = zone(((0.0, 0.0), (1.0, 0.0), (1.0, 0.4), (0.4, 0.4), (0.4, 1.0), (0.0, 1.0)))
    assert zone_of(Region(0.0, 0.0, 0.9, 0.9, 0.9), [corner]) is corner  # the centre is free, most of it is not


@given(st.floats(0, 0.99), st.floats(0, 0.99), st.floats(0, 1), st.floats(0, 1))
def test_every_region_has_an_answer(x: float, y: float, w: float, h: float) -> None:
    whole = zone(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)))
    assert zone_of(Region(x, y, w * (1 - x), h * (1 - y), 0.5), [whole]) is whole


def judged(watch: CookingWatch, stove: CameraZone, side: float, begin_s: float, end_s: float) -> set[float]:
    """The scores left of a flame of `side` that burns in the zone, frame by frame."""
    left = set()
    for index in range(round((end_s - begin_s) * 8)):
        detection = watch.judged(seen(square_at(0.5, 0.5, side)), [stove], begin_s + index / 8, 0.5)
        left.add(detection.score)
    return left


def test_a_wok_in_its_zone_is_no_alarm_and_a_fire_larger_than_the_zone_allows_is() -> None:
    stove = zone(size_share_max=0.5)
    assert judged(CookingWatch(), stove, 0.2, 0.0, 60.0) == {0.0}
    assert judged(CookingWatch(), stove, 0.4, 0.0, 1.0) == {0.9}


def test_a_fire_that_outgrows_its_usual_size_counts_and_says_why() -> None:
    stove, watch = zone(size_share_max=1.0, growth_ratio_max=3.0), CookingWatch()
    assert judged(watch, stove, 0.1, 0.0, 20.0) == {0.0}
    detection = watch.judged(seen(square_at(0.5, 0.5, 0.2)), [stove], 20.1, 0.5)
    assert detection.score == 0.9
    assert [one.sign for one in detection.regions[0].signs] == [FireSign.BEYOND_COOKING]


def test_no_usual_size_is_known_in_the_first_seconds() -> None:
    stove, watch = zone(size_share_max=1.0), CookingWatch()
    assert judged(watch, stove, 0.05, 0.0, 2.0) == {0.0}
    assert judged(watch, stove, 0.3, 2.0, 3.0) == {0.0}


def test_a_fire_beside_the_zone_is_untouched() -> None:
    outside, inside = square_at(0.1, 0.1, 0.1, 0.7), square_at(0.5, 0.5, 0.1)
    detection = CookingWatch().judged(seen(inside, outside), [zone()], 0.0, 0.5)
    assert detection == Detection(0.7, (outside,))
