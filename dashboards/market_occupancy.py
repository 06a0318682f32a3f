"""Market occupancy: bays, lots, gates and people of one market, how long cars stay and how often bays change hands."""

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import queries
from dashboards.frame import OCCUPANCY, Panels, choice, framed
from dashboards.panels import (
    BAD_FROM_ONE,
    BLUE,
    GREEN,
    GREY,
    GREY_FROM_ONE,
    ORANGE,
    PLAIN,
    PURPLE,
    RED,
    SHARE,
    Line,
    Look,
    heading,
    lines,
    long_view,
    number,
    states,
)

BAY_FIELDS = ("state", "occupied", "known")
BAY_TEXTS = {
    "free": ("빈 자리 / free", GREEN),
    "occupied": ("주차 / occupied", BLUE),
    "unknown": ("모름 / unknown", GREY),
    "closed": ("닫힘 / closed", PURPLE),
}
FULL = ((GREEN, None), (ORANGE, 0.85), (RED, 0.95))
LOT = f'{queries.HERE} AND "lot" =~ /^$lot$/'
COUNTED = Look()


def build() -> model.Dashboard:
    """The dashboard."""
    lots = choice("lot", "주차장 / lot", queries.field_values("bays", "lot"), several=True, in_range=True)
    panels: Panels = (
        heading("지금 / Now"),
        *_now(),
        heading("자리 / Bays"),
        *_bays(),
        heading("주차장 $lot / Lot $lot").repeat("lot"),
        *_lot(),
        heading("체류와 회전 / Stay and turnover"),
        *_turnover(),
        heading("드나듦 / In and out"),
        *_flow(),
        long_view(_long()),
    )
    return framed(OCCUPANCY, panels, [lots])


def _bays_now(title: str, what: str, look: Look, about: str) -> Builder[model.Panel]:
    return number(title, queries.now("bays", what, BAY_FIELDS), look, about=about)


def _now() -> tuple[Builder[model.Panel], ...]:
    silent = "이레 안에 소식이 있었으나 지금은 없는 자리. Heard within seven days, not now: what is there is not known."
    return (
        _bays_now(
            "빈 자리 / free bays", queries.FREE, Look(steps=((GREEN, None),)), "확실히 빈 자리만. Known to be free."
        ),
        _bays_now("주차 / occupied bays", queries.OCCUPIED, Look(), "확실히 찬 자리만. Known to be occupied."),
        _bays_now(
            "모름 / unknown bays",
            queries.UNKNOWN,
            Look(steps=GREY_FROM_ONE),
            "센서가 모른다고 한 자리. The sensor itself says that it does not know.",
        ),
        number("소식 없음 / silent bays", queries.silent("bays"), Look(steps=BAD_FROM_ONE), about=silent),
        _bays_now(
            "지금 점유율 / share occupied now",
            queries.SHARE_OCCUPIED,
            Look("percentunit", decimals=None, steps=FULL, high=1),
            "아는 자리 가운데. Of the bays that are known.",
        ),
        number(
            "들어온 사람 / people in",
            queries.grown_in_range("people", "in_count"),
            Look(),
            about="고른 기간 동안. Over the chosen time.",
        ),
    )


def _bays() -> tuple[Builder[model.Panel], ...]:
    stack = (
        Line(queries.over_time("bays", queries.OCCUPIED, BAY_FIELDS), "주차 / occupied", BLUE),
        Line(queries.over_time("bays", queries.FREE, BAY_FIELDS), "빈 자리 / free", GREEN),
        Line(queries.over_time("bays", queries.UNKNOWN, BAY_FIELDS), "모름 / unknown", GREY),
        Line(
            queries.over_time("bays", 'count("known")', BAY_FIELDS, only="\"state\" = 'closed'"),
            "닫힘 / closed",
            PURPLE,
        ),
    )
    each = queries.value("bays", "state")
    return (
        lines(
            "주차면 / bays",
            stack,
            COUNTED,
            about="쌓은 높이가 줄면 그만큼 소식이 없다는 뜻입니다. Where the stack is lower, bays are silent.",
            span=24,
            stacked=True,
        ),
        lines(
            "점유율 / share occupied",
            [Line(queries.over_time("bays", queries.SHARE_OCCUPIED, BAY_FIELDS), "점유율 / share")],
            SHARE,
            about="아는 자리 가운데. Of the bays that are known.",
        ),
        lines(
            "아는 비율 / share known",
            [Line(queries.over_time("bays", 'mean("known")', BAY_FIELDS), "아는 비율 / share known")],
            Look("percentunit", decimals=None, steps=((RED, None), (ORANGE, 0.9), (GREEN, 0.99)), high=1),
            about="소식을 보낸 자리 가운데 상태를 아는 자리. Of the bays that report, those whose state is known.",
        ),
        states(
            "자리마다 / each bay",
            each,
            BAY_TEXTS,
            about="빈틈은 소식이 없던 때입니다. A gap means that no reading came: the bay was not known then.",
        ),
    )


def _lot() -> tuple[Builder[model.Panel], ...]:
    now = (
        ("빈 자리 $lot / free bays $lot", queries.FREE, Look(steps=((RED, None), (ORANGE, 1), (GREEN, 3)))),
        ("주차 $lot / occupied bays $lot", queries.OCCUPIED, Look()),
        ("모름 $lot / unknown bays $lot", queries.UNKNOWN, Look(steps=GREY_FROM_ONE)),
    )
    about = "이 주차장의 자리 가운데. Of the bays that name this lot."
    numbers = [
        number(title, queries.now("bays", what, BAY_FIELDS, where=LOT), look, about=about) for title, what, look in now
    ]
    counts = ("in_count", "out_count")
    drift = (
        Line(queries.over_time("bays", queries.OCCUPIED, BAY_FIELDS, where=LOT), "주차면이 세는 차 / by bays", BLUE),
        Line(
            queries.over_time("gates", 'sum("in_count") - sum("out_count")', ("known", *counts), where=LOT),
            "출입구가 세는 차 / by gates",
            ORANGE,
        ),
    )
    chart = lines(
        "자리와 출입구 $lot / bays against gates $lot",
        drift,
        Look(low=None),
        about="설치 뒤로 들어온 차에서 나간 차를 뺀 수. 벌어지면 어느 쪽이 빠뜨린 것입니다."
        " Cars in less cars out since installation; where the lines part, one of them misses cars.",
    )
    return (*numbers, chart)


def _turnover() -> tuple[Builder[model.Panel], ...]:
    stay = Look("ms", decimals=None)
    return (
        lines(
            "주차 시간 / length of stay",
            [
                Line(queries.stays('mean("change")', "1h"), "평균 / mean"),
                Line(queries.stays('percentile("change", 90)', "1h"), "열에 아홉이 이보다 짧음 / 90 %"),
            ],
            stay,
            about="떠난 시각에 매김. 끊김 없이 본 주차만. By the hour of leaving; stays that were seen to their end.",
            interval="1h",
        ),
        lines(
            "시간당 회전 / cars parked an hour",
            [Line(queries.grown("bays", "occupied", step="1h"), "들어와 선 차 / parked")],
            COUNTED,
            about="빈 자리가 찬 횟수. How often a free bay became occupied.",
            interval="1h",
            bars=True,
        ),
        lines(
            "하루 회전율 / turnover a day",
            [Line(queries.turnover(queries.DAY), "자리당 차 / cars a bay")],
            Look(decimals=1),
            about="하루에 자리마다 선 차. 첫날과 마지막 날은 하루의 일부입니다."
            " Cars a bay and day; the first and last day are parts of one.",
            interval="1d",
            bars=True,
            since="7d",
        ),
        number(
            "평균 주차 시간 / mean stay",
            queries.stays('mean("change")'),
            stay,
            about="고른 기간에 떠난 차. Of the cars that left in the chosen time.",
            span=12,
            height=8,
            empty="떠난 차 없음 / no car left",
        ),
    )


def _flow() -> tuple[Builder[model.Panel], ...]:
    return tuple(
        lines(
            title,
            [
                Line(queries.grown(kind, "in_count"), "들어옴 / in", GREEN),
                Line(queries.grown(kind, "out_count"), "나감 / out", ORANGE),
            ],
            COUNTED,
            about="센서의 계수가 늘어난 만큼. How much the sensors' counts grew.",
            interval="5m",
            bars=True,
        )
        for title, kind in (("차량 출입 / vehicles in and out", "gates"), ("사람 출입 / people in and out", "people"))
    )


def _long() -> tuple[Builder[model.Panel], ...]:
    return (
        lines(
            "석 달 점유율 / share occupied, three months",
            [Line(queries.weighed("bays", "occupied", step=queries.DAY), "점유율 / share")],
            SHARE,
            about="시간으로 무게를 둔 하루 평균. A day's mean, weighed by time.",
            interval="1d",
            since="90d",
        ),
        lines(
            "석 달 방문 / people in, three months",
            [Line(queries.grown("people-5m", "in_count_last", step=queries.DAY), "들어옴 / in", GREEN)],
            Look(steps=PLAIN),
            about="하루에 들어온 사람. People in a day.",
            interval="1d",
            bars=True,
            since="90d",
        ),
    )
