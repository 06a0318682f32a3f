"""Every query of every dashboard, put to a real InfluxDB that holds a simulated day."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from statistics import mean
from typing import Any

import pytest

from broker.series.influx import InfluxSeriesStore
from contract.telemetry import GapCause
from dashboards.documents import documents
from tests.dashboards.day_samples import write_day
from tests.dashboards.grafana import ALL, Source, View, queries_of, values, variables_of
from tests.dashboards.market_day import (
    BEGIN_MS,
    CAMERA_DRILL_MS,
    CLOSED_BAY,
    CLOSED_MS,
    DAY_MS,
    END_MS,
    FAULTY,
    FAULTY_LAYOUT,
    FIRE_MS,
    HOUR_MS,
    LOST_READINGS,
    MINUTE_MS,
    NOTICE_MS,
    PLAIN,
    PLAIN_LAYOUT,
    SILENT_DEVICE,
    SILENT_FROM_MS,
    UNKNOWN_BAY,
    UNKNOWN_FROM_MS,
    MarketDay,
)
from tests.influx_fixtures import InfluxServer

pytestmark = pytest.mark.server

DASHBOARDS: Mapping[str, dict[str, Any]] = {
    name.rpartition("/")[2].removesuffix(".json"): json.loads(text) for name, text in documents().items()
}
CHOICES: Mapping[str, Mapping[str, str | Sequence[str]]] = {
    "one": {"market": FAULTY, "device": ALL, "one_market": FAULTY, "lot": "main", "item": "spring-sale"},
    "several": {
        "market": [FAULTY, PLAIN],
        "device": ["parking-1", SILENT_DEVICE],
        "one_market": FAULTY,
        "lot": ["main", "north"],
        "item": ["spring-sale", "none"],
    },
    "all": {"market": ALL, "device": ALL, "one_market": FAULTY, "lot": ALL, "item": ALL},
}


@dataclass(frozen=True)
class Day:
    """The filled source, and what really happened in each market."""

    source: Source
    markets: Mapping[str, MarketDay]


@pytest.fixture(scope="module")
def day(influx_server: InfluxServer) -> Iterator[Day]:
    bucket = influx_server.new_bucket()
    store = InfluxSeriesStore(influx_server.url, influx_server.token, influx_server.org, bucket)
    markets = {layout.market: MarketDay.simulated(layout) for layout in (PLAIN_LAYOUT, FAULTY_LAYOUT)}
    write_day(store, markets.values())
    store.close()
    source = Source(influx_server.url, influx_server.token, bucket)
    yield Day(source, markets)
    source.close()


def view(name: str, choice: str = "one", **chosen: str | Sequence[str]) -> View:
    """A dashboard over the whole day. Where it shows one market, one is chosen."""
    variables = variables_of(DASHBOARDS[name])
    picked = {**CHOICES[choice], **chosen}
    if not variables["market"].multi and "market" not in chosen:
        picked["market"] = FAULTY
    return View(BEGIN_MS, END_MS, variables, picked)


def choices(name: str) -> list[str]:
    """The ways of choosing that differ there."""
    return [choice for choice in CHOICES if choice != "all" or variables_of(DASHBOARDS[name])["market"].multi]


def every_query() -> Iterator[Any]:
    for name, dashboard in DASHBOARDS.items():
        for title, panel, target in queries_of(dashboard):
            for choice in choices(name):
                yield pytest.param(name, panel, target, choice, id=f"{name}: {title}: {choice}")


@pytest.mark.parametrize(("name", "panel", "target", "choice"), list(every_query()))
def test_every_query_of_every_panel_is_answered_with_something(
    day: Day, name: str, panel: dict[str, Any], target: dict[str, Any], choice: str
) -> None:
    looked = view(name, choice).for_panel(panel)
    query = looked.query(target["query"], panel.get("interval"))
    series = day.source.ask(query)
    assert values(series, column=-1), f"nothing, or nothing but nulls: {query}"
    for tag in ("market", "device", "subject"):
        if f"$tag_{tag}" in target["alias"]:
            assert all(tag in one["tags"] for one in series), f"the alias names {tag}, the answer has none"
    if target["resultFormat"] == "table":
        names = {"Time", *series[0]["columns"][1:], *series[0].get("tags", {})}
        shown = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
        assert names - {"Time"} <= shown, "every column that comes has a title"


def every_variable() -> Iterator[Any]:
    for name, dashboard in DASHBOARDS.items():
        for choice, variable in product(choices(name), dashboard["templating"]["list"]):
            yield pytest.param(name, variable, choice, id=f"{name}: {variable['name']}: {choice}")


@pytest.mark.parametrize(("name", "variable", "choice"), list(every_variable()))
def test_every_variable_offers_what_there_is(day: Day, name: str, variable: dict[str, Any], choice: str) -> None:
    found = set(values(day.source.ask(view(name, choice).query(variable["query"]))))
    several = choice != "one" and variables_of(DASHBOARDS[name])["market"].multi
    everything = {
        "market": {FAULTY, PLAIN},
        "device": {"parking-1", SILENT_DEVICE},
        "one_market": {FAULTY, PLAIN} if several else {FAULTY},
        "lot": {"main"},
        "item": {"spring-sale"},
    }
    assert found == everything[variable["name"]]


def every_annotation() -> Iterator[Any]:
    for name, dashboard in DASHBOARDS.items():
        for choice, annotation in product(choices(name), dashboard["annotations"]["list"]):
            yield pytest.param(name, annotation, choice, id=f"{name}: {annotation['name']}: {choice}")


@pytest.mark.parametrize(("name", "annotation", "choice"), list(every_annotation()))
def test_every_annotation_marks_what_happened(day: Day, name: str, annotation: dict[str, Any], choice: str) -> None:
    assert annotation["query"].count("$timeFilter") == 1, "Grafana before 10 fills in the first alone"
    for key in ("query", "textColumn", "tagsColumn", "timeEndColumn"):
        assert annotation["target"][key] == annotation[key]
    (series,) = day.source.ask(view(name, choice).query(annotation["query"]))
    wanted = [annotation["textColumn"], *annotation["tagsColumn"].split(","), annotation["timeEndColumn"] or "time"]
    for column in wanted:
        place = series["columns"].index(column)
        assert all(row[place] not in {None, ""} for row in series["values"]), column


# --- what the numbers say, against what the simulator let happen


def answer(day: Day, name: str, title: str, looked: View, ref: str = "A") -> list[dict[str, Any]]:
    """The answer of a panel's query, found by the title's English half."""
    found = [
        (panel, target)
        for shown, panel, target in queries_of(DASHBOARDS[name])
        if shown.rpartition(" / ")[2] == f"{title} [{ref}]"
    ]
    assert len(found) == 1, f"{name} has {len(found)} panels called {title!r}"
    panel, target = found[0]
    return day.source.ask(looked.for_panel(panel).query(target["query"], panel.get("interval")))


def single(series: Sequence[Mapping[str, Any]]) -> float:
    (value,) = values(series)
    return float(value)


def by_time(series: Sequence[Mapping[str, Any]]) -> dict[int, float]:
    (one,) = series
    return {row[0]: row[1] for row in one["values"] if row[1] is not None}


OCCUPANCY = "market-occupancy"


def test_every_bay_is_counted_once_now(day: Day) -> None:
    market = day.markets[FAULTY]
    heard = {bay for bay, device in market.layout.bays.items() if device != SILENT_DEVICE}
    known = heard - {UNKNOWN_BAY}
    taken = sum(market.truth.at_end[bay] for bay in known)
    looked = view(OCCUPANCY)
    assert single(answer(day, OCCUPANCY, "occupied bays", looked)) == taken
    assert single(answer(day, OCCUPANCY, "free bays", looked)) == len(known) - taken
    assert single(answer(day, OCCUPANCY, "unknown bays", looked)) == 1
    assert single(answer(day, OCCUPANCY, "silent bays", looked)) == 2
    assert single(answer(day, OCCUPANCY, "share occupied now", looked)) == pytest.approx(taken / len(known))


def test_a_look_into_the_past_says_what_was_so_then(day: Day) -> None:
    market, then = day.markets[PLAIN], BEGIN_MS + 14 * HOUR_MS + 7 * MINUTE_MS
    looked = View(BEGIN_MS, then, variables_of(DASHBOARDS[OCCUPANCY]), {"market": PLAIN, "device": ALL, "lot": ALL})
    taken = sum(market.occupied_at(bay, then) for bay in market.layout.bays)
    assert taken > 0
    assert single(answer(day, OCCUPANCY, "occupied bays", looked)) == taken
    assert single(answer(day, OCCUPANCY, "free bays", looked)) == len(market.layout.bays) - taken
    assert single(answer(day, OCCUPANCY, "silent bays", looked)) == 0


def test_bays_over_time_are_what_they_were(day: Day) -> None:
    market, looked = day.markets[FAULTY], view(OCCUPANCY)
    step_ms = 2 * MINUTE_MS
    assert looked.interval("30s") == "2m"
    shown = [by_time(answer(day, OCCUPANCY, "bays", looked, ref)) for ref in "ABCD"]
    for at_ms in range(BEGIN_MS, END_MS, 30 * step_ms):
        last_ms = at_ms + step_ms - 1
        is_closed, is_unknown = CLOSED_MS[0] <= last_ms < CLOSED_MS[1], last_ms >= UNKNOWN_FROM_MS
        heard = {bay for bay, device in market.layout.bays.items() if device != SILENT_DEVICE or at_ms < SILENT_FROM_MS}
        known = heard - ({CLOSED_BAY} if is_closed else set()) - ({UNKNOWN_BAY} if is_unknown else set())
        taken = sum(market.occupied_at(bay, last_ms) for bay in known)
        found = [one.get(at_ms, 0) for one in shown]
        assert found == [taken, len(known) - taken, int(is_unknown), int(is_closed)], at_ms


def test_cars_parked_an_hour_are_those_that_the_simulator_parked(day: Day) -> None:
    looked = view(OCCUPANCY, market=PLAIN)
    parked = Counter(time_ms - time_ms % HOUR_MS for time_ms, _ in day.markets[PLAIN].truth.parked)
    shown = by_time(answer(day, OCCUPANCY, "cars parked an hour", looked))
    assert {hour: count for hour, count in shown.items() if count} == parked


def test_the_turnover_is_cars_a_bay_and_korean_day(day: Day) -> None:
    looked = view(OCCUPANCY, market=PLAIN)
    truth = day.markets[PLAIN]
    assert by_time(answer(day, OCCUPANCY, "turnover a day", looked)) == {
        BEGIN_MS: pytest.approx(len(truth.truth.parked) / len(truth.layout.bays))
    }


def test_the_stays_are_as_long_as_they_were(day: Day) -> None:
    looked = view(OCCUPANCY, market=PLAIN)
    stays = day.markets[PLAIN].truth.stays
    hours: dict[int, list[int]] = {}
    for left_ms, stood_ms in stays:
        hours.setdefault(left_ms - left_ms % HOUR_MS, []).append(stood_ms)
    shown = by_time(answer(day, OCCUPANCY, "length of stay", looked))
    assert shown == {hour: pytest.approx(mean(stood), abs=1) for hour, stood in hours.items()}
    whole = single(answer(day, OCCUPANCY, "mean stay", looked))
    assert whole == pytest.approx(mean(stood for _, stood in stays), abs=1)


def test_people_are_those_who_walked_in(day: Day) -> None:
    looked, truth = view(OCCUPANCY, market=PLAIN), day.markets[PLAIN].truth
    first_ms, last_ms = BEGIN_MS, END_MS - 20_000
    inside = sum(first_ms < time_ms <= last_ms for time_ms in truth.people_in)
    assert single(answer(day, OCCUPANCY, "people in", looked)) == inside
    assert sum(by_time(answer(day, OCCUPANCY, "people in and out", looked)).values()) == inside


def test_the_long_view_weighs_by_time(day: Day) -> None:
    looked, market = view(OCCUPANCY, market=PLAIN), day.markets[PLAIN]
    share = market.truth.occupied_ms / (DAY_MS * len(market.layout.bays))
    assert 0.1 < share < 0.9
    shown = by_time(answer(day, OCCUPANCY, "share occupied, three months", looked))
    assert shown == {BEGIN_MS: pytest.approx(share, abs=1e-6)}


def test_time_without_a_reading_is_in_no_mean(day: Day) -> None:
    """A bay that is unknown or silent moves the share of the known ones by nothing."""
    looked = view("city", "all")
    shares = answer(day, "city", "share occupied by market", looked)
    market = day.markets[FAULTY]
    (of_market,) = [one for one in shares if one["tags"]["market"] == FAULTY]
    after = {row[0]: row[1] for row in of_market["values"] if row[0] >= SILENT_FROM_MS + 5 * MINUTE_MS}
    assert after
    heard = [bay for bay, device in market.layout.bays.items() if device != SILENT_DEVICE and bay != UNKNOWN_BAY]
    for at_ms, share in after.items():
        held = [market.occupied_at(bay, at_ms + second * 1000) for bay in heard for second in range(300)]
        assert share == pytest.approx(mean(held), abs=0.005)


def test_a_blind_camera_is_not_a_quiet_one(day: Day) -> None:
    looked = view("fire-cameras")
    assert single(answer(day, "fire-cameras", "cameras that see", looked)) == 1
    assert single(answer(day, "fire-cameras", "blind cameras", looked)) == 1
    scores = answer(day, "fire-cameras", "fire score", looked)
    (blind,) = [one for one in scores if one["tags"]["subject"] == "main-cam"]
    assert max(values([blind])) == 0.9
    after = [row for row in blind["values"] if row[0] >= END_MS - 8 * MINUTE_MS]
    assert after
    assert all(score is None for _, score in after), "no score where nothing is seen"
    assert single(answer(day, "fire-cameras", "fires raised", looked)) == 1


def test_a_test_fire_is_no_fire_in_the_verdicts(day: Day) -> None:
    until_ms = CAMERA_DRILL_MS[1]
    looked = View(until_ms - HOUR_MS, until_ms, variables_of(DASHBOARDS["fire-cameras"]), dict(CHOICES["one"]))

    def said(ref: str) -> dict[str, set[str]]:
        series = answer(day, "fire-cameras", "verdict of each camera", looked, ref)
        return {one["tags"]["subject"]: set(values([one])) for one in series}

    assert said("A") == {"main-cam": {"quiet"}, "entrance-cam": {"quiet"}}
    assert said("B") == {"main-cam": {"confirmed"}}
    burnt = View(FIRE_MS, FIRE_MS + MINUTE_MS, looked.variables, looked.chosen)
    assert set(values(answer(day, "fire-cameras", "verdict of each camera", burnt))) == {"confirmed", "quiet"}


def test_a_fire_stands_in_the_table_with_the_time_it_took(day: Day) -> None:
    (found,) = answer(day, "fire-cameras", "fire events", view("fire-cameras"))
    cleared, raised = (dict(zip(found["columns"], row, strict=True)) for row in found["values"])
    assert (cleared["phase"], raised["phase"]) == ("cleared", "raised")
    assert raised["time"] == FIRE_MS
    assert raised["decision_ms"] == 1800
    assert raised["alarm_sounded"] is True


def shown(day: Day, looked: View, ref: str) -> dict[int, float]:
    return {
        hour: seconds for hour, seconds in by_time(answer(day, "signage", "time shown", looked, ref)).items() if seconds
    }


def test_proof_of_play_counts_the_seconds(day: Day) -> None:
    looked = view("signage")
    hours = range(NOTICE_MS[0], NOTICE_MS[1], HOUR_MS)
    assert shown(day, looked, "B") == dict.fromkeys(hours, 7200)
    each = answer(day, "signage", "$item an hour", looked)
    assert {one["tags"]["subject"] for one in each} == {"main-screen-1", "main-screen-2"}
    assert all(sum(by_time([one]).values()) == 3 * 3600 for one in each)
    assert shown(day, looked, "D") == {FIRE_MS: 600, END_MS - HOUR_MS: 600}, "the fire, and the drill"
    assert shown(day, looked, "F") == dict.fromkeys(range(BEGIN_MS, BEGIN_MS + 6 * HOUR_MS, HOUR_MS), 3600)
    assert single(answer(day, "signage", "generation lag", looked)) == 1


def when_lost(cause: GapCause) -> int:
    return BEGIN_MS + (list(LOST_READINGS).index(cause) + 1) * HOUR_MS


def test_what_is_lost_is_named_with_its_cause(day: Day) -> None:
    looked = view("fleet-health")
    assert single(answer(day, "fleet-health", "batches missing", looked)) == 5 * len(LOST_READINGS)
    for ref, (cause, readings) in zip("ABCDEFGH", LOST_READINGS.items(), strict=True):
        assert sum(values(answer(day, "fleet-health", "readings lost by cause", looked, ref))) == readings
        batches = by_time(answer(day, "fleet-health", "batches missing by cause", looked, ref))
        closed = dict.fromkeys((BEGIN_MS + 20 * HOUR_MS, BEGIN_MS + 21 * HOUR_MS), 0)
        assert batches == {when_lost(cause): 5} | (closed if cause is GapCause.NOT_ARRIVED else {})
    assert single(answer(day, "fleet-health", "silent devices", looked)) == 1
    assert single(answer(day, "fleet-health", "devices heard", looked)) == 1


def held(market: MarketDay, bay: str, from_ms: int, until_ms: int) -> float:
    """For which share of the time a car stood in the bay."""
    changes = [(time_ms, taken) for time_ms, taken in market.changes[bay] if from_ms < time_ms < until_ms]
    steps = [(from_ms, market.occupied_at(bay, from_ms)), *changes, (until_ms, False)]
    taken_ms = sum(end - begin for (begin, taken), (end, _) in pairwise(steps) if taken)
    return taken_ms / (until_ms - from_ms)


def test_the_city_shows_the_newest_closed_window_of_the_markets_side_by_side(day: Day) -> None:
    looked = view("city", "all")
    columns: dict[str, dict[str, float]] = {}
    for title, panel, target in queries_of(DASHBOARDS["city"]):
        if title.startswith("시장마다"):
            for one in day.source.ask(looked.query(target["query"], panel.get("interval"))):
                for column, value in zip(one["columns"][1:], one["values"][0][1:], strict=True):
                    columns.setdefault(column, {})[one["tags"]["market"]] = value
    plain, faulty = day.markets[PLAIN], day.markets[FAULTY]
    window = (END_MS - 5 * MINUTE_MS, END_MS)
    taken = sum(held(plain, bay, *window) for bay in plain.layout.bays)
    assert columns["bays_occupied_mean"][PLAIN] == pytest.approx(taken)
    assert columns["bays_free_mean"][PLAIN] == pytest.approx(8 - taken)
    assert columns["occupied_share_mean"][PLAIN] == pytest.approx(taken / 8)
    known = [bay for bay, device in faulty.layout.bays.items() if device != SILENT_DEVICE and bay != UNKNOWN_BAY]
    taken = sum(held(faulty, bay, *window) for bay in known)
    assert columns["occupied_share_mean"][FAULTY] == pytest.approx(taken / len(known))
    assert columns["bays_unknown_mean"] == {PLAIN: 0, FAULTY: 1}
    assert columns["bays_count"] == {PLAIN: 8, FAULTY: 6}
    last_ms = END_MS - 20_000  # what passes after the last beat is not read any more
    for name, ways in {PLAIN: plain, FAULTY: faulty}.items():
        inside = [came for time_ms, came in ways.gate if window[0] - 20_000 < time_ms <= last_ms]
        assert columns["vehicles_in_count"][name] == sum(inside)
        assert columns["vehicles_out_count"][name] == len(inside) - sum(inside)
        walked = [time_ms for time_ms in ways.truth.people_in if BEGIN_MS < time_ms <= last_ms]
        assert columns["people"][name] == len(walked)
    assert columns["blind"] == {PLAIN: 0, FAULTY: 1}
    assert columns["devices_count"] == {PLAIN: 1, FAULTY: 1}
    assert columns["silent_devices"] == {PLAIN: 0, FAULTY: 1}
    assert single(answer(day, "city", "markets heard", looked)) == 2


def test_the_city_counts_everybody_who_walked_in_by_the_hour(day: Day) -> None:
    walked = day.markets[PLAIN].truth.people_in
    (shown_by,) = answer(day, "city", "people in by market", view("city", market=PLAIN))
    shown = {hour: count for hour, count in shown_by["values"] if count}
    # a beat's count is of the 20 s before it
    beats = [time_ms + -time_ms % 20_000 for time_ms in walked if BEGIN_MS < time_ms <= END_MS - 20_000]
    assert shown == Counter(at_ms - at_ms % HOUR_MS for at_ms in beats)


def test_the_citys_long_view_weighs_a_closed_bay_as_nothing(day: Day) -> None:
    (share,) = [
        one
        for one in answer(day, "city", "share occupied, three months", view("city", "all"))
        if one["tags"]["market"] == FAULTY
    ]
    market, taken_ms, known_ms = day.markets[FAULTY], 0.0, 0
    for bay, device in market.layout.bays.items():
        begin, end = (CLOSED_MS[1] if bay == CLOSED_BAY else BEGIN_MS), END_MS
        if device == SILENT_DEVICE:
            end = SILENT_FROM_MS + 5_000  # its last beat was 20 s before, and held for 25 s
        if bay == UNKNOWN_BAY:
            end = UNKNOWN_FROM_MS
        taken_ms += held(market, bay, begin, end) * (end - begin)
        known_ms += end - begin
    assert dict(share["values"]) == {BEGIN_MS: pytest.approx(taken_ms / known_ms, abs=1e-5)}
