"""Questions that several dashboards ask: one query, one look and one sentence each, so that they mean the same."""

from collections.abc import Sequence

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import queries
from dashboards.panels import BAD_FROM_ONE, GREEN, NONE_RECORDED, ORANGE, RED, Line, Look, lines, number


def silent(title: str, kind: str, *, where: str = queries.HERE) -> Builder[model.Panel]:
    """How many series of a kind have stopped reporting."""
    return number(
        title,
        queries.silent(kind, where=where),
        Look(steps=BAD_FROM_ONE),
        about="이레 안에 소식이 있었으나 지금은 없음. Heard within seven days, not now.",
    )


def blind_cameras(fields: Sequence[str], *, where: str = queries.HERE) -> Builder[model.Panel]:
    """How many cameras report that they do not see."""
    return number(
        "못 보는 카메라 / blind cameras",
        queries.now("cameras", queries.UNKNOWN, fields, where=where),
        Look(steps=BAD_FROM_ONE),
        about="멈춤, 가림, 끊김. Frozen, covered, cut off: no fire would be seen there.",
    )


def fires_raised(*, where: str = queries.HERE) -> Builder[model.Panel]:
    """How many fires were raised in the chosen time."""
    return number(
        "화재 경보 / fires raised",
        f'SELECT count("score") FROM "fires" WHERE {where} AND "phase" = \'raised\' AND {queries.RANGE}',
        Look(steps=((RED, None),)),
        about="고른 기간 동안. In the chosen time.",
        empty=NONE_RECORDED,
    )


def batches_missing(*, where: str = queries.HERE) -> Builder[model.Panel]:
    """How many batches gap records name."""
    return number(
        "빠진 묶음 / batches missing",
        queries.missing("batches_count", where=where),
        Look(steps=BAD_FROM_ONE),
        about="고른 기간의 빠진 자료 기록에 적힌 수, 늦게라도 온 것은 뺌."
        " What the gap records of the chosen time name, less what came after all.",
        empty=NONE_RECORDED,
    )


def known_for_three_months(title: str, kind: str, *, about: str) -> Builder[model.Panel]:
    """Of the time in which each series of a kind reported, the share in which its state was known."""
    return lines(
        title,
        [Line(queries.weighed(kind, "known", by='"subject"', step=queries.DAY), "$tag_subject")],
        Look("percentunit", decimals=None, steps=((RED, None), (ORANGE, 0.95), (GREEN, 0.99)), high=1),
        about=about,
        span=24,
        interval="1d",
        since="90d",
    )
