"""Hours of a week: windows within a day, over midnight, whole days, in a zone of its own."""

import pytest

from contract.hours import MS_PER_MINUTE, in_hours, window_minutes

MONDAY_UNIX_MS = 4 * 86_400_000  # 1970-01-05
SEOUL = 540


def at(day: int, minute: int, utc_offset_minutes: int = 0) -> int:
    return MONDAY_UNIX_MS + ((day - 1) * 1440 + minute - utc_offset_minutes) * MS_PER_MINUTE


@pytest.mark.parametrize(
    ("day", "minute", "inside"),
    [(1, 599, False), (1, 600, True), (1, 1079, True), (1, 1080, False), (2, 700, False)],
)
def test_a_window_within_a_day(day: int, minute: int, *, inside: bool) -> None:
    assert in_hours((1,), 600, 1080, at(day, minute), 0) is inside
    assert in_hours((1,), 600, 1080, at(day, minute, SEOUL), SEOUL) is inside


@pytest.mark.parametrize(
    ("day", "minute", "inside"), [(5, 1319, False), (5, 1320, True), (6, 119, True), (6, 120, False), (5, 60, False)]
)
def test_a_window_over_midnight_belongs_to_the_day_on_which_it_starts(day: int, minute: int, *, inside: bool) -> None:
    assert in_hours((5,), 1320, 120, at(day, minute), 0) is inside


def test_equal_minutes_are_the_whole_day() -> None:
    assert in_hours((7,), 0, 0, at(7, 1439), 0)
    assert not in_hours((7,), 0, 0, at(1, 0), 0)
    assert (window_minutes(0, 0), window_minutes(600, 660), window_minutes(1320, 120)) == (1440, 60, 240)
