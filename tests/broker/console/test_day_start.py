"""The day's start: asked once, at local midnight, and never guessed."""

from collections.abc import Sequence

from broker.console.day_start import MS_PER_DAY, DayStarts
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Series, sample_of
from contract.telemetry import PeopleReading
from runtime.clock import ManualClock
from runtime.errors import RetryableError

EAST = Series("jungang", "alley-1", "people", "east")
MIDNIGHT = 1_767_279_600_000  # 2026-01-02T00:00:00+09:00
HOUR_MS = 3_600_000


def store(*counts: tuple[int, int]) -> MemorySeriesStore:
    """A store with (time after midnight in ms, in_count) of one counter; as many went out as came in."""
    one = MemorySeriesStore()
    for after_ms, count in counts:
        time = MIDNIGHT + after_ms
        reading = PeopleReading(time_unix_ms=time, counter="east", state="live", in_count=count, out_count=count)
        one.write([sample_of("jungang", "alley-1", "people", reading)])
    return one


def asked(one: MemorySeriesStore, at_ms: int = 9 * HOUR_MS) -> tuple[int, int] | None:
    starts = DayStarts(one, ManualClock(unix_ms=MIDNIGHT + at_ms), utc_offset_minutes=540)
    starts.ask([EAST])
    return starts.known().get(EAST)


def test_the_last_count_before_midnight_is_the_days_start() -> None:
    assert asked(store((-HOUR_MS, 10), (-5000, 20), (5000, 30))) == (20, 20)


def test_without_one_it_is_the_days_first_and_never_yesterdays() -> None:
    assert asked(store((-HOUR_MS, 10), (HOUR_MS, 30), (2 * HOUR_MS, 40))) == (30, 30)
    assert asked(store((-HOUR_MS, 10))) is None


def test_a_new_day_asks_anew() -> None:
    one, clock = store((-5000, 20), (MS_PER_DAY - 5000, 90)), ManualClock(unix_ms=MIDNIGHT + HOUR_MS)
    starts = DayStarts(one, clock, utc_offset_minutes=540)
    starts.ask([EAST])
    assert starts.known()[EAST] == (20, 20)
    clock.advance(24 * 3600)
    assert starts.known() == {}
    starts.ask([EAST])
    assert starts.known()[EAST] == (90, 90)


def test_a_store_that_does_not_answer_is_asked_again_later() -> None:
    class Away(MemorySeriesStore):
        def range(self, *_asked: object) -> Sequence[tuple[int, FieldValue]]:
            raise RetryableError("away")

    assert asked(Away()) is None
