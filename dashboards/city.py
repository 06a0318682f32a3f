"""All markets side by side: where bays are free, where devices are silent, where something burned.

What is of bays, gates and people comes from one sample a market and five minutes (`markets-5m`), so that a nation's
100,000 bays are 500 rows. Fires, cameras and devices are asked for as they are now.
"""

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import queries, recurring
from dashboards.frame import CITY, FIRE, MARKS_MAX, OCCUPANCY, Panels, framed
from dashboards.panels import (
    BAD_FROM_ONE,
    GREEN,
    GREY,
    NO_DATA,
    NONE_RECORDED,
    ORANGE,
    RED,
    SHARE,
    Column,
    Line,
    Look,
    folded,
    heading,
    lines,
    long_view,
    number,
    rows,
)

BY_MARKET = '"market"'
NEWEST = "가장 새로 닫힌 5분"
NEWEST_IN_ENGLISH = "Of the newest closed five minutes, which are there about two minutes after their end"
SHARE_OCCUPIED = 'sum("bays_occupied_mean") / (sum("bays_occupied_mean") + sum("bays_free_mean"))'
SHARE_KNOWN = 'sum("bays_known_mean") / (sum("bays_known_mean") + sum("bays_unknown_mean"))'
PEOPLE_IN = 'sum("people_in_count")'
OF_MARKET = "$tag_market"


def build() -> model.Dashboard:
    """The dashboard."""
    panels: Panels = (
        heading("지금 / Now"),
        *_now(),
        _side_by_side(),
        heading("지난 시간 / Over time"),
        *_over_time(),
        folded("자리의 지난 시간 / Bays over time", _bays_over_time()),
        long_view(_long()),
    )
    return framed(CITY, panels)


def _now() -> tuple[Builder[model.Panel], ...]:
    return (
        number(
            "소식 있는 시장 / markets heard",
            queries.markets_heard(),
            Look(steps=((RED, None), (GREEN, 1))),
            about=f"{NEWEST}에 장비 하나라도 소식이 있던 시장."
            f" Markets with at least one device that was heard. {NEWEST_IN_ENGLISH}.",
        ),
        recurring.silent("소식 없는 장비 / silent devices", "agents", where=queries.MARKET),
        recurring.fires_raised(where=queries.MARKET),
        recurring.blind_cameras(("state", "known"), where=queries.MARKET),
        recurring.silent("소식 없는 카메라 / silent cameras", "cameras", where=queries.MARKET),
        recurring.batches_missing(where=queries.MARKET),
    )


def _side_by_side() -> Builder[model.Panel]:
    cameras = queries.now(
        "cameras", f'{queries.UNKNOWN} AS "blind"', ("state", "known"), where=queries.MARKET, by=BY_MARKET
    )
    outbox = queries.now(
        "agents", 'sum("outbox_rows") AS "outbox"', ("uptime_s", "outbox_rows"), where=queries.MARKET, by=BY_MARKET
    )
    window = queries.newest_window(
        "occupied_share_mean",
        "bays_free_mean",
        "bays_occupied_mean",
        "bays_unknown_mean",
        "bays_count",
        "vehicles_in_count",
        "vehicles_out_count",
    )
    people = f'SELECT {PEOPLE_IN} AS "people" FROM "markets-5m" WHERE {queries.MARKET} AND {queries.RANGE}'
    asked = (
        window,
        f"{people} GROUP BY {BY_MARKET}",
        cameras,
        queries.silent("agents", where=queries.MARKET, by=BY_MARKET, named="silent_devices"),
        outbox,
    )
    occupancy = f"/d/{OCCUPANCY.uid}?var-market=${{__value.raw}}&${{__url_time_range}}"
    fire = f"/d/{FIRE.uid}?var-market=${{__data.fields.market}}&${{__url_time_range}}"
    columns = {
        "market": Column("시장 / market", link=occupancy),
        "occupied_share_mean": Column(
            "점유율 / share occupied", "percentunit", steps=((GREEN, None), (ORANGE, 0.85), (RED, 0.95))
        ),
        "bays_free_mean": Column("빈 자리 / free", "short", decimals=1),
        "bays_occupied_mean": Column("주차 / occupied", "short", decimals=1),
        "bays_unknown_mean": Column("모름 / unknown", "short", decimals=1, steps=((GREEN, None), (GREY, 0.05))),
        "bays_count": Column("소식 있던 자리 / bays heard", "short", decimals=0),
        "vehicles_in_count": Column("들어온 차 / vehicles in", "short", decimals=0),
        "vehicles_out_count": Column("나간 차 / vehicles out", "short", decimals=0),
        "people": Column("들어온 사람 (고른 기간) / people in (chosen time)", "short", decimals=0),
        "blind": Column("못 보는 카메라 / blind cameras", "short", decimals=0, steps=BAD_FROM_ONE, link=fire),
        "devices_count": Column("소식 있던 장비 / devices heard", "short", decimals=0),
        "silent_devices": Column("소식 없는 장비 / silent devices", "short", decimals=0, steps=BAD_FROM_ONE),
        "outbox": Column(
            "보낼 함 / outbox rows", "short", decimals=0, steps=((GREEN, None), (ORANGE, 1_000), (RED, 100_000))
        ),
    }
    return rows(
        "시장마다 / each market",
        asked,
        columns,
        about=f"자리, 차, 소식 있던 장비는 {NEWEST}의 평균과 합계입니다. 카메라, 소식 없는 장비, 보낼 함은 지금입니다."
        " 빈칸은 모른다는 뜻입니다. 시장 이름을 누르면 그 시장으로 갑니다."
        f" Bays, vehicles and devices heard: means and sums. {NEWEST_IN_ENGLISH}. Cameras, silent devices and outbox:"
        " as they are now. An empty cell is not known. A market's name leads to its own dashboard.",
        joined_by="market",
        empty=NO_DATA,
    )


def _over_time() -> tuple[Builder[model.Panel], ...]:
    events = (
        f'SELECT "market", "device", "subject", "zone", "phase", "score" FROM "fires"'
        f" WHERE {queries.MARKET} AND {queries.RANGE} ORDER BY time DESC LIMIT {MARKS_MAX}"
    )
    columns = {
        "Time": Column("시각 / time", "dateTimeAsIso"),
        "market": Column("시장 / market", link=f"/d/{FIRE.uid}?var-market=${{__value.raw}}&${{__url_time_range}}"),
        "device": Column("장비 / device"),
        "subject": Column("카메라 / camera"),
        "zone": Column("구역 / zone"),
        "phase": Column("단계 / phase"),
        "score": Column("점수 / score", "percentunit"),
    }
    missing = queries.missing("batches_count", where=queries.MARKET, step=queries.STEP, by=BY_MARKET)
    return (
        lines(
            "시장별 방문 / people in by market",
            [
                Line(queries.of_windows(PEOPLE_IN, step="1h", fill="null"), OF_MARKET),
            ],
            Look(),
            about="한 시간에 들어온 사람. People in an hour.",
            interval="1h",
            bars=True,
        ),
        lines(
            "시장별 빠진 묶음 / batches missing by market",
            [Line(missing, OF_MARKET)],
            Look(steps=((RED, None),)),
            about="빠진 자료 기록에 적힌 수, 늦게라도 온 것은 뺌. What gap records name, less what came after all.",
            interval="5m",
            bars=True,
            empty=NONE_RECORDED,
        ),
        rows("화재 기록 / fire events", [events], columns, about="새것부터. Newest first."),
    )


def _bays_over_time() -> tuple[Builder[model.Panel], ...]:
    return (
        lines(
            "시장별 점유율 / share occupied by market",
            [Line(queries.of_windows(SHARE_OCCUPIED), OF_MARKET)],
            SHARE,
            about="5분 요약에서, 시간으로 무게를 두어. From the 5-minute roll-ups, weighed by time.",
            interval="5m",
        ),
        lines(
            "시장별 아는 비율 / share known by market",
            [Line(queries.of_windows(SHARE_KNOWN), OF_MARKET)],
            Look("percentunit", decimals=None, steps=((RED, None), (ORANGE, 0.9), (GREEN, 0.99)), high=1),
            about="소식이 있던 시간 가운데 상태를 알던 시간. Of the time with readings, the share that was known.",
            interval="5m",
        ),
    )


def _long() -> tuple[Builder[model.Panel], ...]:
    return (
        lines(
            "석 달 점유율 / share occupied, three months",
            [
                Line(queries.of_windows(SHARE_OCCUPIED, step=queries.DAY), OF_MARKET),
            ],
            SHARE,
            about="시간으로 무게를 둔 하루 평균. A day's mean, weighed by time.",
            interval="1d",
            since="90d",
        ),
        lines(
            "석 달 방문 / people in, three months",
            [
                Line(queries.of_windows(PEOPLE_IN, step=queries.DAY, fill="null"), OF_MARKET),
            ],
            Look(),
            about="하루에 들어온 사람. People in a day.",
            interval="1d",
            bars=True,
            since="90d",
        ),
    )
