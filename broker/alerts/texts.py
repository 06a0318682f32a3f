"""The texts: one SMS each wherever it fits; what, where and when first, ending with the incident's code.

A text of EUC-KR letters that is too long for one SMS shortens its names; where that is not enough (a link, a note) it
goes whole as an LMS. `broker.stores.carrier.form_of` says of a text which it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from broker.alerts.wording import KO, Words, words_of
from broker.stores.carrier import (
    LMS_BYTES_MAX,
    SMS_BYTES_MAX,
    UCS2_UNITS_MAX,
    carriable,
    carrier_bytes,
    shortened,
    ucs2_units,
    without_pictures,
)

KOREA = timezone(timedelta(hours=9), "KST")  # no daylight saving since 1988
PLACE_BYTES_MIN = 6
WHO_BYTES_MAX = 24
DETAIL_BYTES_MAX = 40
ITEMS_MAX = 16  # more than one SMS can name
DETAIL_LANGUAGES = " \N{MIDDLE DOT} "  # between a rule's Korean and English words in an incident's detail

PARTS_KO, REASONS_KO = KO.parts, KO.reasons


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is, in words for people: names of market and zone, the camera or part, and what kind of part that is."""

    market: str
    zone: str
    subject: str
    part: str = ""


@dataclass(frozen=True, slots=True)
class Style:
    """For whom a text is: their language, whether some notifier carries UCS-2, the link and the note it ends with."""

    language: str = "ko"
    unicode: bool = False
    link: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One incident in a summary: where or what it is, and its code."""

    what: str
    code: str


PLAIN = Style()


def fire_text(
    place: Place,
    code: str,
    unix_ms: int,
    *,
    late: bool = False,
    head: str = "fire",
    cameras: int = 0,
    style: Style = PLAIN,
) -> str:
    """`[화재] 중앙시장 B구역 cam-1 화염감지 14:32 확인코드 K7Q2`; what arrives late says so and carries its date.

    `head` is a key of `Words.heads`; with `cameras` it says how many see it.
    """
    _, words = words_of(style.language, unicode=style.unicode)
    seen = words.cameras.format(n=cameras) if cameras else (words.smoke if head.startswith("smoke") else words.flame)
    tail = f"{seen} {_when(words, unix_ms, late=late)}"
    return _fit(words, f"[{words.heads[head]}]", (place.market, place.zone, place.subject), tail, code, style)


def trouble_text(
    place: Place,
    reason: str,
    code: str,
    unix_ms: int,
    *,
    late: bool = False,
    head: str = "trouble",
    style: Style = PLAIN,
) -> str:
    """`[장애] 중앙시장 카메라 cam-1 화면 멈춤 14:32 확인코드 K7Q2`; what arrives late says so and carries its date.

    A `reason` that is no word of the table stands as it is; `한국말 · English` gives each reader one of them.
    """
    _, words = words_of(style.language, unicode=style.unicode)
    what = f"{words.parts.get(place.part, place.part)} {place.subject}"
    tail = f"{_reason(words, reason)} {_when(words, unix_ms, late=late)}"
    return _fit(words, f"[{words.heads[head]}]", (place.market, what), tail, code, style)


def answered_text(place: Place, head: str, code: str, who: str, unix_ms: int, *, style: Style = PLAIN) -> str:
    """`[확인] 중앙시장 B구역 화재 K7Q2 김관리 확인 14:35`: who takes care, for all others who were told.

    `head` is what it was, a key of `Words.heads`.
    """
    _, words = words_of(style.language, unicode=style.unicode)
    name = shortened(carriable(who), WHO_BYTES_MAX) if words.in_euc_kr else who
    done = words.answered.format(who=name, time=_when(words, unix_ms, late=False))
    whole = Style(style.language, style.unicode)
    tail = f"{words.heads[head]} {code} {done}"
    return _fit(words, f"[{words.heads['answered']}]", (place.market, place.zone or place.subject), tail, "", whole)


def storm_text(market: str, head: str, items: Sequence[Item], unix_ms: int, *, style: Style = PLAIN) -> str:
    """`[화재 다발] 중앙시장 14:32 D구역 K7Q2, E구역 A2B3 외 95건`: as many as one SMS holds, and how many more."""
    _, words = words_of(style.language, unicode=style.unicode)
    start = _clean(words, f"[{words.heads[head]}] {market} {_when(words, unix_ms, late=False)}")
    start = shortened(start, SMS_BYTES_MAX // 2) if words.in_euc_kr else start[: UCS2_UNITS_MAX // 2]
    names = [_clean(words, f"{one.what} {one.code}") for one in items[:ITEMS_MAX]]
    for shown in range(len(names), -1, -1):
        rest = len(items) - shown
        more = f" {words.more.format(n=rest)}" if rest else ""
        text = f"{start} {', '.join(names[:shown])}".rstrip() + more
        if _size(words, text) <= (SMS_BYTES_MAX if words.in_euc_kr else UCS2_UNITS_MAX):
            return text
    return start


def part_words(part: str, subject: str, language: str, *, unicode: bool) -> str:
    """What a trouble is about, as a summary names it: `카메라 cam-1`."""
    _, words = words_of(language, unicode=unicode)
    return f"{words.parts.get(part, part)} {subject}"


def unknown_zone(zone: str, language: str, *, unicode: bool) -> str:
    """What a zone is called that the registry does not know."""
    return words_of(language, unicode=unicode)[1].zone.format(zone=zone)


def _when(words: Words, unix_ms: int, *, late: bool) -> str:
    local = datetime.fromtimestamp(unix_ms / 1000, UTC).astimezone(KOREA)
    return f"{local.month}/{local.day} {local:%H:%M} {words.late}" if late else f"{local:%H:%M}"


def _reason(words: Words, reason: str) -> str:
    if reason in words.reasons:
        return words.reasons[reason]
    korean, both, english = reason.partition(DETAIL_LANGUAGES)
    own = korean if words is KO or not both else english
    return shortened(carriable(own), DETAIL_BYTES_MAX)


def _clean(words: Words, text: str) -> str:
    return carriable(text) if words.in_euc_kr else without_pictures(text)


def _size(words: Words, text: str) -> int:
    return carrier_bytes(text) if words.in_euc_kr else ucs2_units(text)


def _fit(words: Words, head: str, places: Sequence[str], tail: str, code: str, style: Style) -> str:
    """Head, places, tail, code, link and note: only the places give way, always the longest first."""
    named = f"{code} {style.link}" if style.link else words.code.format(code=code)
    end = f"{tail} {named}" if code else tail
    names = [_clean(words, one) for one in places if one]
    whole = " ".join(_clean(words, one) for one in (head, *names, end, style.note) if one)
    if not words.in_euc_kr or style.note:
        return whole if not words.in_euc_kr else shortened(whole, LMS_BYTES_MAX)
    head, end = carriable(head), carriable(end)
    text = whole
    while carrier_bytes(text) > SMS_BYTES_MAX:
        longest = max(range(len(names)), key=lambda index: carrier_bytes(names[index]))
        size = carrier_bytes(names[longest])
        if size <= PLACE_BYTES_MIN:
            return shortened(whole, LMS_BYTES_MAX)  # nothing left to give way: whole, as an LMS
        names[longest] = shortened(names[longest].removesuffix("…"), size - 1)
        text = " ".join((head, *names, end))
    return text
