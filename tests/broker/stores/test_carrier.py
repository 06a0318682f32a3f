"""What carriers carry: bytes counted in both encodings, letters replaced visibly, SMS, LMS or UCS-2."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.stores.carrier import (
    ELLIPSIS,
    LMS_BYTES_MAX,
    NOTE_BYTES_MAX,
    NOTE_UNITS_MAX,
    SMS_BYTES_MAX,
    SUBSTITUTE,
    carriable,
    carrier_bytes,
    form_of,
    note_fault,
    shortened,
    ucs2_units,
    without_pictures,
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[화재] 중앙시장 3구역", "[화재] 중앙시장 3구역"),
        ("똠방각하", "□방각하"),  # in cp949 only: Python's euc_kr spells it in 8 bytes
        ("불 🔥!", "불 □!"),
        ("a\nb\tc\x00", "a b c□"),
        ("中央市場", "中央市場"),  # hanja of KS X 1001
    ],
)
def test_what_carriers_cannot_carry_is_replaced_visibly(text: str, wanted: str) -> None:
    assert carriable(text) == wanted


@given(st.text())
def test_a_carriable_text_has_one_length_in_both_encodings(text: str) -> None:
    carried = carriable(text)
    assert len(carried.encode("euc_kr")) == len(carried.encode("cp949")) == carrier_bytes(carried)
    assert carriable(carried) == carried


@given(st.text(st.sampled_from("가나다abc "), max_size=60), st.integers(2, 80))
def test_shortening_fits_and_says_that_it_shortened(text: str, bytes_max: int) -> None:
    short = shortened(text, bytes_max)
    assert carrier_bytes(short) <= bytes_max
    assert short == text or short.endswith(ELLIPSIS)


def test_the_marks_themselves_can_be_carried() -> None:
    assert carriable(SUBSTITUTE + ELLIPSIS) == SUBSTITUTE + ELLIPSIS


@pytest.mark.parametrize(
    ("text", "kind", "length", "parts"),
    [
        ("가" * 45, "sms", 90, 1),
        ("가" * 45 + "a", "lms", 91, 1),
        ("가" * 1000, "lms", 2000, 1),
        ("가" * 1000 + "a", "too-long", 2001, 1),
        ("火灾", "ucs2", 2, 1),
        ("灾" * 70, "ucs2", 70, 1),
        ("灾" * 71, "ucs2", 71, 2),
        ("灾" * 670, "ucs2", 670, 10),
        ("灾" * 671, "too-long", 671, 1),
        ("\U00020000", "ucs2", 2, 1),
    ],
)
def test_as_what_a_text_goes_out(text: str, kind: str, length: int, parts: int) -> None:
    form = form_of(text)
    assert (form.kind, form.length, form.parts) == (kind, length, parts)
    assert {"sms": SMS_BYTES_MAX, "lms": LMS_BYTES_MAX}.get(kind, form.limit) == form.limit


@pytest.mark.parametrize(
    ("text", "wanted"), [("検知 灾", "検知 灾"), ("불 🔥 ☎", "불 □ ☎"), ("a\ufe0fb\u200d", "a□b□"), ("a\nb", "a b")]
)
def test_no_emoji_even_where_every_letter_could_be_carried(text: str, wanted: str) -> None:
    assert without_pictures(text) == wanted
    assert ucs2_units(wanted) == len(wanted)


def test_a_note_that_cannot_go_out_says_why() -> None:
    assert note_fault("119에 신고하고 대피하세요", korean=True) is None
    assert note_fault("拨打119", korean=False) is None
    emoji, foreign, long, many = (
        note_fault("대피 🔥", korean=False),
        note_fault("拨打119", korean=True),
        note_fault("가" * (NOTE_BYTES_MAX // 2 + 1), korean=True),
        note_fault("灾" * (NOTE_UNITS_MAX + 1), korean=False),
    )
    assert emoji is not None
    assert foreign is not None
    assert long is not None
    assert many is not None
    assert (emoji.kind, emoji.found) == ("letter", "🔥")
    assert (foreign.kind, foreign.found) == ("letter", "拨")
    assert long.sentence == f"is {NOTE_BYTES_MAX + 2} bytes long: make it at most {NOTE_BYTES_MAX}"
    assert many.sentence == f"is {NOTE_UNITS_MAX + 1} letters long: make it at most {NOTE_UNITS_MAX}"
