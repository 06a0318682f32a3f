"""Market occupancy: bays, lots, gates and people of one market. An unknown bay is counted as unknown, never as free."""

from grafana_foundation_sdk.builders import common, stat, statetimeline, timeseries
from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable, ThresholdsConfig
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    VisibilityMode,
)

from dashboards.influxql import DATASOURCE, Influx

UID = "jangteo-market-occupancy"
HERE = '"market" =~ /^$market$/ AND $timeFilter'
NO_DATA = "자료 없음 / no data"
# Bays report every change at once and otherwise every 10 s: half a minute always holds a reading of a live bay.
INTERVAL_MIN = "30s"

STATES = (
    ("free", "빈 자리 / free", "green"),
    ("occupied", "주차 / occupied", "blue"),
    ("unknown", "모름 / unknown", "#808080"),
    ("closed", "닫힘 / closed", "dark-purple"),
)


def bays_in(state: str) -> str:
    """How many bays are in `state`, as each bay last said in an interval."""
    inner = f'SELECT last("state") AS "v" FROM "bays" WHERE {HERE} GROUP BY time($__interval), "subject" fill(none)'
    return f'SELECT count("v") FROM ({inner}) WHERE "v" = \'{state}\' GROUP BY time($__interval) fill(null)'


def share_occupied() -> str:
    """Occupied bays as a share of the known ones: an unknown bay is neither."""
    inner = f'SELECT last("occupied") AS "v" FROM "bays" WHERE {HERE} GROUP BY time($__interval), "subject" fill(none)'
    return f'SELECT mean("v") FROM ({inner}) GROUP BY time($__interval) fill(null)'


def counted(kind: str, field: str) -> str:
    """How much a counter grew in each interval; a counter that began again at 0 counts nothing for that interval."""
    inner = f'SELECT last("{field}") AS "v" FROM "{kind}" WHERE {HERE} GROUP BY time(5m), "subject" fill(none)'
    grown = f'SELECT non_negative_difference("v") AS "d" FROM ({inner}) GROUP BY "subject"'
    return f'SELECT sum("d") FROM ({grown}) WHERE $timeFilter GROUP BY time(5m) fill(null)'


def build() -> model.Dashboard:
    """The dashboard."""
    built = (
        Dashboard("시장 주차·사람 / Market occupancy")
        .uid(UID)
        .description("Bays, gates and people of a market. What is unknown is shown as unknown.")
        .tags(["jangteo"])
        .timezone("Asia/Seoul")
        .refresh("10s")
        .time("now-6h", "now")
        .with_variable(_market())
        .with_panel(_count("빈 자리 / free bays", bays_in("free"), "green"))
        .with_panel(_count("주차 / occupied bays", bays_in("occupied"), "blue"))
        .with_panel(_count("모름 / unknown bays", bays_in("unknown"), "#808080"))
        .with_panel(_bays_over_time())
        .with_panel(_share())
        .with_panel(_states())
        .with_panel(_flow("차량 출입 / vehicles in and out", "gates"))
        .with_panel(_flow("사람 출입 / people in and out", "people"))
    )
    return built.build()


def _market() -> QueryVariable:
    return (
        QueryVariable("market")
        .label("시장 / market")
        .datasource(DATASOURCE)
        .query('SHOW TAG VALUES FROM "bays" WITH KEY = "market"')
        .refresh(model.VariableRefresh.ON_DASHBOARD_LOAD)
    )


def _count(title: str, query: str, colour: str) -> stat.Panel:
    steps = [model.Threshold(color=colour, value=None)]
    return (
        stat.Panel()
        .title(title)
        .datasource(DATASOURCE)
        .height(5)
        .span(8)
        .interval(INTERVAL_MIN)
        .unit("short")
        .decimals(0)
        .no_value(NO_DATA)
        .graph_mode(BigValueGraphMode.AREA)
        .thresholds(ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(steps))
        .with_target(Influx(query))
    )


def _bays_over_time() -> timeseries.Panel:
    targets = (
        Influx(bays_in("occupied"), ref_id="A", alias="주차 / occupied"),
        Influx(bays_in("free"), ref_id="B", alias="빈 자리 / free"),
        Influx(bays_in("unknown"), ref_id="C", alias="모름 / unknown"),
    )
    panel = (
        _timeseries("주차면 / bays", span=24)
        .draw_style(GraphDrawStyle.LINE)
        .fill_opacity(40)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        .interval(INTERVAL_MIN)
        .min(0)
    )
    for target in targets:
        panel = panel.with_target(target)
    return panel


def _share() -> timeseries.Panel:
    return (
        _timeseries("점유율 / share occupied", span=24)
        .description("Of the bays whose state is known.")
        .draw_style(GraphDrawStyle.LINE)
        .unit("percentunit")
        .interval(INTERVAL_MIN)
        .min(0)
        .max(1)
        .with_target(Influx(share_occupied(), alias="점유율 / share"))
    )


def _states() -> statetimeline.Panel:
    mapping = {value: model.ValueMappingResult(text=text, color=colour) for value, text, colour in STATES}
    query = f'SELECT last("state") FROM "bays" WHERE {HERE} GROUP BY time($__interval), "subject" fill(null)'
    return (
        statetimeline.Panel()
        .title("자리마다 / each bay")
        .description("A gap means that no reading came: the bay was not known then.")
        .datasource(DATASOURCE)
        .height(12)
        .span(24)
        .interval(INTERVAL_MIN)
        .no_value(NO_DATA)
        .mappings([model.ValueMap(options=mapping)])
        .show_value(VisibilityMode.NEVER)
        .row_height(0.8)
        .with_target(Influx(query, alias="$tag_subject"))
    )


def _flow(title: str, kind: str) -> timeseries.Panel:
    return (
        _timeseries(title, span=12)
        .draw_style(GraphDrawStyle.BARS)
        .fill_opacity(60)
        .interval("5m")
        .min(0)
        .with_target(Influx(counted(kind, "in_count"), ref_id="A", alias="들어옴 / in"))
        .with_target(Influx(counted(kind, "out_count"), ref_id="B", alias="나감 / out"))
    )


def _timeseries(title: str, *, span: int) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)  # noqa: FBT003 — the builder's own signature
    )
    return (
        timeseries.Panel()
        .title(title)
        .datasource(DATASOURCE)
        .height(9)
        .span(span)
        .unit("short")
        .decimals(0)
        .no_value(NO_DATA)
        .show_points(VisibilityMode.AUTO)
        .legend(legend)
    )
