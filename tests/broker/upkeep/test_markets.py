"""A market's window in one sample."""

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.influx import InfluxSeriesStore
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Sample, Series, SeriesStore
from broker.upkeep.markets import MARKETS_KIND, MarketWindows, scan_from_unix_ms, series_of
from broker.upkeep.rolling import ROLLED_KINDS, Span, roll
from tests.broker.upkeep.conftest import BAY, T0, House, W
from tests.influx_fixtures import InfluxServer

GATE = BAY._replace(kind="gates", subject="gate-1")
PEOPLE = BAY._replace(kind="people", subject="door")
AGENT = BAY._replace(kind="agents", subject="pi-1")
NOTHING = {"bays_count": 0.0, "devices_count": 0.0, "readings_count": 0.0, "covered_s": 0.0}


def at(offset_s: float, series: Series = BAY, **fields: FieldValue) -> Sample:
    return Sample(series, T0 + int(offset_s * 1000), fields)


def markets(samples: Sequence[Sample], windows: int = 1, first: int = 0) -> list[Mapping[str, FieldValue]]:
    """The fields of each window, made of all samples at once."""
    store = MemorySeriesStore()
    store.write(samples)
    begin, end = T0 + first * W, T0 + (first + windows) * W
    whole = MarketWindows("jungang", begin, end)
    for kind in ROLLED_KINDS:
        span = Span("jungang", kind, begin, end)
        scanned = store.scan("jungang", kind, scan_from_unix_ms(span), end)
        list(roll(whole.watch(kind, scanned), span, whole.add))
    made = list(whole.samples())
    assert [one.time_unix_ms for one in made] == list(range(begin, end, W))
    assert {one.series for one in made} == {series_of("jungang")}
    return [one.fields for one in made]


def every(step_s: int, from_s: int, until_s: int, series: Series = BAY, **fields: FieldValue) -> list[Sample]:
    return [at(offset, series, **fields) for offset in range(from_s, until_s, step_s)]


def bay(subject: str) -> Series:
    return BAY._replace(subject=subject)


def test_bays_are_weighed_by_the_time_in_which_they_were_known() -> None:
    (fields,) = markets(
        [
            *every(10, 0, 300, bay("whole"), known=1.0, occupied=1.0),
            *every(10, 0, 150, bay("half"), known=1.0, occupied=0.0),
            *every(10, 150, 300, bay("half"), known=0.0, state="unknown"),
            *every(10, 0, 300, bay("closed"), known=1.0, state="closed"),
            *every(10, 0, 300, bay("blind"), known=0.0, state="unknown"),
            at(20, bay("silent"), known=1.0, occupied=0.0),
        ]
    )
    silent = 25 / 300
    assert fields["bays_count"] == 5
    assert fields["bays_known_mean"] == pytest.approx(1 + 0.5 + 1 + silent)
    assert fields["bays_unknown_mean"] == pytest.approx(0.5 + 1)
    assert fields["bays_occupied_mean"] == 1
    assert fields["bays_free_mean"] == pytest.approx(0.5 + silent)
    assert fields["occupied_share_mean"] == pytest.approx(1 / (1.5 + silent))


def test_where_no_bay_is_known_there_is_no_share() -> None:
    (fields,) = markets(every(10, 0, 300, known=0.0, state="unknown"))
    assert fields["bays_known_mean"] == 0
    assert fields["bays_unknown_mean"] == 1
    assert not {"occupied_share_mean", "bays_occupied_mean", "bays_free_mean"} & set(fields)


def test_a_window_without_a_reading_says_so() -> None:
    first, second = markets(every(10, 0, 270, known=1.0, occupied=1.0), windows=2)
    assert first["covered_s"] == 285
    assert second == NOTHING


def test_devices_readings_and_covered_time_are_counted_over_all_kinds() -> None:
    other = AGENT._replace(device="pi-2", subject="pi-2")
    (fields,) = markets(
        [
            *every(10, 0, 300, AGENT, uptime_s=1.0),
            at(5, other, uptime_s=1.0),
            at(8, BAY._replace(kind="cameras", subject="cam"), known=1.0),
        ]
    )
    assert (fields["devices_count"], fields["readings_count"], fields["covered_s"]) == (2, 32, 300)
    assert fields["bays_count"] == 0


def test_flows_are_what_counters_grew_by_and_a_counter_may_begin_anew() -> None:
    samples = [
        *(at(offset, GATE, in_count=count, out_count=7) for offset, count in ((-20, 88), (0, 90), (10, 95), (290, 2))),
        at(305, GATE, in_count=4, out_count=8),
        at(-290, PEOPLE, in_count=100, out_count=50),
        at(290, PEOPLE, in_count=140, out_count=50),
    ]
    first, second = markets(samples, windows=2)
    assert (first["vehicles_in_count"], first["vehicles_out_count"]) == (7, 0)
    assert (second["vehicles_in_count"], second["vehicles_out_count"]) == (2, 1)
    assert (first["people_in_count"], first["people_out_count"]) == (40, 0), "from the window before"
    assert "people_in_count" not in second, "nothing was counted: that is not 0"


def test_what_passed_in_a_silence_of_a_whole_window_is_in_no_flow() -> None:
    fields = markets([at(0, GATE, in_count=5, out_count=0), at(601, GATE, in_count=9, out_count=0)], windows=3)
    assert [one.get("vehicles_in_count") for one in fields] == [0, None, 0]


def test_every_kind_with_counters_has_a_flow() -> None:
    two = [at(0, BAY._replace(kind=kind), in_count=1, out_count=1) for kind in ("gates", "people")]
    (fields,) = markets(two)
    counts = {name for name in fields if name.endswith(("_in_count", "_out_count"))}
    assert counts == {"vehicles_in_count", "vehicles_out_count", "people_in_count", "people_out_count"}


READING = st.tuples(
    st.integers(-299, 1499),
    st.sampled_from([GATE, GATE._replace(subject="gate-2"), BAY, bay("a-02")]),
    st.integers(0, 20),
)


@given(st.lists(READING, max_size=25, unique_by=lambda one: one[:2]))
def test_however_the_time_is_cut_a_window_says_the_same(readings: list[tuple[int, Series, int]]) -> None:
    samples = [
        at(offset, series, in_count=number, out_count=0)
        if series.kind == "gates"
        else at(offset, series, known=float(number > 4), **({"occupied": float(number % 2)} if number > 4 else {}))
        for offset, series, number in readings
    ]
    whole = markets(samples, windows=5)
    assert [*markets(samples, 2), *markets(samples, 1, first=2), *markets(samples, 2, first=3)] == whole


def stored(house: House) -> dict[int, Mapping[str, FieldValue]]:
    """The market's samples in the house's store by the number of their window."""
    found = house.store.scan("jungang", MARKETS_KIND, 0, 2 * T0)
    return {(one.time_unix_ms - T0) // W: one.fields for one in found}


def start(house: House) -> None:
    for market in ("jungang", "nambu"):
        house.rollups.note_done(market, T0)


@pytest.mark.parametrize("kind", ["memory", "embedded", "influx"])
def test_the_job_writes_one_for_each_market_and_window(house: House, kind: str, request: pytest.FixtureRequest) -> None:
    house.store = opened(house, kind, request)
    start(house)
    for moment in range(0, 900, 10):
        house.read(moment, occupied=1.0, known=1.0, state="occupied")
        house.read(moment, GATE, in_count=moment // 10, out_count=0)
    house.clock.advance(3 * 300 + 120)
    house.run()
    flows = [29, 30, 30]
    assert [stored(house)[window]["vehicles_in_count"] for window in range(3)] == flows
    assert [stored(house)[window]["bays_occupied_mean"] for window in range(3)] == [1, 1, 1]
    empty = list(house.store.scan("nambu", MARKETS_KIND, 0, 2 * T0))
    assert [one.fields for one in empty] == [NOTHING] * 3
    before = stored(house)
    house.late(295, occupied=0.0, known=1.0)
    house.run()
    assert stored(house)[0]["bays_occupied_mean"] == pytest.approx(295 / 300)
    assert stored(house)[1] == before[1]
    assert {one.series.kind for one in house.store.latest("jungang")} == {"bays", "gates"}
    house.store.close()


def opened(house: House, kind: str, request: pytest.FixtureRequest) -> SeriesStore:
    if kind == "memory":
        return MemorySeriesStore()
    if kind == "embedded":
        return EmbeddedSeriesStore(house.settings.series.path)  # type: ignore[union-attr]  # the house's settings are the embedded store's
    server: InfluxServer = request.getfixturevalue("influx_server")
    return InfluxSeriesStore(server.url, server.token, server.org, server.new_bucket())


def test_a_late_count_moves_the_next_windows_flow_too(house: House) -> None:
    start(house)
    house.read(10, GATE, in_count=5, out_count=0)
    house.read(310, GATE, in_count=9, out_count=0)
    house.clock.advance(3 * 300 + 120)
    house.run()
    assert [stored(house)[window].get("vehicles_in_count") for window in range(2)] == [0, 4]
    house.read(200, GATE, in_count=8, out_count=0)
    house.late(200, occupied=1.0)
    house.run()
    assert [stored(house)[window].get("vehicles_in_count") for window in range(2)] == [3, 1]


def test_beyond_what_is_kept_a_market_is_only_filled_in_where_nothing_was(house: House) -> None:
    start(house)
    old = -31 * 86_400
    first = (T0 + old * 1000 - T0) // W
    rolled = BAY._replace(kind="bays-5m", subject="other")
    house.store.write([Sample(rolled, T0 + first * W, {"occupied_mean": 0.75})])
    house.late(old, occupied=0.0)
    house.late(old + 600, occupied=1.0)
    house.run()
    assert {window: fields["bays_count"] for window, fields in stored(house).items()} == {first + 2: 1}
