"""What every series store does with time: means, scans, the newest, removal. Memory, SQLite and a real InfluxDB."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.series.buckets import Bucket, buckets_of, pieces
from broker.series.freshness import rolled_kind
from broker.series.ports import FieldValue, Sample, Series, SeriesStore

T0 = 1_767_225_600_000
BAY = Series("jungang", "pi-1", "bays", "bay-1")
SECOND = Series("jungang", "pi-1", "bays", "bay-2")
OTHER_DEVICE = Series("jungang", "pi-2", "bays", "bay-3")
ELSEWHERE = Series("nambu", "pi-9", "bays", "bay-1")
GATE = Series("jungang", "pi-1", "gates", "gate-1")

_numbers = count()


def at(offset_ms: int, series: Series = BAY, **fields: FieldValue) -> Sample:
    return Sample(series, T0 + offset_ms, fields or {"occupied": 1.0})


def downsampled(
    store: SeriesStore, field: str, start: int, until: int, step: int, hold: int, series: Series = BAY
) -> list[Bucket]:
    return list(store.downsampled(series, field, T0 + start, T0 + until, step, hold))


def test_a_value_holds_until_the_next_one_and_irregular_readings_weigh_by_time(store: SeriesStore) -> None:
    # occupied for 90 s of 100, however often it was said
    store.write([at(offset, occupied=1.0) for offset in (0, 80_000, 85_000, 88_000)])
    store.write([at(90_000, occupied=0.0)])
    (bucket,) = downsampled(store, "occupied", 0, 100_000, 100_000, 100_000)
    assert bucket == Bucket(T0, 100.0, 5, 0.9, 0.0, 1.0, 0.0)


def test_a_value_does_not_hold_for_ever(store: SeriesStore) -> None:
    store.write([at(0, occupied=1.0), at(60_000, occupied=0.0)])
    (bucket,) = downsampled(store, "occupied", 0, 100_000, 100_000, 25_000)
    assert (bucket.covered_s, bucket.mean, bucket.samples_count) == (50.0, 0.5, 2)


def test_a_bucket_begins_with_what_held_before_it(store: SeriesStore) -> None:
    store.write([at(0, distance_mm=100.0), at(8_000, distance_mm=300.0)])
    first, second = downsampled(store, "distance_mm", 5_000, 15_000, 5_000, 20_000)
    assert first == Bucket(T0 + 5_000, 5.0, 1, 180.0, 100.0, 300.0, 300.0)
    assert second == Bucket(T0 + 10_000, 5.0, 0, 300.0, 300.0, 300.0, 300.0), "it lives of the reading before it"


def test_a_reading_without_the_field_ends_it(store: SeriesStore) -> None:
    store.write([at(0, occupied=1.0, known=1.0), at(4_000, known=0.0), at(9_000, occupied=0.0, known=1.0)])
    (occupied,) = downsampled(store, "occupied", 0, 10_000, 10_000, 25_000)
    assert (occupied.covered_s, occupied.mean, occupied.samples_count) == (5.0, 0.8, 2)
    (known,) = downsampled(store, "known", 0, 10_000, 10_000, 25_000)
    assert (known.covered_s, known.mean) == (10.0, 0.5)


def test_buckets_in_which_nothing_is_known_are_left_out(store: SeriesStore) -> None:
    store.write([at(0, occupied=1.0), at(35_000, occupied=1.0)])
    found = downsampled(store, "occupied", 0, 50_000, 10_000, 10_000)
    assert [(one.start_unix_ms - T0, one.covered_s) for one in found] == [(0, 10.0), (30_000, 5.0), (40_000, 5.0)]


def test_flags_count_as_one_and_zero_and_texts_have_no_mean(store: SeriesStore) -> None:
    store.write([at(0, sounding=True, state="free"), at(2_500, sounding=False, state="free")])
    (bucket,) = downsampled(store, "sounding", 0, 10_000, 10_000, 60_000)
    assert bucket == Bucket(T0, 10.0, 2, 0.25, 0.0, 1.0, 0.0)
    assert downsampled(store, "state", 0, 10_000, 10_000, 60_000) == []


def test_what_was_never_written_has_no_buckets(store: SeriesStore) -> None:
    assert downsampled(store, "occupied", 0, 10_000, 1_000, 1_000) == []
    store.write([at(0)])
    assert downsampled(store, "no_such_field", 0, 10_000, 1_000, 1_000) == []
    assert downsampled(store, "occupied", 0, 10_000, 1_000, 1_000, ELSEWHERE) == []
    assert downsampled(store, "in_count", 0, 10_000, 1_000, 1_000, GATE) == []
    assert downsampled(store, "occupied", -1_000, 0, 1_000, 1_000) == [], "a range is half open"


@pytest.mark.parametrize(("step", "hold"), [(0, 1), (1, 0), (-5, 1)])
def test_a_step_or_hold_of_nothing_is_refused(store: SeriesStore, step: int, hold: int) -> None:
    store.write([at(0)])
    with pytest.raises(ValueError, match="at least 1"):
        downsampled(store, "occupied", 0, 10, step, hold)


VALUES = st.one_of(st.none(), st.integers(-5, 5), st.floats(-1e6, 1e6, allow_nan=False, width=32))
READINGS = st.dictionaries(st.integers(-60, 160), VALUES, max_size=25)


def brute_force(
    readings: dict[int, float | None], start: int, until: int, step: int, hold: int
) -> Iterator[tuple[int, list[float]]]:
    """What holds in each millisecond, found by looking back from it."""
    for bucket in range(start, until, step):
        held = []
        for moment in range(bucket, min(bucket + step, until)):
            before = [time for time in readings if moment - hold < time <= moment]
            value = readings[max(before)] if before else None
            if value is not None:
                held.append(float(value))
        if held:
            yield bucket, held


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    readings=READINGS,
    start=st.integers(-20, 50),
    length=st.integers(1, 100),
    step=st.integers(1, 60),
    hold=st.integers(1, 90),
)
def test_a_mean_is_what_adding_up_every_millisecond_gives(
    store: SeriesStore, readings: dict[int, float | None], start: int, length: int, step: int, hold: int
) -> None:
    series = Series("jungang", "pi-1", "bays", f"drawn-{next(_numbers)}")
    store.write([at(time, series, **fields_of(value)) for time, value in readings.items()])
    found = downsampled(store, "value", start, start + length, step, hold, series)
    expected = list(brute_force(readings, start, start + length, step, hold))
    assert [one.start_unix_ms - T0 for one in found] == [bucket for bucket, _ in expected]
    for one, (bucket, held) in zip(found, expected, strict=True):
        inside = [time for time in readings if bucket <= time < min(bucket + step, start + length)]
        assert one.covered_s == len(held) / 1000
        assert one.mean == pytest.approx(sum(held) / len(held), rel=1e-9, abs=1e-6)
        assert (one.min, one.max, one.last) == (min(held), max(held), held[-1])
        assert one.samples_count == sum(readings[time] is not None for time in inside)


def fields_of(value: float | None) -> dict[str, FieldValue]:
    return {"known": 0.0} if value is None else {"known": 1.0, "value": value}


def test_samples_out_of_order_are_a_defect_that_is_said() -> None:
    with pytest.raises(ValueError, match="comes after"):
        list(pieces([(5, "a"), (5, "b")], 0, 10, 10, 10))
    with pytest.raises(ValueError, match="at least 1"):
        buckets_of([(5, 1.0)], 0, 10, 0, 10)


def scanned(store: SeriesStore, market: str, kind: str, start: int, until: int) -> list[Sample]:
    with closing(store.scan(market, kind, T0 + start, T0 + until)) as samples:
        return list(samples)


def test_a_scan_gives_whole_samples_series_after_series(store: SeriesStore) -> None:
    wanted = [
        at(10, BAY, occupied=1.0, state="occupied"),
        at(20, BAY, known=0.0, state="unknown"),
        at(10, SECOND, occupied=0.0, state="free"),
        at(30, SECOND, occupied=0.0, state="free"),
        at(15, OTHER_DEVICE, occupied=1.0, state="occupied"),
    ]
    store.write([*reversed(wanted), at(12, ELSEWHERE), at(12, GATE, in_count=3), at(9, BAY), at(31, BAY)])
    assert scanned(store, "jungang", "bays", 10, 31) == wanted
    assert scanned(store, "jungang", "gates", 0, 99) == [at(12, GATE, in_count=3)]


def test_a_scan_of_nothing_is_empty(store: SeriesStore) -> None:
    assert scanned(store, "jungang", "bays", 0, 10) == []
    store.write([at(10)])
    assert scanned(store, "jungang", "bays", 11, 99) == []
    assert scanned(store, "jungang", "people", 0, 99) == []
    assert scanned(store, "nowhere", "bays", 0, 99) == []


def test_a_scan_that_is_given_up_holds_nothing(store: SeriesStore) -> None:
    store.write([at(offset) for offset in range(2000)])
    for _ in range(20):
        samples = store.scan("jungang", "bays", T0, T0 + 2000)
        assert next(samples).time_unix_ms == T0
        samples.close()
    store.write([at(2000)])
    assert len(scanned(store, "jungang", "bays", 0, 3000)) == 2001


def test_more_than_one_piece_of_an_answer(store: SeriesStore) -> None:
    store.write([at(offset, series, value=offset) for series in (BAY, SECOND) for offset in range(7_000)])
    found = scanned(store, "jungang", "bays", 0, 7_000)
    assert [(one.series, one.time_unix_ms - T0) for one in found] == [
        (series, offset) for series in (BAY, SECOND) for offset in range(7_000)
    ]
    assert len(store.range(BAY, "value", T0, T0 + 7_000)) == 7_000


def test_the_newest_is_each_series_last_time_over_all_markets(store: SeriesStore) -> None:
    assert dict(store.newest("bays", T0)) == {}
    store.write([at(5), at(9), at(7), at(3, SECOND), at(8, ELSEWHERE), at(99, GATE, in_count=1)])
    assert dict(store.newest("bays", T0 + 4)) == {BAY: T0 + 9, ELSEWHERE: T0 + 8}
    assert dict(store.newest("bays", T0 + 9)) == {BAY: T0 + 9}
    assert dict(store.newest("bays", T0 + 10)) == {}
    assert dict(store.newest("people", T0)) == {}


def prune_all(store: SeriesStore, kinds: Sequence[str], before: int) -> int:
    calls = 1
    while not store.prune(kinds, T0 + before):
        calls += 1
    return calls


def test_pruning_removes_what_is_older_and_nothing_else(store: SeriesStore) -> None:
    assert prune_all(store, ["bays"], 0) == 1
    both = (BAY, SECOND, ELSEWHERE)
    store.write([at(offset, series, value=offset) for series in both for offset in (0, 49, 50, 51)])
    store.write([at(0, GATE, in_count=1)])
    prune_all(store, ["bays", "people"], 50)
    for series in both:
        assert [value for _, value in store.range(series, "value", T0, T0 + 99)] == [50, 51]
    assert len(store.range(GATE, "in_count", T0, T0 + 99)) == 1
    assert {one.series: one.time_unix_ms - T0 for one in store.latest("jungang")} == {BAY: 51, SECOND: 51, GATE: 0}


def test_a_series_that_is_removed_whole_is_gone_and_can_come_back(store: SeriesStore) -> None:
    store.write([at(0, BAY), at(80, SECOND)])
    prune_all(store, ["bays"], 50)
    assert [one.series for one in store.latest("jungang")] == [SECOND]
    assert dict(store.newest("bays", T0 - 99)) == {SECOND: T0 + 80}
    store.write([at(60, BAY)])
    assert [one.time_unix_ms - T0 for one in store.latest("jungang")] == [60, 80]
    prune_all(store, ["bays"], 70)
    assert [one.series for one in store.latest("jungang")] == [SECOND]


def test_roll_ups_are_kinds_of_their_own_and_not_among_the_latest(store: SeriesStore) -> None:
    rolled = Series("jungang", "pi-1", rolled_kind("bays"), "bay-1")
    ends_alike = [Series("jungang", "pi-1", kind, "x") for kind in ("a", "m", "5m", "x5m", "a-6m", "a-5n", "a-5")]
    store.write([at(0), at(0, rolled, occupied_mean=0.5), *(at(0, series) for series in ends_alike)])
    assert {one.series for one in store.latest("jungang")} == {BAY, *ends_alike}
    assert scanned(store, "jungang", "bays-5m", 0, 1) == [at(0, rolled, occupied_mean=0.5)]
    prune_all(store, ["bays"], 50)
    assert scanned(store, "jungang", "bays-5m", 0, 1) == [at(0, rolled, occupied_mean=0.5)]
