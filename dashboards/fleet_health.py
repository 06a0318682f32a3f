"""Fleet health and delivery: do the devices live, and does every reading reach the database, and how late."""

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from contract.telemetry import GapCause
from dashboards import central_services, queries, recurring
from dashboards.frame import FLEET, MARKS_MAX, Panels, framed
from dashboards.panels import (
    BAD_FROM_ONE,
    BLUE,
    GREEN,
    NONE_RECORDED,
    ORANGE,
    RED,
    Column,
    Line,
    Look,
    heading,
    lines,
    long_view,
    number,
    rows,
    states,
)

AGENT_FIELDS = ("uptime_s", "outbox_rows", "outbox_bytes", "outbox_oldest_age_s", "clock_skew_ms")
OF_DEVICE = "$tag_market $tag_device"
CAUSES = {
    GapCause.OUTBOX_FULL: "함이 참 / outbox full",
    GapCause.OUTBOX_AGE: "너무 오래됨 / too old",
    GapCause.DISK_FULL: "디스크가 참 / disk full",
    GapCause.MEMORY_FULL: "메모리가 참 / memory full",
    GapCause.OUTBOX_CORRUPT: "파일이 깨짐 / outbox damaged",
    GapCause.CLOCK_NEVER_SET: "시각을 모름 / clock never set",
    GapCause.NOT_ARRIVED: "오지 않음 / did not arrive",
    GapCause.REFUSED: "거절됨 / refused",
}
CLOCK_TEXTS = {
    "trusted": ("믿음 / trusted", GREEN),
    "synchronised": ("맞춤 / synchronised", GREEN),
    "rtc": ("시계 칩 / rtc", BLUE),
    "central": ("중앙 시각 / central", BLUE),
    "unset": ("모름 / unset", RED),
}
LATE = ((GREEN, None), (ORANGE, 60), (RED, 600))


def build() -> model.Dashboard:
    """The dashboard."""
    panels: Panels = (
        heading("지금 / Now"),
        *_now(),
        heading("전달 / Delivery"),
        *_delivery(),
        heading("빠진 자료 / Gaps"),
        *_gaps(),
        heading("장비 / Devices"),
        *_devices(),
        heading("중앙 / Central services"),
        *central_services.panels(),
        long_view([_long()]),
    )
    return framed(FLEET, panels)


def _now() -> tuple[Builder[model.Panel], ...]:
    return (
        number(
            "살아 있는 장비 / devices heard",
            queries.now("agents", 'count("uptime_s")', AGENT_FIELDS),
            Look(steps=((RED, None), (GREEN, 1))),
            about="지금 소식이 데이터베이스에 닿은 장비. Devices whose own reading is in the database now.",
        ),
        recurring.silent("소식 없는 장비 / silent devices", "agents"),
        number(
            "보낼 함 / outbox rows",
            queries.now("agents", 'sum("outbox_rows")', AGENT_FIELDS),
            Look(steps=((GREEN, None), (ORANGE, 1_000), (RED, 100_000))),
            about="장비에서 아직 보내지 못한 묶음. Batches that devices still hold.",
        ),
        number(
            "가장 오래된 것 / oldest undelivered",
            queries.now("agents", 'max("outbox_oldest_age_s")', AGENT_FIELDS),
            Look("s", decimals=None, steps=LATE),
            about="보낼 함에서 가장 오래된 묶음의 나이. Age of the oldest batch in any outbox.",
            empty="없음 / none",
        ),
        recurring.batches_missing(),
        number(
            "왕복 확인 / canary",
            queries.now("services", 'min("canary_ok")', ("ok", "canary_ok"), where=queries.CENTRAL),
            Look("bool_yes_no", decimals=None, steps=((RED, None), (GREEN, 1))),
            about="센서에서 데이터베이스까지 갔다가 다시 읽힘. Sensor to database and read back.",
        ),
    )


def _delivery() -> tuple[Builder[model.Panel], ...]:
    return (
        lines(
            "보낼 함에 쌓인 묶음 / outbox depth",
            [Line(queries.value("agents", "outbox_rows", "max"), OF_DEVICE)],
            Look(steps=((GREEN, None), (ORANGE, 1_000), (RED, 100_000))),
            about="장비마다. Each device.",
        ),
        lines(
            "보낼 함 크기 / outbox size",
            [Line(queries.value("agents", "outbox_bytes", "max"), OF_DEVICE)],
            Look("bytes", decimals=None),
            about="장비마다. Each device.",
        ),
        lines(
            "보낼 함의 나이 / age of the outbox",
            [Line(queries.value("agents", "outbox_oldest_age_s", "max"), OF_DEVICE)],
            Look("s", decimals=None, steps=LATE),
            about="가장 오래된 묶음. The oldest batch.",
        ),
        lines(
            "저장까지 걸린 시간 / lag to the database",
            [Line(central_services.service("lag_s", "max"), "$tag_subject")],
            Look("s", decimals=None, steps=((GREEN, None), (ORANGE, 2), (RED, 30))),
            about="새 값이 저장될 때의 나이. How old the newest live reading was when it was written.",
        ),
    )


def _gaps() -> tuple[Builder[model.Panel], ...]:
    batches, readings = (
        [
            Line(queries.missing(field, only=f"\"cause\" = '{cause}'", step=queries.STEP), words)
            for cause, words in CAUSES.items()
        ]
        for field in ("batches_count", "readings_count")
    )
    table = (
        'SELECT "market", "device", "subject", "cause", "batches_count", "readings_count", "from_unix_ms",'
        ' "until_unix_ms", "filled_unix_ms" FROM "gaps"'
        f" WHERE {queries.HERE} AND {queries.RANGE} ORDER BY time DESC LIMIT {MARKS_MAX}"
    )
    columns = {
        "Time": Column("기록 시각 / recorded", "dateTimeAsIso"),
        "market": Column("시장 / market"),
        "device": Column("장비 / device"),
        "subject": Column("알린 곳 / named by"),
        "cause": Column("까닭 / cause"),
        "batches_count": Column("묶음 / batches", "short", decimals=0),
        "readings_count": Column("값 / readings", "short", decimals=0),
        "from_unix_ms": Column("부터 / from", "dateTimeAsIso"),
        "until_unix_ms": Column("까지 / until", "dateTimeAsIso"),
        "filled_unix_ms": Column("늦게 옴 / came after all", "dateTimeAsIso"),
    }
    return (
        lines(
            "까닭별 빠진 묶음 / batches missing by cause",
            batches,
            Look(steps=((RED, None),)),
            about="만들어진 때에 매김. 늦게라도 온 것은 뺌. By when they were made, less what came after all.",
            span=8,
            interval="5m",
            bars=True,
            empty=NONE_RECORDED,
        ),
        lines(
            "까닭별 잃은 값 / readings lost by cause",
            readings,
            Look(steps=((RED, None),)),
            about="장비가 센 값의 수. 중앙은 오지 않은 묶음에 값이 몇이었는지 모르고 0으로 적습니다."
            " As devices count them; for a batch that never came the centre does not know how many it held and says 0.",
            span=8,
            interval="5m",
            bars=True,
            empty=NONE_RECORDED,
        ),
        lines(
            "버린 값 / readings dropped on devices",
            [Line(queries.grown("agents", "outbox_dropped_count", by='"device"'), "$tag_device")],
            Look(steps=BAD_FROM_ONE),
            about="장비가 스스로 센 것. As the devices count themselves.",
            span=8,
            interval="5m",
            bars=True,
        ),
        rows("빠진 자료 기록 / gap records", [table], columns, about="새것부터. Newest first."),
    )


def _devices() -> tuple[Builder[model.Panel], ...]:
    return (
        lines(
            "시계 차이 / clock skew",
            [Line(queries.value("agents", "clock_skew_ms"), OF_DEVICE)],
            Look("ms", decimals=None, steps=((RED, None), (GREEN, -5_000), (RED, 5_000)), low=None),
            about="중앙 시계에 견준 장비의 시계. The device's clock against the central one.",
        ),
        states(
            "시각의 출처 / where the time comes from",
            queries.value("agents", "clock_source"),
            CLOCK_TEXTS,
            about="빈틈은 소식이 없던 때입니다. A gap means that no reading came.",
            alias=OF_DEVICE,
            span=12,
        ),
        lines(
            "켜진 시간 / uptime",
            [Line(queries.value("agents", "uptime_s", "min"), OF_DEVICE)],
            Look("s", decimals=None),
            about="떨어지면 다시 켜진 것입니다. Where it drops, the agent started anew.",
        ),
        lines(
            "메모리 / memory",
            [Line(queries.value("agents", "rss_bytes", "max"), OF_DEVICE)],
            Look("bytes", decimals=None, steps=((GREEN, None), (RED, 200_000_000))),
            about="에이전트가 쓰는 메모리. What the agent holds.",
        ),
        lines(
            "처리기 / processor",
            [Line(queries.value("agents", "cpu_share", "mean"), OF_DEVICE)],
            Look("percentunit", decimals=None, steps=((GREEN, None), (ORANGE, 0.5), (RED, 1))),
            about="한 코어에 견준 몫. Share of one core.",
            span=24,
        ),
    )


def _long() -> Builder[model.Panel]:
    what = (
        f'SELECT mean("outbox_rows_max") FROM "agents-5m" WHERE {queries.HERE} AND {queries.RANGE}'
        f' GROUP BY time({queries.DAY}), "device" fill(none)'
    )
    return lines(
        "석 달 보낼 함 / outbox depth, three months",
        [Line(what, "$tag_device")],
        Look(steps=((GREEN, None), (ORANGE, 1_000), (RED, 100_000))),
        about="5분마다 가장 깊던 것의 하루 평균. The day's mean of each five minutes' deepest.",
        span=24,
        interval="1d",
        since="90d",
    )
