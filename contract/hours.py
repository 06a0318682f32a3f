"""Hours of a market's week: weekdays and a window of minutes, which a slot of signage and a camera's zone share."""

from collections.abc import Collection
from typing import Annotated

from pydantic import Field

MINUTES_PER_DAY = 1440
MS_PER_MINUTE = 60_000
DAYS_PER_WEEK = 7
EPOCH_WEEKDAY = 4  # 1970-01-01 was a Thursday

Weekdays = Annotated[
    tuple[Annotated[int, Field(ge=1, le=DAYS_PER_WEEK)], ...],
    Field(min_length=1, max_length=DAYS_PER_WEEK, strict=False),
]
"""1 = Monday … 7 = Sunday."""

WHOLE_WEEK = (1, 2, 3, 4, 5, 6, 7)

Minute = Annotated[int, Field(ge=0, lt=MINUTES_PER_DAY)]
"""Minutes since the local midnight."""


def in_hours(
    days: Collection[int], from_minute: int, to_minute: int, now_unix_ms: int, utc_offset_minutes: int
) -> bool:
    """Whether the window covers the time.

    Equal minutes mean the whole day; a `to_minute` before `from_minute` runs past midnight and belongs to the day on
    which it starts.
    """
    day, minute = divmod(now_unix_ms // MS_PER_MINUTE + utc_offset_minutes, MINUTES_PER_DAY)
    today = (day + EPOCH_WEEKDAY - 1) % DAYS_PER_WEEK + 1
    yesterday = (today - 2) % DAYS_PER_WEEK + 1
    if from_minute == to_minute:
        return today in days
    if from_minute < to_minute:
        return today in days and from_minute <= minute < to_minute
    return (today in days and minute >= from_minute) or (yesterday in days and minute < to_minute)


def window_minutes(from_minute: int, to_minute: int) -> int:
    """How many minutes of a day the window covers."""
    return (to_minute - from_minute) % MINUTES_PER_DAY or MINUTES_PER_DAY
