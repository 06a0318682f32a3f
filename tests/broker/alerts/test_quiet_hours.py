"""Quiet hours hold what may wait until they end, over midnight too, and never anything else."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.alerts.quiet_hours import DAY_MS, released
from broker.alerts.texts import KOREA
from broker.stores.registry import Recipient
from tests.broker.alerts.central import NOW_UNIX_MS

NIGHT = (22 * 60, 7 * 60)
NOON = (12 * 60, 13 * 60 + 30)


def at(day: int, clock: str) -> int:
    hours, minutes = clock.split(":")
    moment = datetime(2026, 11, 1, tzinfo=KOREA) + timedelta(days=day, hours=int(hours), minutes=int(minutes))
    return int(moment.timestamp() * 1000)


def person(hours: tuple[int, int] | None) -> Recipient:
    begins, ends = hours or (None, None)
    return Recipient("김", "01012345678", quiet_from_minute=begins, quiet_to_minute=ends)


@pytest.mark.parametrize(
    ("hours", "due", "wanted"),
    [
        (None, (0, "23:00"), (0, "23:00")),
        (NIGHT, (0, "21:59"), (0, "21:59")),
        (NIGHT, (0, "22:00"), (1, "07:00")),
        (NIGHT, (0, "23:30"), (1, "07:00")),
        (NIGHT, (1, "00:00"), (1, "07:00")),
        (NIGHT, (1, "06:59"), (1, "07:00")),
        (NIGHT, (1, "07:00"), (1, "07:00")),
        (NOON, (0, "12:15"), (0, "13:30")),
        (NOON, (0, "13:30"), (0, "13:30")),
        (NOON, (0, "23:00"), (0, "23:00")),
        ((600, 600), (0, "10:00"), (0, "10:00")),
    ],
)
def test_due_moves_to_the_end(hours: tuple[int, int] | None, due: tuple[int, str], wanted: tuple[int, str]) -> None:
    assert released(person(hours), at(*due)) == at(*wanted)


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, DAY_MS))
def test_it_is_held_less_than_a_day_and_then_let_go(begins: int, ends: int, after_ms: int) -> None:
    due = NOW_UNIX_MS + after_ms
    found = released(person((begins, ends)), due)
    assert 0 <= found - due < DAY_MS
    assert released(person((begins, ends)), found) == found, "what has been let go is not held again"
