"""Small hard cases on a real InfluxDB: what is not known must never look free, quiet or delivered."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from broker.series.influx import InfluxSeriesStore
from broker.series.ports import FieldValue, Sample, Series, sample_of
from broker.upkeep.markets import series_of
from contract.telemetry import BayReading, BayState, Reason
from dashboards import city, queries
from dashboards.market_occupancy import BAY_FIELDS
from tests.dashboards.grafana import Source, Variable, View, values
from tests.influx_fixtures import InfluxServer

pytestmark = pytest.mark.server

NOW_MS = 1_772_700_000_000
VIEW = View(
    NOW_MS - 3_600_000,
    NOW_MS,
    {"market": Variable("market"), "device": Variable("device", multi=True, all_value=".*")},
    {"market": "m", "device": "$__all"},
)


class Small:
    """A store with bays that one writes by hand."""

    def __init__(self, server: InfluxServer) -> None:
        bucket = server.new_bucket()
        self.source = Source(server.url, server.token, bucket)
        self.store = InfluxSeriesStore(server.url, server.token, server.org, bucket)

    def write(self, bay: str, state: BayState, ago_s: int) -> None:
        reading = BayReading(
            time_unix_ms=NOW_MS - ago_s * 1000,
            bay=bay,
            state=state,
            reason=Reason.NO_ECHO if state is BayState.UNKNOWN else None,
            confidence=1.0,
            since_unix_ms=NOW_MS - 3_600_000,
        )
        self.store.write([sample_of("m", "d", "bays", reading)])

    def now(self, what: str) -> list[float]:
        return values(self.source.ask(VIEW.query(queries.now("bays", what, BAY_FIELDS))))

    def silent(self) -> list[float]:
        return values(self.source.ask(VIEW.query(queries.silent("bays"))))


@pytest.fixture
def small(influx_server: InfluxServer) -> Iterator[Small]:
    made = Small(influx_server)
    yield made
    made.source.close()
    made.store.close()


def test_a_full_lot_has_no_free_bay_and_says_so(small: Small) -> None:
    for bay in ("a", "b"):
        small.write(bay, BayState.OCCUPIED, ago_s=3)
    assert small.now(queries.FREE) == [0]
    assert small.now(queries.OCCUPIED) == [2]
    assert small.silent() == [0]


def test_where_all_is_unknown_nothing_is_free_and_nothing_is_taken(small: Small) -> None:
    for bay in ("a", "b"):
        small.write(bay, BayState.FREE, ago_s=12)
        small.write(bay, BayState.UNKNOWN, ago_s=3)
    assert small.now(queries.FREE) == []
    assert small.now(queries.SHARE_OCCUPIED) == []
    assert small.now(queries.UNKNOWN) == [2]


def test_what_is_older_than_the_consoles_limit_is_silent_and_not_as_it_was(small: Small) -> None:
    small.write("a", BayState.FREE, ago_s=24)
    small.write("b", BayState.FREE, ago_s=26)
    assert small.now(queries.FREE) == [1]
    assert small.silent() == [1]


def test_where_all_is_silent_all_is_silent(small: Small) -> None:
    for bay in ("a", "b", "c"):
        small.write(bay, BayState.FREE, ago_s=3000)
    assert small.now(queries.FREE) == []
    assert small.now(queries.UNKNOWN) == []
    assert small.silent() == [3]


def test_a_closed_bay_is_neither(small: Small) -> None:
    small.write("a", BayState.CLOSED, ago_s=3)
    small.write("b", BayState.FREE, ago_s=3)
    assert small.now(queries.FREE) == [1]
    assert small.now(queries.OCCUPIED) == [0]
    assert small.now(queries.UNKNOWN) == [0]


def test_a_bay_that_became_unknown_in_a_bucket_is_not_what_it_was_before(small: Small) -> None:
    small.write("a", BayState.OCCUPIED, ago_s=50)
    small.write("a", BayState.UNKNOWN, ago_s=40)
    wide = VIEW.query(queries.over_time("bays", queries.SHARE_OCCUPIED, BAY_FIELDS, step="1h"))
    assert values(small.source.ask(wide)) == []


def test_a_counter_that_begins_anew_counts_from_there(small: Small) -> None:
    fields: tuple[dict[str, FieldValue], ...] = tuple({"in_count": float(count)} for count in (100, 104, 2, 5))
    series = Series("m", "d", "people", "door")
    small.store.write([Sample(series, NOW_MS - 60_000 + 10_000 * place, one) for place, one in enumerate(fields)])
    assert values(small.source.ask(VIEW.query(queries.grown_in_range("people", "in_count")))) == [7]


def market_window(small: Small, begin_ms: int, market: str = "m", **fields: FieldValue) -> None:
    said: dict[str, FieldValue] = {"devices_count": 0, "bays_count": 0, **fields}
    small.store.write([Sample(series_of(market), begin_ms, said)])


def test_a_market_that_is_silent_is_not_as_it_was_a_window_ago(small: Small) -> None:
    newest = NOW_MS - NOW_MS % 300_000 - 600_000
    market_window(small, newest - 300_000, devices_count=2, bays_free_mean=5.0)
    market_window(small, newest)
    (found,) = small.source.ask(VIEW.query(queries.newest_window("bays_free_mean")))
    assert [row[1:] for row in found["values"]] == [[0, None]]
    assert values(small.source.ask(VIEW.query(queries.markets_heard()))) == [0]


def test_the_newest_window_ends_before_the_end_of_the_range_and_is_not_old(small: Small) -> None:
    for begin_ms in (NOW_MS - 299_000, NOW_MS - 1_201_000):
        market_window(small, begin_ms, devices_count=2)
    assert small.source.ask(VIEW.query(queries.newest_window())) == []
    assert small.source.ask(VIEW.query(queries.markets_heard())) == []
    market_window(small, NOW_MS - 300_000, devices_count=3)
    assert values(small.source.ask(VIEW.query(queries.newest_window()))) == [3]


def test_where_no_bay_was_known_a_market_has_no_share_and_no_flow(small: Small) -> None:
    begin_ms = NOW_MS - NOW_MS % 300_000 - 600_000
    market_window(small, begin_ms, bays_known_mean=0.0, bays_unknown_mean=4.0, bays_count=4)
    market_window(small, begin_ms, market="other", people_in_count=0.0, bays_occupied_mean=0.0, bays_free_mean=1.0)
    for market, shares in (("m", [[], [0.0], []]), ("other", [[0.0], [], [0.0]])):
        looked = replace(VIEW, chosen={**VIEW.chosen, "market": market})
        asked = (city.SHARE_OCCUPIED, city.SHARE_KNOWN, city.PEOPLE_IN)
        found = [values(small.source.ask(looked.query(queries.of_windows(what, step="5m")))) for what in asked]
        assert found == shares, market
