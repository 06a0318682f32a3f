"""Four sorts of panel, each with title, unit, thresholds and what it says when there is nothing to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import common, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders.dashboard import Row, ThresholdsConfig
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphTresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    LineInterpolation,
    StackingMode,
    VisibilityMode,
)

from dashboards.influxql import DATASOURCE, Influx

NO_DATA = "자료 없음 / no data"
NONE_RECORDED = "기록 없음 / none recorded"
# Everything reports every 10 s at the latest: half a minute always holds a reading of what lives.
INTERVAL_MIN = "30s"

GREEN, BLUE, ORANGE, RED, GREY, PURPLE = "green", "blue", "orange", "red", "#808080", "dark-purple"

Steps = Sequence[tuple[str, float | None]]
PLAIN: Steps = ((BLUE, None),)
BAD_FROM_ONE: Steps = ((GREEN, None), (RED, 1))
GREY_FROM_ONE: Steps = ((GREEN, None), (GREY, 1))


@dataclass(frozen=True, slots=True)
class Look:
    """How numbers are shown: Grafana's unit, decimals, colours from values on, bounds of the axis."""

    unit: str = "short"
    decimals: int | None = 0
    steps: Steps = PLAIN
    low: float | None = 0
    high: float | None = None


SHARE = Look("percentunit", decimals=None, high=1)


@dataclass(frozen=True, slots=True)
class Line:
    """One target of a chart. `alias` may use `$tag_subject` and the like."""

    query: str
    alias: str
    colour: str | None = None


@dataclass(frozen=True, slots=True)
class Apart:
    """Bars of their own under the others, where the same value means something else: another query, other words."""

    query: str
    alias: str
    texts: Mapping[str, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, by its name in the answer."""

    title: str
    unit: str = "string"
    decimals: int | None = None
    steps: Steps | None = None
    texts: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    link: str = ""


def thresholds(steps: Steps) -> ThresholdsConfig:
    """Colours, each from a value on; the first from nothing on."""
    built = [model.Threshold(color=colour, value=value) for colour, value in steps]
    return ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(built)


def heading(title: str) -> Row:
    """A row that divides a dashboard."""
    return Row(title)


def long_view(panels: Sequence[Builder[model.Panel]]) -> Row:
    """The last row: three months, which are not asked for every few seconds."""
    return folded("길게 보기 / Long view", panels)


def folded(title: str, panels: Sequence[Builder[model.Panel]]) -> Row:
    """A row that is closed until somebody opens it: Grafana asks nothing for it before."""
    row = Row(title)
    for panel in panels:
        row = row.with_panel(panel)
    return row


def number(
    title: str, query: str, look: Look, *, about: str, span: int = 4, height: int = 4, empty: str = NO_DATA
) -> stat.Panel:
    """One large number. It is the last value, never the last that there was: what is not known now is empty."""
    panel = (
        stat.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .height(height)
        .span(span)
        .interval(INTERVAL_MIN)
        .unit(look.unit)
        .no_value(empty)
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["last"]))
        .thresholds(thresholds(look.steps))
        .with_target(Influx(query))
    )
    return panel if look.decimals is None else panel.decimals(look.decimals)


def lines(  # noqa: PLR0913 - what a panel shows, and how
    title: str,
    wanted: Sequence[Line],
    look: Look,
    *,
    about: str,
    span: int = 12,
    interval: str = INTERVAL_MIN,
    stacked: bool = False,
    bars: bool = False,
    since: str = "",
    empty: str = NO_DATA,
) -> timeseries.Panel:
    """Values over time; a hole in the line is time of which nothing is known. `since`: always that far back."""
    panel = _chart(title, look, span=span).description(about).interval(interval).no_value(empty)
    panel = panel.draw_style(GraphDrawStyle.BARS if bars else GraphDrawStyle.LINE).fill_opacity(
        60 if bars else 40 if stacked else 0
    )
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
    if since:
        panel = panel.time_from(since)
    for ref, line in zip("ABCDEFGHIJKLMNOP", wanted, strict=False):
        panel = panel.with_target(Influx(line.query, ref_id=ref, alias=line.alias))
        if line.colour:
            fixed = model.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": line.colour})
            panel = panel.override_by_query(ref, [fixed])
    return panel


def _chart(title: str, look: Look, *, span: int) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)  # noqa: FBT003 - the builder's own signature
    )
    style = GraphTresholdsStyleMode.DASHED if len(look.steps) > 1 else GraphTresholdsStyleMode.OFF
    panel = (
        timeseries.Panel()
        .title(title)
        .datasource(DATASOURCE)
        .height(8)
        .span(span)
        .unit(look.unit)
        .line_interpolation(LineInterpolation.STEP_AFTER)
        .span_nulls(False)  # noqa: FBT003 - the builder's own signature
        .show_points(VisibilityMode.AUTO)
        .legend(legend)
        .thresholds(thresholds(look.steps))
        .thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
    )
    panel = panel if look.decimals is None else panel.decimals(look.decimals)
    panel = panel if look.low is None else panel.min(look.low)
    return panel if look.high is None else panel.max(look.high)


def states(
    title: str,
    query: str,
    texts: Mapping[str, tuple[str, str]],
    *,
    about: str,
    alias: str = "$tag_subject",
    span: int = 24,
    apart: Apart | None = None,
) -> statetimeline.Panel:
    """A bar for each series, coloured by its text: value → (words, colour). A gap is time without a reading."""
    panel = (
        statetimeline.Panel()
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .height(8)
        .span(span)
        .interval(INTERVAL_MIN)
        .unit("string")
        .no_value(NO_DATA)
        .thresholds(thresholds(((GREY, None),)))
        .mappings([_mapping(texts)])
        .show_value(VisibilityMode.NEVER if texts else VisibilityMode.AUTO)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(80)
        .with_target(Influx(query, alias=alias))
    )
    if apart is None:
        return panel
    words = model.DynamicConfigValue("mappings", [_mapping(apart.texts)])
    return panel.with_target(Influx(apart.query, ref_id="B", alias=apart.alias)).override_by_query("B", [words])


def rows(
    title: str,
    queries: Sequence[str],
    columns: Mapping[str, Column],
    *,
    about: str,
    joined_by: str = "",
    span: int = 24,
    empty: str = NONE_RECORDED,
) -> table.Panel:
    """A table. Several queries are joined by the column `joined_by`; their times are dropped then."""
    panel = (
        table.Panel()
        .show_header(True)  # noqa: FBT003 - the builder's own signature
        .title(title)
        .description(about)
        .datasource(DATASOURCE)
        .height(8)
        .span(span)
        .interval(INTERVAL_MIN)
        .unit("string")
        .no_value(empty)
        .thresholds(thresholds(((GREY, None),)))
    )
    for ref, query in zip("ABCDEFGHIJKLMNOP", queries, strict=False):
        panel = panel.with_target(Influx(query, ref_id=ref, as_table=True))
    if joined_by:
        join = {"byField": joined_by, "mode": "outer"}
        times = dict.fromkeys(("Time", *(f"Time {place + 1}" for place in range(len(queries)))), True)
        order = {name: place for place, name in enumerate(columns)}
        panel = panel.with_transformation(model.DataTransformerConfig("joinByField", options=join))
        panel = panel.with_transformation(
            model.DataTransformerConfig("organize", options={"excludeByName": times, "indexByName": order})
        )
    for name, column in columns.items():
        panel = panel.override_by_name(name, _properties(column))
    return panel


def _properties(column: Column) -> list[model.DynamicConfigValue]:
    found = [model.DynamicConfigValue("displayName", column.title), model.DynamicConfigValue("unit", column.unit)]
    if column.decimals is not None:
        found.append(model.DynamicConfigValue("decimals", column.decimals))
    if column.steps is not None:
        found.append(model.DynamicConfigValue("thresholds", thresholds(column.steps).build()))
        found.append(model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if column.texts:
        found.append(model.DynamicConfigValue("mappings", [_mapping(column.texts)]))
        found.append(model.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    if column.link:
        link = {"title": column.title, "url": column.link}
        found.append(model.DynamicConfigValue("links", [link]))
    return found


def _mapping(texts: Mapping[str, tuple[str, str]]) -> model.ValueMap:
    options = {
        value: model.ValueMappingResult(text=words, color=colour, index=place)
        for place, (value, (words, colour)) in enumerate(texts.items())
    }
    return model.ValueMap(options=options)
