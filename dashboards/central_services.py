"""The row of the central parts in fleet health: each part's own counters, as upkeep writes them (kind `services`)."""

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import queries
from dashboards.panels import BAD_FROM_ONE, BLUE, GREEN, ORANGE, RED, Line, Look, lines, states

REFUSALS = {
    "bad-topic": "주소 / topic",
    "unknown-device": "모르는 장비 / unknown device",
    "unknown-subject": "모르는 대상 / unknown subject",
    "oversized": "너무 큼 / oversized",
    "malformed": "잘못된 내용 / malformed",
    "clock": "시계 / clock",
    "rejected": "저장소 거절 / rejected by the store",
}
PART_TEXTS = {
    "ok": ("정상 / ok", GREEN),
    "degraded": ("어려움 / degraded", ORANGE),
    "stale": ("소식 없음 / stale", RED),
}


def service(field: str, how: str = "last") -> str:
    """One line for each central part: `how` of a field in each bucket."""
    return queries.value("services", field, how, where=queries.CENTRAL, by='"subject"')


def _rate(field: str) -> str:
    """How much a counter grew a second."""
    return (
        f'SELECT non_negative_derivative(last("{field}"), 1s) FROM "services" WHERE {queries.CENTRAL}'
        f' AND {queries.RANGE} GROUP BY time({queries.STEP}), "subject" fill(none)'
    )


def panels() -> tuple[Builder[model.Panel], ...]:
    """The row's panels."""
    return (
        states(
            "중앙 부분마다 / each central part",
            service("state"),
            PART_TEXTS,
            about="빈틈은 돌보는 부분도 말이 없던 때입니다. A gap: not even upkeep, which writes this, was there.",
        ),
        *_stored(),
        *_not_stored(),
        *_found_missing(),
        lines(
            "저장에 쓴 시간 / time spent writing",
            [Line(_rate("write_seconds_total"), "$tag_subject")],
            Look("percentunit", decimals=None, steps=((GREEN, None), (ORANGE, 0.5), (RED, 0.9))),
            about="1에 가까우면 저장소가 한계입니다. Near 1, the store is the limit.",
            span=24,
        ),
    )


def _stored() -> tuple[Builder[model.Panel], ...]:
    return (
        lines(
            "저장한 값 / readings stored a second",
            [Line(_rate("readings_total"), "$tag_subject")],
            Look("ops", decimals=None),
            about="인제스트마다. Each ingest worker.",
        ),
        lines(
            "마지막 저장 뒤 / since the last write",
            [Line(service("last_write_age_s", "max"), "$tag_subject")],
            Look("s", decimals=None, steps=((GREEN, None), (ORANGE, 30), (RED, 120))),
            about="자라기만 하면 막힌 것입니다. Where it only grows, nothing is written any more.",
        ),
    )


def _not_stored() -> tuple[Builder[model.Panel], ...]:
    letters = [
        Line(queries.grown("services", f"dead_letters_{kind.replace('-', '_')}_total", where=queries.CENTRAL), words)
        for kind, words in REFUSALS.items()
    ]
    return (
        lines(
            "거절된 편지 / dead letters",
            letters,
            Look(steps=BAD_FROM_ONE),
            about="콘솔에서 보고 다시 넣습니다. Read and replayed in the console.",
            interval="5m",
            bars=True,
        ),
        lines(
            "다시 쓰기 / write retries",
            [Line(queries.grown("services", "retries_total", where=queries.CENTRAL, by='"subject"'), "$tag_subject")],
            Look(steps=BAD_FROM_ONE),
            about="저장소가 받지 않아 붙들고 있는 묶음. Batches held because the store did not take them.",
            interval="5m",
            bars=True,
        ),
    )


def _found_missing() -> tuple[Builder[model.Panel], ...]:
    awaited = (
        Line(service("sequence_numbers_awaited"), "기다림 / awaited ($tag_subject)", ORANGE),
        Line(service("sequence_gaps_total"), "빠짐 / missing ($tag_subject)", RED),
        Line(service("sequence_gaps_filled_total"), "늦게 옴 / came late ($tag_subject)", GREEN),
    )
    canary = (
        Line(service("canary_devices_stalled", "max"), "막힌 장비 / devices stalled", RED),
        Line(service("canary_age_s_max", "max"), "가장 오래된 것 (초) / oldest (s)", BLUE),
    )
    return (
        lines(
            "번호의 빈자리 / sequence numbers",
            awaited,
            Look(),
            about="아직 오지 않은 번호. Numbers that have not come.",
        ),
        lines(
            "왕복 확인 / canary",
            canary,
            Look(steps=BAD_FROM_ONE),
            about="센서에서 데이터베이스까지. From sensor to database and back.",
        ),
    )
