"""What a roll-up says of a window."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.series.buckets import buckets_of, field_of
from broker.series.checks import FIELDS_MAX
from broker.series.freshness import STALE_AFTER_S
from broker.series.ports import FieldValue, Sample, Series
from broker.upkeep.rolling import ROLLED_KINDS, Span, roll
from contract.telemetry import READINGS_PER_BATCH_MAX, AgentReading, CameraReading, GateReading, Reading, SirenReading
from tests.broker.upkeep.conftest import BAY, ROLLED_BAY, T0, W

MODELS: dict[str, type[Reading]] = {
    "agents": AgentReading,
    "gates": GateReading,
    "sirens": SirenReading,
    "cameras": CameraReading,
}
SPAN = Span("jungang", "bays", T0, T0 + 2 * W)


def at(offset_s: float, series: Series = BAY, **fields: FieldValue) -> Sample:
    return Sample(series, T0 + int(offset_s * 1000), fields)


def test_a_window_is_weighed_by_time() -> None:
    # every 10 s occupied, but for one minute in which a nervous sensor says free ten times as often
    samples = [at(offset, occupied=float(not 120 <= offset < 180)) for offset in irregular()]
    first, second = roll(samples, Span("jungang", "bays", T0, T0 + 2 * W))
    assert first.series == ROLLED_BAY
    assert first.fields["occupied_mean"] == pytest.approx(0.8)
    assert (first.fields["covered_s"], first.fields["samples_count"]) == (300.0, len(samples) - 1)
    assert (first.fields["occupied_min"], first.fields["occupied_max"], first.fields["occupied_last"]) == (0, 1, 1)
    assert second.fields["covered_s"] == STALE_AFTER_S["bays"], "the last reading holds for a while, not for ever"


def irregular() -> list[float]:
    return [*range(0, 120, 10), *range(120, 180), *range(180, 301, 10)]


def test_unknown_time_is_covered_by_a_reading_but_in_no_mean() -> None:
    samples = [
        *(at(offset, known=1.0, occupied=1.0) for offset in range(0, 100, 10)),
        *(at(offset, known=0.0, state="unknown") for offset in range(100, 200, 10)),
    ]
    (window,) = roll(samples, Span("jungang", "bays", T0, T0 + W))
    assert window.fields["occupied_mean"] == 1.0
    assert window.fields["covered_s"] == 215.0
    assert window.fields["known_mean"] == pytest.approx(100 / 215)


def test_every_kind_of_field_is_rolled_up_as_the_table_says() -> None:
    samples = [at(0, in_count=5, state="live", since_unix_ms=T0, sounding=True, generation=3, distance_mm=10.5)]
    (window,) = roll(samples, Span("jungang", "bays", T0, T0 + W))
    assert dict(window.fields) == {
        "covered_s": 25.0,
        "samples_count": 1,
        **dict.fromkeys(("in_count_max", "in_count_last"), 5.0),
        **dict.fromkeys(("generation_max", "generation_last"), 3.0),
        **{f"sounding_{part}": 1.0 for part in ("mean", "min", "max", "last")},
        **{f"distance_mm_{part}": 10.5 for part in ("mean", "min", "max", "last")},
    }
    assert not any(isinstance(value, bool) for value in window.fields.values()), "a flag's roll-ups are numbers"


def test_a_counter_that_began_anew_shows_in_last_below_max() -> None:
    samples = [at(offset, in_count=count) for offset, count in ((0, 90), (10, 95), (20, 2), (30, 4))]
    (window,) = roll(samples, Span("jungang", "bays", T0, T0 + W))
    assert (window.fields["in_count_max"], window.fields["in_count_last"]) == (95.0, 4.0)


def test_series_are_told_apart_and_what_held_before_counts() -> None:
    second = BAY._replace(subject="a-02")
    samples = [at(-5, occupied=1.0), at(15, occupied=0.0), at(-30, second, occupied=1.0)]
    windows = list(roll(samples, Span("jungang", "bays", T0, T0 + W)))
    assert [one.series.subject for one in windows] == ["a-01"], "the second's reading was over before the window began"
    assert windows[0].fields["occupied_mean"] == pytest.approx(15 / 40)
    assert windows[0].fields["samples_count"] == 1


def test_every_rolled_kind_fits_a_sample() -> None:
    for kind, model in MODELS.items():
        fields: dict[str, FieldValue] = {
            name: "text" if "Literal" in str(field.annotation) else 1
            for name, field in model.model_fields.items()
            if name not in {"time_unix_ms", model.SUBJECT_FIELD}
        }
        whole = Sample(Series("jungang", "pi-1", kind, "one"), T0, {**fields, "known": 1, "occupied": 1})
        (window,) = roll([whole], Span("jungang", kind, T0, T0 + W))
        assert 2 < len(window.fields) <= FIELDS_MAX
    assert READINGS_PER_BATCH_MAX
    assert set(ROLLED_KINDS) == set(STALE_AFTER_S)
    assert SPAN.scan_from_unix_ms == T0 - 25_000


@given(
    st.lists(st.tuples(st.integers(-60, 900), st.sampled_from([None, 0.0, 1.0, 2.5])), unique_by=lambda one: one[0]),
    st.integers(1, 3),
)
def test_a_roll_up_is_what_the_store_downsamples(readings: list[tuple[int, float | None]], windows: int) -> None:
    samples = [
        at(offset, known=0.0) if value is None else at(offset, value=value) for offset, value in sorted(readings)
    ]
    span = Span("jungang", "bays", T0, T0 + windows * W)
    rolled = {one.time_unix_ms: one.fields for one in roll(samples, span) if "value_mean" in one.fields}
    plain = ((one.time_unix_ms, one.fields) for one in samples)
    buckets = buckets_of(field_of(plain, "value"), span.from_unix_ms, span.until_unix_ms, W, span.hold_ms)
    assert [one.start_unix_ms for one in buckets] == list(rolled)
    for one in buckets:
        fields = rolled[one.start_unix_ms]
        found = tuple(fields[f"value_{part}"] for part in ("mean", "min", "max", "last"))
        assert found == (one.mean, one.min, one.max, one.last)
