"""The built dashboards as documents: what each panel has, where links lead, and that nothing lies by its form."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from broker.ingest.refusal import RefusalKind
from broker.series.freshness import ROLLUP_STEP_MS, STALE_AFTER_S
from broker.series.ports import Sample, Series
from broker.upkeep.markets import MarketWindows
from broker.upkeep.rolling import ROLLED_KINDS, Span, roll
from contract.events import Phase
from contract.telemetry import AgentReading, BayState, CameraReading, GapCause, ScreenReading
from dashboards import central_services, city, fire_cameras, fleet_health, market_occupancy, queries, signage
from dashboards.documents import FOLDER, documents
from dashboards.frame import SHEETS
from dashboards.influxql import DATASOURCE_UID
from tests.dashboards.central_parts import service_fields
from tests.dashboards.grafana import duration_ms, panels_of, queries_of, variables_of

SERVICE_FIELDS = service_fields()
ROOT = Path(__file__).resolve().parents[2]
DASHBOARDS: dict[str, dict[str, Any]] = {
    name.rpartition("/")[2].removesuffix(".json"): json.loads(text) for name, text in documents().items()
}
UNITS = {
    "short",
    "percentunit",
    "ms",
    "s",
    "bytes",
    "ops",
    "string",
    "bool_yes_no",
    "dateTimeAsIso",
    "dateTimeFromNow",
}
"""Of Grafana's units those that are used: a name that it does not know would be printed after the number."""


def every_panel() -> list[Any]:
    return [
        pytest.param(panel, id=f"{name}: {panel['title']}")
        for name, dashboard in DASHBOARDS.items()
        for panel in panels_of(dashboard)
    ]


def in_both_languages(title: str) -> bool:
    korean, slash, english = title.partition(" / ")
    words = re.sub(r"\$\w+", "", korean)
    return bool(slash and english and english.isascii() and any("가" <= char <= "힣" for char in words))


@pytest.mark.parametrize("name", sorted(documents()))
def test_the_shipped_json_is_what_the_code_builds(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == documents()[name]


def test_nothing_else_is_shipped() -> None:
    assert {f"{FOLDER}/{path.name}" for path in (ROOT / FOLDER).iterdir()} == set(documents())


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_the_sdk_reads_it_back_as_it_wrote_it(name: str) -> None:
    register_default_plugins()
    built = DASHBOARDS[name]
    again = json.loads(json.dumps(Dashboard.from_json(json.loads(json.dumps(built))), cls=JSONEncoder))
    for marks in (built["annotations"]["list"], again["annotations"]["list"]):
        for one in marks:  # the SDK has no place for the keys that the InfluxDB data source reads
            for key in ("query", "textColumn", "tagsColumn", "timeEndColumn", "target"):
                one.pop(key, None)
    assert again == built


@pytest.mark.parametrize("panel", every_panel())
def test_every_panel_says_what_it_is(panel: dict[str, Any]) -> None:
    assert in_both_languages(panel["title"])
    assert any("가" <= char <= "힣" for char in panel["description"])
    assert re.search(r"[A-Za-z]{3}", panel["description"])
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"] in UNITS
    assert in_both_languages(defaults["noValue"])
    assert defaults["thresholds"]["steps"]
    assert panel["datasource"]["uid"] == DATASOURCE_UID


@pytest.mark.parametrize("panel", every_panel())
def test_thresholds_rise(panel: dict[str, Any]) -> None:
    overrides = [one for override in panel["fieldConfig"]["overrides"] for one in override["properties"]]
    found = [
        panel["fieldConfig"]["defaults"]["thresholds"],
        *(p["value"] for p in overrides if p["id"] == "thresholds"),
    ]
    for thresholds in found:
        first, *others = [step["value"] for step in thresholds["steps"]]
        assert first is None, "the first colour holds from nothing on"
        assert others == sorted(others)


@pytest.mark.parametrize("panel", every_panel())
def test_every_target_asks_in_influxql_for_what_is_chosen(panel: dict[str, Any]) -> None:
    assert panel["targets"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    for target in panel["targets"]:
        query = target["query"]
        assert target["rawQuery"] is True
        assert target["datasource"]["uid"] == DATASOURCE_UID
        assert query.startswith("SELECT ")
        for source in re.findall(r'FROM "([a-z0-9-]+)" WHERE (.{24})', query):
            chosen = "\"market\" = 'central'" if source[0] == "services" else '"market" =~ /^$market$/'
            assert source[1].startswith(chosen[:24]), source
        assert "fill(0)" not in query, "InfluxDB 1.x mixes up series that a subquery fills"
        assert "fill(previous)" not in query, "what is not known is not what was"
        assert " tz(" not in query, "needs a table of time zones on the server"


@pytest.mark.parametrize("panel", every_panel())
def test_the_long_view_reads_roll_ups(panel: dict[str, Any]) -> None:
    if "timeFrom" not in panel or duration_ms(panel["timeFrom"]) <= duration_ms("30d"):
        return
    for target in panel["targets"]:
        assert all(kind.endswith("-5m") for kind in re.findall(r'FROM "([a-z0-9-]+)"', target["query"]))


def test_there_is_a_closed_long_view_in_every_dashboard() -> None:
    for dashboard in DASHBOARDS.values():
        row = dashboard["panels"][-1]
        assert row["collapsed"] is True, "three months are not asked for every few seconds"
        assert row["panels"]
        assert all(panel["timeFrom"] == "90d" for panel in row["panels"])


@pytest.mark.parametrize("panel", every_panel())
def test_a_number_is_the_last_value_and_not_the_last_that_there_was(panel: dict[str, Any]) -> None:
    if panel["type"] == "stat":
        assert panel["options"]["reduceOptions"]["calcs"] == ["last"]
    if panel["type"] == "timeseries":
        assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_panels_do_not_overlap_and_are_numbered(name: str) -> None:
    cells: set[tuple[int, int]] = set()
    panels = [one for panel in DASHBOARDS[name]["panels"] for one in (panel, *panel.get("panels", ()))]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        covered = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert covered
        assert not covered & cells, panel["title"]
        assert place["x"] + place["w"] <= 24
        cells |= covered


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_every_name_is_in_both_languages(name: str) -> None:
    dashboard = DASHBOARDS[name]
    rows = [panel["title"] for panel in dashboard["panels"] if panel["type"] == "row"]
    labels = [one["label"] for one in dashboard["templating"]["list"] if one.get("hide") != 2]
    links = [one["title"] for one in dashboard["links"]]
    marks = [one["name"] for one in dashboard["annotations"]["list"]]
    columns = [
        one["value"]
        for panel in panels_of(dashboard)
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "displayName"
    ]
    for title in (dashboard["title"], *rows, *labels, *links, *marks, *columns):
        assert in_both_languages(title), title


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_it_has_the_variables_market_and_device(name: str) -> None:
    dashboard = DASHBOARDS[name]
    variables = variables_of(dashboard)
    assert set(variables) >= ({"market"} if name == "city" else {"market", "device"})
    texts = json.dumps(dashboard, ensure_ascii=False)
    own = {"timeFilter", "__interval", "__to", "__url_time_range", "tag_market", "tag_device", "tag_subject"}
    used = {one or other for one, other in re.findall(r"\$([a-z_]+)\b|\$\{([a-z_]+)", texts)} - own
    assert used - {"__value", "__data", "__all"} <= set(variables), (
        "a variable is used that the dashboard does not have"
    )
    for variable in dashboard["templating"]["list"]:
        assert variable["datasource"]["uid"] == DATASOURCE_UID
        assert not variable["multi"] or variable["allValue"] == ".*", "all of 500 markets is no list of 500 names"


def links_of(dashboard: dict[str, Any]) -> Iterator[tuple[str, bool]]:
    """(address, whether it takes the variables along) of the dashboard's own links and those in its tables."""
    for link in dashboard["links"]:
        assert link["keepTime"] is True
        yield link["url"], link["includeVars"]
    for panel in panels_of(dashboard):
        for override in panel["fieldConfig"]["overrides"]:
            for one in override["properties"]:
                if one["id"] == "links":
                    for link in one["value"]:
                        assert "${__url_time_range}" in link["url"]
                        yield link["url"], False


@pytest.mark.parametrize("name", sorted(DASHBOARDS))
def test_links_lead_to_the_other_dashboards_and_keep_what_is_chosen(name: str) -> None:
    dashboard = DASHBOARDS[name]
    by_uid = {one["uid"]: one for one in DASHBOARDS.values()}
    assert {link["url"].partition("?")[0] for link in dashboard["links"]} == {
        f"/d/{uid}" for uid in by_uid if uid != dashboard["uid"]
    }
    own = variables_of(dashboard)["market"]
    for url, takes_variables in links_of(dashboard):
        path, _, query = url.partition("?")
        there = variables_of(by_uid[path.removeprefix("/d/")])
        given = {part.partition("=")[0].removeprefix("var-") for part in query.split("&") if part.startswith("var-")}
        assert given <= set(there)
        assert takes_variables or "market" in given, "a link that forgets the market"
        assert not takes_variables or there["market"].multi or not own.multi, (
            "many markets, where one is shown at a time"
        )


def test_the_sheets_are_the_dashboards() -> None:
    assert {sheet.uid for sheet in SHEETS} == {dashboard["uid"] for dashboard in DASHBOARDS.values()}
    for sheet in SHEETS:
        assert len(sheet.uid) <= 40, "Grafana's limit"


def test_what_is_stale_is_what_the_console_calls_so() -> None:
    assert {kind: queries.STALE_AFTER_S[kind] for kind in STALE_AFTER_S} == STALE_AFTER_S


def literals(model: type[Any], field: str) -> set[str]:
    annotation = model.model_fields[field].annotation
    found = {one for option in get_args(annotation) or () for one in (get_args(option) or (option,))}
    return found - {type(None)}


def test_every_word_of_the_contract_has_its_colour() -> None:
    assert set(market_occupancy.BAY_TEXTS) == set(BayState)
    assert set(signage.SHOWING) == literals(ScreenReading, "showing")
    assert set(fire_cameras.FIRE_TEXTS) == literals(CameraReading, "fire")
    assert set(fire_cameras.DRILL_TEXTS) == literals(CameraReading, "drill")
    assert set(fire_cameras.PHASE_TEXTS) == set(Phase)
    assert set(fleet_health.CLOCK_TEXTS) == literals(AgentReading, "clock_source")
    assert set(fleet_health.CAUSES) == set(GapCause)
    assert set(central_services.REFUSALS) == set(RefusalKind)


@pytest.mark.parametrize("panel", every_panel())
def test_central_counters_are_called_what_the_parts_call_them(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        if '"services"' in target["query"]:
            asked = set(re.findall(r'\("(\w+)"', target["query"])) | set(re.findall(r'AS "(\w+)"', target["query"]))
            assert asked - {"more"} <= SERVICE_FIELDS, target["query"]


def test_upkeep_writes_every_field_that_the_city_asks_for() -> None:
    asked = {
        name
        for panel in panels_of(DASHBOARDS["city"])
        for target in panel["targets"]
        if '"markets-5m"' in target["query"]
        for name in re.findall(r'"(\w+_(?:mean|count))"', target["query"])
        if not name.startswith("batches")
    }
    assert asked <= market_fields()


def market_fields() -> set[str]:
    """What a market's window may hold."""
    span = Span("m", "bays", 0, ROLLUP_STEP_MS)
    whole = MarketWindows("m", 0, ROLLUP_STEP_MS)
    for kind in ROLLED_KINDS:
        sample = Sample(Series("m", "d", kind, "s"), 0, {"known": 1.0, "occupied": 1.0, "in_count": 1, "out_count": 1})
        list(roll(whole.watch(kind, [sample]), replace(span, kind=kind), whole.add))
    return set(next(iter(whole.samples())).fields)


def test_the_city_says_that_its_now_is_a_window() -> None:
    for panel in panels_of(DASHBOARDS["city"]):
        if any(queries.NEWEST_WINDOW in target["query"] for target in panel["targets"]):
            assert city.NEWEST in panel["description"]
            assert city.NEWEST_IN_ENGLISH in panel["description"]


def test_the_provisioned_source_is_the_one_that_panels_name() -> None:
    text = (ROOT / "dashboards/provisioning/datasources/jangteo.yaml").read_text(encoding="utf-8")
    assert f"uid: {DATASOURCE_UID}" in text
    assert "version: InfluxQL" in text


def test_the_document_names_every_panel() -> None:
    text = (ROOT / "docs/dashboards.md").read_text(encoding="utf-8")
    for dashboard in DASHBOARDS.values():
        assert dashboard["title"] in text
        for panel in panels_of(dashboard):
            assert panel["title"] in text, f"docs/dashboards.md does not say what this answers: {panel['title']}"


def test_every_query_is_one_of_a_panel_that_the_answers_test_puts() -> None:
    """The list that `test_answers.py` walks is the whole one."""
    walked = sum(1 for dashboard in DASHBOARDS.values() for _ in queries_of(dashboard))
    assert walked == sum(text.count('"resultFormat"') for text in documents().values())
