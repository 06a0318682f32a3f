"""What every dashboard has around its panels: names, variables, links to the others, annotations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, QueryVariable, Row
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import queries
from dashboards.influxql import DATASOURCE, InfluxAnnotation
from dashboards.panels import GREY, ORANGE, RED

ALL = "$__all"
ANY = ".*"
MARKS_MAX = 500

Panels = Sequence[Row | Builder[model.Panel]]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A dashboard's names. `one_market`: it shows one market at a time, the others any choice of them."""

    uid: str
    title: str
    about: str
    one_market: bool = True
    has_device: bool = True
    since: str = "now-6h"
    refresh: str = "10s"


OCCUPANCY = Sheet(
    "jangteo-market-occupancy",
    "시장 주차·사람 / Market occupancy",
    "한 시장의 자리, 문, 사람. 모르는 것은 모른다고 보입니다."
    " Bays, gates and people of a market. What is unknown is shown as unknown.",
)
FIRE = Sheet(
    "jangteo-fire-cameras",
    "화재·카메라 / Fire and cameras",
    "화재 경보, 카메라가 보고 있는지, 사이렌. 공인 소방 설비를 돕는 것이지 대신하지 않습니다."
    " Fires, whether the cameras see, sirens. It supplements a certified fire-alarm system.",
)
SIGNAGE = Sheet(
    "jangteo-signage",
    "화면·송출 증명 / Signage and proof of play",
    "화면마다 무엇을 얼마나 보였는지. What each screen showed, and for how long.",
)
FLEET = Sheet(
    "jangteo-fleet-health",
    "장비·전달 상태 / Fleet health and delivery",
    "장비가 살아 있는지, 읽은 값이 모두 데이터베이스에 닿는지."
    " Whether devices live, and whether every reading reaches the database.",
    one_market=False,
)
CITY = Sheet(
    "jangteo-city",
    "시장 전체 보기 / All markets",
    "시장들을 나란히. The markets side by side.",
    one_market=False,
    has_device=False,
    since="now-24h",
    refresh="1m",
)
SHEETS = (OCCUPANCY, FIRE, SIGNAGE, FLEET, CITY)


def framed(sheet: Sheet, panels: Panels, variables: Sequence[QueryVariable] = ()) -> model.Dashboard:
    """The dashboard. Panels are numbered in their order, so that a link to one stays right."""
    frame = (
        Dashboard(sheet.title)
        .uid(sheet.uid)
        .description(sheet.about)
        .tags(["jangteo"])
        .timezone("Asia/Seoul")
        .refresh(sheet.refresh)
        .time(sheet.since, "now")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
    )
    for variable in (*_variables(sheet), *variables):
        frame = frame.with_variable(variable)
    for link in _links(sheet):
        frame = frame.link(link)
    for annotation in _annotations(sheet):
        frame = frame.annotation(annotation)
    for panel in panels:
        frame = frame.with_row(panel) if isinstance(panel, Row) else frame.with_panel(panel)
    built = frame.build()
    for place, shown in enumerate(_with_folded(built), start=1):
        shown.id_val = place
    return built


def _with_folded(built: model.Dashboard) -> Iterator[model.Panel | model.RowPanel]:
    """Panels and rows in their order, those in closed rows too."""
    for panel in built.panels or ():
        yield panel
        if isinstance(panel, model.RowPanel):
            yield from panel.panels


def choice(name: str, label: str, query: str, *, several: bool, in_range: bool = False) -> QueryVariable:
    """A variable that a query fills. `several`: any number of values, or all; the query then matches anything."""
    when = model.VariableRefresh.ON_TIME_RANGE_CHANGED if in_range else model.VariableRefresh.ON_DASHBOARD_LOAD
    variable = (
        QueryVariable(name)
        .label(label)
        .datasource(DATASOURCE)
        .query(query)
        .refresh(when)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
        .multi(several)
        .include_all(several)
    )
    if several:
        everything = model.VariableOption(selected=True, text=["All"], value=[ALL])
        variable = variable.all_value(ANY).current(everything)
    return variable


def _variables(sheet: Sheet) -> tuple[QueryVariable, ...]:
    market = choice("market", "시장 / market", queries.tag_values("market"), several=not sheet.one_market)
    found = [market]
    if sheet.has_device:
        devices = queries.tag_values("device", where=queries.MARKET)
        found.append(choice("device", "장비 / device", devices, several=True))
    if not sheet.one_market:
        # Where a link leads to a dashboard of one market: the chosen one, or the first of the chosen.
        one = queries.tag_values("market", where=queries.MARKET)
        found.append(choice("one_market", "", one, several=False).hide(model.VariableHide.HIDE_VARIABLE))
    return tuple(found)


def _links(sheet: Sheet) -> tuple[DashboardLink, ...]:
    return tuple(_link(sheet, other) for other in SHEETS if other != sheet)


def _link(sheet: Sheet, other: Sheet) -> DashboardLink:
    """A link that keeps the time and what is chosen, where the other has such a choice."""
    narrower = other.one_market and not sheet.one_market
    url = f"/d/{other.uid}"
    if narrower:
        device = "&${device:queryparam}" if sheet.has_device else ""
        url += "?var-market=${one_market}" + device
    return (
        DashboardLink(other.title)
        .type(model.DashboardLinkType.LINK)
        .icon("dashboard")
        .tooltip(other.about)
        .url(url)
        .keep_time(True)  # noqa: FBT003 - the builder's own signature
        .include_vars(not narrower)
        .target_blank(False)  # noqa: FBT003 - the same
    )


def _annotations(sheet: Sheet) -> tuple[InfluxAnnotation, ...]:
    where = queries.HERE if sheet.has_device else queries.MARKET
    until = f"{queries.RANGE} ORDER BY time DESC LIMIT {MARKS_MAX}"
    source = ("market", "device", "subject")
    tags = ", ".join(f'"{name}"' for name in source)
    told = "\"phase\" != 'ongoing'"
    fires = f'SELECT "zone", "phase", {tags} FROM "fires" WHERE {where} AND {told} AND {until}'
    troubles = f'SELECT "kind", "phase", "reason", {tags} FROM "troubles" WHERE {where} AND {told} AND {until}'
    gaps = f'SELECT "cause", "until_unix_ms", {tags} FROM "gaps" WHERE {where} AND {until}'
    return (
        InfluxAnnotation("화재 / fires", RED, fires, text="zone", tags=("phase", *source)),
        InfluxAnnotation(
            "고장 / troubles", ORANGE, troubles, text="kind", tags=("phase", "reason", *source), enable=sheet.has_device
        ),
        InfluxAnnotation(
            "빠진 자료 / gaps", GREY, gaps, text="cause", tags=source, ends="until_unix_ms", enable=sheet.has_device
        ),
    )
