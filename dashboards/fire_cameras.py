"""Fire and cameras: what burned, whether each camera sees, and whether the sirens answered."""

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import queries, recurring
from dashboards.frame import FIRE, MARKS_MAX, Panels, framed
from dashboards.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    Apart,
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

CAMERA_FIELDS = ("state", "known", "fire_score", "frame_age_s", "fps")
SEEING = f'{queries.HERE} AND "known" = 1'
LIVE_TEXTS = {"live": ("봄 / sees", GREEN), "unknown": ("모름 / unknown", GREY)}
FIRE_TEXTS = {
    "quiet": ("이상 없음 / quiet", GREEN),
    "suspected": ("의심 / suspected", ORANGE),
    "confirmed": ("화재 / fire", RED),
}
DRILL_TEXTS = {
    "quiet": ("훈련: 불꽃 없음 / drill: no flame", BLUE),
    "suspected": ("훈련: 의심 / drill: suspected", BLUE),
    "confirmed": ("훈련: 불꽃 확인 / drill: flame confirmed", PURPLE),
}
SIREN_TEXTS = {"true": ("울림 / sounding", RED), "false": ("조용함 / quiet", GREEN)}
PHASE_TEXTS = {
    "raised": ("일어남 / raised", RED),
    "ongoing": ("이어짐 / ongoing", ORANGE),
    "cleared": ("끝남 / cleared", GREEN),
}


def build() -> model.Dashboard:
    """The dashboard."""
    panels: Panels = (
        heading("지금 / Now"),
        *_now(),
        heading("화재 / Fires"),
        *_fires(),
        heading("카메라 / Cameras"),
        *_cameras(),
        heading("고장 / Troubles"),
        _troubles(),
        long_view([_long()]),
    )
    return framed(FIRE, panels)


def _now() -> tuple[Builder[model.Panel], ...]:
    return (
        number(
            "보는 카메라 / cameras that see",
            queries.now("cameras", queries.KNOWN, CAMERA_FIELDS),
            Look(steps=((RED, None), (GREEN, 1))),
            about="지금 화면을 받아 판단하는 카메라. Cameras whose picture is judged now.",
        ),
        recurring.blind_cameras(CAMERA_FIELDS),
        recurring.silent("소식 없는 카메라 / silent cameras", "cameras"),
        recurring.silent("소식 없는 사이렌 / silent sirens", "sirens"),
        number(
            "지금 불꽃 점수 / highest fire score now",
            queries.now("cameras", 'max("fire_score")', CAMERA_FIELDS, only='"known" = 1'),
            Look("percentunit", decimals=None, steps=((GREEN, None), (ORANGE, 0.5), (RED, 0.8)), high=1),
            about="보는 카메라 가운데 가장 높은 점수, 훈련의 불꽃도 셈."
            " The highest of the cameras that see; a drill's flame counts too.",
        ),
        recurring.fires_raised(),
    )


def _fires() -> tuple[Builder[model.Panel], ...]:
    table = (
        f'SELECT "device", "subject", "zone", "phase", "score", "alarm_sounded",'
        f' "decided_unix_ms" - "first_seen_unix_ms" AS "decision_ms"'
        f' FROM "fires" WHERE {queries.HERE} AND {queries.RANGE} ORDER BY time DESC LIMIT {MARKS_MAX}'
    )
    columns = {
        "Time": Column("시각 / time", "dateTimeAsIso"),
        "device": Column("장비 / device"),
        "subject": Column("카메라 / camera"),
        "zone": Column("구역 / zone"),
        "phase": Column("단계 / phase", texts=PHASE_TEXTS),
        "score": Column("점수 / score", "percentunit"),
        "alarm_sounded": Column("현장 경보 / alarm sounded", "bool_yes_no"),
        "decision_ms": Column(
            "판단에 걸린 시간 / time to decide", "ms", steps=((GREEN, None), (ORANGE, 5_000), (RED, 10_000))
        ),
    }
    return (
        rows("화재 기록 / fire events", [table], columns, about="새것부터. Newest first.", span=24),
        states(
            "사이렌 / sirens",
            queries.value("sirens", "sounding", where=SEEING),
            SIREN_TEXTS,
            about="빈틈은 사이렌 상태를 모르던 때입니다. A gap: whether it sounds was not known.",
            span=12,
        ),
        states(
            "화재 판단 / verdict of each camera",
            queries.value("cameras", "fire", where=SEEING),
            FIRE_TEXTS,
            about="빈틈은 카메라가 못 보던 때입니다. 훈련 때 본 것은 제 줄에 따로 나옵니다."
            " A gap: the camera did not see then. What it saw in a drill has a bar of its own.",
            span=12,
            apart=Apart(
                queries.value("cameras", "drill", where=SEEING),
                "$tag_subject (훈련 / drill)",
                DRILL_TEXTS,
            ),
        ),
    )


def _cameras() -> tuple[Builder[model.Panel], ...]:
    return (
        lines(
            "불꽃 점수 / fire score",
            [Line(queries.value("cameras", "fire_score", "max", where=SEEING), "$tag_subject")],
            Look("percentunit", decimals=None, steps=((GREEN, None), (ORANGE, 0.5), (RED, 0.8)), high=1),
            about="칸마다 가장 높은 점수. 못 보는 카메라는 빈칸입니다. The highest in each step; none while blind.",
        ),
        states(
            "카메라마다 / each camera",
            queries.value("cameras", "state"),
            LIVE_TEXTS,
            about="빈틈은 소식이 없던 때입니다. A gap means that no reading came.",
            span=12,
        ),
        lines(
            "화면 나이 / age of the picture",
            [Line(queries.value("cameras", "frame_age_s", "max"), "$tag_subject")],
            Look("s", decimals=None, steps=((GREEN, None), (ORANGE, 2), (RED, 8))),
            about="마지막 화면이 얼마나 오래되었나. How old the last frame is.",
        ),
        lines(
            "초당 화면 / frames a second",
            [Line(queries.value("cameras", "fps", "mean", where=SEEING), "$tag_subject")],
            Look("short", decimals=1, steps=((RED, None), (ORANGE, 1), (GREEN, 3))),
            about="보는 카메라의 평균. The mean of cameras that see.",
        ),
        states(
            "못 본 까닭 / why a camera did not see",
            queries.value("cameras", "reason"),
            {},
            about="카메라가 말한 까닭. The reason that the camera gave.",
        ),
    )


def _troubles() -> Builder[model.Panel]:
    table = (
        f'SELECT "device", "subject", "kind", "phase", "reason", "detail" FROM "troubles"'
        f" WHERE {queries.HERE} AND {queries.RANGE} ORDER BY time DESC LIMIT {MARKS_MAX}"
    )
    columns = {
        "Time": Column("시각 / time", "dateTimeAsIso"),
        "device": Column("장비 / device"),
        "subject": Column("부분 / part"),
        "kind": Column("종류 / kind"),
        "phase": Column("단계 / phase", texts=PHASE_TEXTS),
        "reason": Column("까닭 / reason"),
        "detail": Column("자세히 / detail"),
    }
    return rows("고장 기록 / trouble events", [table], columns, about="새것부터. Newest first.")


def _long() -> Builder[model.Panel]:
    return recurring.known_for_three_months(
        "석 달 가동 / cameras seeing, three months",
        "cameras",
        about="소식이 있던 시간 가운데 보던 시간. Of the time with readings, the share in which it saw.",
    )
