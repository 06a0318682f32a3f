"""Signage and proof of play: what each screen really showed, for how long, and from which generation."""

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import dashboard as model

from dashboards import queries, recurring
from dashboards.frame import SIGNAGE, Panels, choice, framed
from dashboards.panels import (
    BLUE,
    GREEN,
    GREY,
    GREY_FROM_ONE,
    NONE_RECORDED,
    ORANGE,
    PURPLE,
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

SCREEN_FIELDS = ("state", "known", "showing", "generation")
SEEN = f'{queries.HERE} AND "known" = 1'
SHOWING = {
    "standby": ("대기 화면 / standby", BLUE),
    "notice": ("안내 / notice", GREEN),
    "occupancy": ("빈 자리 안내 / occupancy", PURPLE),
    "evacuation": ("대피 / evacuation", RED),
    "nothing": ("아무것도 없음 / nothing", ORANGE),
}
STATES = {"live": ("보임 / live", GREEN), "unknown": ("모름 / unknown", GREY)}


def build() -> model.Dashboard:
    """The dashboard."""
    items = choice("item", "내용 / item", queries.field_values("screens", "item"), several=True, in_range=True)
    panels: Panels = (
        heading("지금 / Now"),
        *_now(),
        heading("보인 것 / What was shown"),
        *_shown(),
        heading("송출 증명 $item / Proof of play $item").repeat("item"),
        *_proof(),
        heading("세대 / Generations"),
        *_generations(),
        long_view([_long()]),
    )
    return framed(SIGNAGE, panels, [items])


def _now() -> tuple[Builder[model.Panel], ...]:
    lag = queries.now("screens", 'spread("generation")', SCREEN_FIELDS, by='"device"', only='"known" = 1')
    evacuation = queries.now(
        "screens", 'count("known")', SCREEN_FIELDS, only='"showing" = \'evacuation\' AND "known" = 1'
    )
    return (
        number(
            "보이는 화면 / live screens",
            queries.now("screens", queries.KNOWN, SCREEN_FIELDS),
            Look(steps=((RED, None), (GREEN, 1))),
            about="화면의 페이지가 스스로 알린 것. As each screen's own page says.",
        ),
        number(
            "모르는 화면 / unknown screens",
            queries.now("screens", queries.UNKNOWN, SCREEN_FIELDS),
            Look(steps=GREY_FROM_ONE),
            about="페이지가 말이 없는 화면. Screens whose page says nothing.",
        ),
        recurring.silent("소식 없는 화면 / silent screens", "screens"),
        number(
            "대피 화면 / screens on evacuation",
            evacuation,
            Look(steps=((RED, None),)),
            about="지금 대피 안내를 보이는 화면. Screens that show evacuation now.",
            span=6,
            empty="없음 / none",
        ),
        number(
            "세대 뒤처짐 / generation lag",
            lag,
            Look(steps=((GREEN, None), (ORANGE, 1), (RED, 2))),
            about="한 장비의 화면들 사이에서 가장 새 세대와 가장 오랜 세대의 차이."
            " Between the newest and the oldest generation on the screens of one device.",
            span=6,
        ),
    )


def _shown() -> tuple[Builder[model.Panel], ...]:
    kinds = [
        Line(queries.shown_s(f'"showing" = \'{name}\' AND "known" = 1'), words, colour)
        for name, (words, colour) in SHOWING.items()
    ]
    unknown = Line(queries.shown_s('"known" = 0'), "모름 / unknown", GREY)
    return (
        states(
            "화면마다 / each screen",
            queries.value("screens", "showing", where=SEEN),
            SHOWING,
            about="빈틈은 무엇이 보였는지 모르던 때입니다. A gap: what was on the screen is not known.",
        ),
        states(
            "화면 상태 / state of each screen",
            queries.value("screens", "state"),
            STATES,
            about="빈틈은 소식이 없던 때입니다. A gap means that no reading came.",
            span=12,
        ),
        states(
            "화면의 내용 / item on each screen",
            queries.value("screens", "item", where=SEEN),
            {},
            about="재생 목록의 어느 내용인지. Which item of the playlist.",
            span=12,
        ),
        lines(
            "보인 시간 / time shown",
            [*kinds, unknown],
            Look("s", decimals=None),
            about="모든 화면을 더한 시간. 소식이 없던 시간은 들어 있지 않습니다."
            " All screens together, ten seconds for every ten seconds' last report; silent time is in none.",
            span=24,
            interval="1h",
            stacked=True,
            bars=True,
        ),
    )


def _proof() -> tuple[Builder[model.Panel], ...]:
    item = '"item" =~ /^$item$/ AND "known" = 1'
    return (
        lines(
            "$item 시간당 / $item an hour",
            [Line(queries.shown_s(item, by='"subject"'), "$tag_subject")],
            Look("s", decimals=None),
            about="화면마다 이 내용이 보인 시간. How long each screen showed this item.",
            span=24,
            interval="1h",
            bars=True,
            empty=NONE_RECORDED,
        ),
    )


def _generations() -> tuple[Builder[model.Panel], ...]:
    columns = {
        "Time": Column("마지막 소식 / last heard", "dateTimeFromNow"),
        "device": Column("장비 / device"),
        "subject": Column("화면 / screen"),
        "state": Column("상태 / state", texts=STATES),
        "showing": Column("보이는 것 / showing", texts=SHOWING),
        "generation": Column("세대 / generation", "short", decimals=0),
        "since_unix_ms": Column("언제부터 / since", "dateTimeAsIso"),
    }
    table = (
        'SELECT last("state") AS "state", "showing", "generation", "since_unix_ms" FROM "screens"'
        f' WHERE {queries.HERE} AND {queries.RANGE} GROUP BY "device", "subject"'
    )
    return (
        lines(
            "세대 / generation",
            [Line(queries.value("screens", "generation", where=SEEN), "$tag_device $tag_subject")],
            Look("short"),
            about="화면이 보이는 편성의 번호. The number of the programme that each screen shows.",
        ),
        rows(
            "화면 목록 / screens",
            [table],
            columns,
            about="고른 기간의 마지막 소식. 나이를 함께 보십시오. The last report of the chosen time: mind its age.",
            span=12,
        ),
    )


def _long() -> Builder[model.Panel]:
    return recurring.known_for_three_months(
        "석 달 가동 / screens live, three months",
        "screens",
        about="소식이 있던 시간 가운데 보이던 시간. Of the time with readings, the share in which it was live.",
    )
