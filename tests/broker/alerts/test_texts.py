from dataclasses import fields
from datetime import UTC, datetime
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.alerts.texts import (
    PARTS_KO,
    REASONS_KO,
    Item,
    Place,
    Style,
    answered_text,
    fire_text,
    storm_text,
    trouble_text,
)
from broker.alerts.wording import KO, WORDS, Words, words_of
from broker.stores.carrier import SMS_BYTES_MAX, carriable, carrier_bytes, form_of, without_pictures
from broker.stores.policy_models import KIND_OF_PART, LANGUAGES, Language
from contract.telemetry import Reason

AT_1432_KST = int(datetime(2026, 11, 22, 5, 32, 10, tzinfo=UTC).timestamp() * 1000)
PLACE = Place("중앙시장", "B구역", "cam-1")
ENGLISH_PLACE = Place("Jungang Market", "Zone B", "cam-1")
LINK = "https://alrt.kr/a/9fK2xQ7bAbCd"
CENTRAL_REASONS = {"undeliverable", "no-receipt", "balance-low", "disk-full"}


def test_a_fire_in_one_sms() -> None:
    text = fire_text(PLACE, "K7Q2", AT_1432_KST)
    assert text == "[화재] 중앙시장 B구역 cam-1 화염감지 14:32 확인코드 K7Q2"
    assert carrier_bytes(text) <= SMS_BYTES_MAX


def test_a_fire_with_its_link_in_one_sms() -> None:
    text = fire_text(PLACE, "K7Q2", AT_1432_KST, style=Style(link=LINK))
    assert text == f"[화재] 중앙시장 B구역 cam-1 화염감지 14:32 K7Q2 {LINK}"
    assert form_of(text).kind == "sms"


def test_what_does_not_fit_with_its_link_goes_whole_as_an_lms() -> None:
    link = f"https://{'x' * 32}/a/9fK2xQ7bAbCd"
    text = fire_text(Place("아주아주긴이름의전통시장", "B구역", "cam-1"), "K7Q2", AT_1432_KST, style=Style(link=link))
    assert text == f"[화재] 아주아주긴이름의전통시장 B구역 cam-1 화염감지 14:32 K7Q2 {link}"
    assert form_of(text).kind == "lms"


def test_a_note_makes_it_an_lms_with_nothing_shortened() -> None:
    text = fire_text(PLACE, "K7Q2", AT_1432_KST, style=Style(note="119에 신고하고 손님부터 대피시키세요. " * 2))
    assert text.startswith("[화재] 중앙시장 B구역 cam-1 화염감지 14:32 확인코드 K7Q2 119에 신고")
    assert form_of(text).kind == "lms"


@pytest.mark.parametrize(
    ("language", "wanted", "kind"),
    [
        ("en", "[FIRE] Jungang Market Zone B cam-1 flame 14:32 code K7Q2", "sms"),
        ("zh", "[火灾] Jungang Market Zone B cam-1 检测到火焰 14:32 确认码 K7Q2", "ucs2"),
        ("ja", "[火災] Jungang Market Zone B cam-1 炎を検知 14:32 確認コード K7Q2", "ucs2"),
    ],
)
def test_a_fire_in_other_languages(language: str, wanted: str, kind: str) -> None:
    text = fire_text(ENGLISH_PLACE, "K7Q2", AT_1432_KST, style=Style(language, unicode=True))
    assert (text, form_of(text).kind, form_of(text).parts) == (wanted, kind, 1)


@pytest.mark.parametrize("language", ["zh", "ja"])
def test_whoever_cannot_be_sent_their_letters_gets_english(language: str) -> None:
    text = fire_text(ENGLISH_PLACE, "K7Q2", AT_1432_KST, style=Style(language))
    assert text == "[FIRE] Jungang Market Zone B cam-1 flame 14:32 code K7Q2"


def test_a_drill_says_so_first() -> None:
    assert fire_text(PLACE, "K7Q2", AT_1432_KST, head="drill").startswith("[훈련] ")


def test_smoke_and_further_cameras_are_said() -> None:
    assert "연기감지 14:32" in fire_text(PLACE, "K7Q2", AT_1432_KST, head="smoke")
    assert "카메라 2대 감지 14:32" in fire_text(PLACE, "K7Q2", AT_1432_KST, cameras=2)


def test_a_late_fire_says_so_with_its_true_date() -> None:
    text = fire_text(PLACE, "K7Q2", AT_1432_KST, late=True)
    assert text == "[화재] 중앙시장 B구역 cam-1 화염감지 11/22 14:32 지연 수신 확인코드 K7Q2"


def test_a_trouble_names_part_and_reason() -> None:
    text = trouble_text(Place("중앙시장", "", "cam-1", "camera"), "frozen", "K7Q2", AT_1432_KST)
    assert text == "[장애] 중앙시장 카메라 cam-1 화면 멈춤 14:32 확인코드 K7Q2"


def test_a_late_trouble_says_so_with_its_true_date() -> None:
    text = trouble_text(Place("중앙시장", "", "cam-1", "camera"), "frozen", "K7Q2", AT_1432_KST, late=True)
    assert text == "[장애] 중앙시장 카메라 cam-1 화면 멈춤 11/22 14:32 지연 수신 확인코드 K7Q2"


@pytest.mark.parametrize(
    ("language", "said"), [("ko", "창고 온도 높음"), ("en", "store too warm"), ("ja", "store too warm")]
)
def test_a_rule_has_its_own_words_in_both_languages(language: str, said: str) -> None:
    style, reason = Style(language, unicode=True), "창고 온도 높음 · store too warm"
    text = trouble_text(Place("중앙시장", "", "pi-1", "rule"), reason, "K7Q2", AT_1432_KST, style=style)
    assert f" {said} 14:32" in text
    assert "·" not in text


def test_who_takes_care_is_told_to_the_others() -> None:
    text = answered_text(PLACE, "fire", "K7Q2", "김관리", AT_1432_KST)
    assert text == "[확인] 중앙시장 B구역 화재 K7Q2 김관리 확인 14:32"
    english = answered_text(ENGLISH_PLACE, "fire", "K7Q2", "김관리", AT_1432_KST, style=Style("en"))
    assert english == "[ANSWERED] Jungang Market Zone B FIRE K7Q2 김관리 takes care 14:32"


def test_a_storm_names_what_fits_and_how_many_more() -> None:
    items = [Item(f"{letter}구역", f"K{number}Q2") for number, letter in enumerate("ABCDEFGH" * 13, 1)][:100]
    text = storm_text("중앙시장", "fire-storm", items, AT_1432_KST)
    assert text == "[화재 다발] 중앙시장 14:32 A구역 K1Q2, B구역 K2Q2, C구역 K3Q2, D구역 K4Q2 외 96건"
    assert form_of(text).kind == "sms"
    assert storm_text("중앙시장", "fire-storm", items[:2], AT_1432_KST).endswith("14:32 A구역 K1Q2, B구역 K2Q2")
    chinese = storm_text("Jungang", "fire-storm", items, AT_1432_KST, style=Style("zh", unicode=True))
    assert chinese.startswith("[多处火灾] Jungang 14:32 A구역 K1Q2")
    assert (form_of(chinese).kind, form_of(chinese).parts) == ("ucs2", 1)


def test_every_reason_has_words() -> None:
    assert set(REASONS_KO) == {reason.value for reason in Reason} | CENTRAL_REASONS


def test_every_part_that_has_a_policy_has_words() -> None:
    plural = {"cameras", "sirens", "bays", "gates"}
    unnamed = {"fire", "smoke", "drill", "central"}
    assert set(KIND_OF_PART) - plural - unnamed <= set(PARTS_KO)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_says_everything(language: Language) -> None:
    _, words = words_of(language, unicode=True)
    assert words is WORDS[language]
    for name in ("heads", "parts", "reasons"):
        assert set(getattr(words, name)) == set(getattr(KO, name))
        assert all(text.strip() for text in getattr(words, name).values())
    for field in fields(Words):
        ours, theirs = getattr(KO, field.name), getattr(words, field.name)
        if isinstance(ours, str):
            assert braces(ours) == braces(theirs), field.name
    said = " ".join(
        text
        for field in fields(Words)
        for found in (getattr(words, field.name),)
        if field.name != "in_euc_kr"
        for text in ([found] if isinstance(found, str) else found.values())
    )
    assert without_pictures(said) == said
    assert (carriable(said) == said) == words.in_euc_kr


def braces(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_the_longest_place_gives_way_first() -> None:
    text = fire_text(Place("아주아주아주아주아주긴이름의전통시장", "B구역", "cam-1"), "K7Q2", AT_1432_KST, late=True)
    assert " B구역 cam-1 화염감지 11/22 14:32 지연 수신 확인코드 K7Q2" in text
    assert text.startswith("[화재] 아주아주")
    assert "… B구역" in text
    assert carrier_bytes(text) <= SMS_BYTES_MAX


@given(st.text(max_size=80), st.text(max_size=80), st.text(max_size=63), st.booleans())
def test_whatever_the_names_it_is_one_safe_sms_with_time_and_code(
    market: str, zone: str, subject: str, late: bool
) -> None:
    place = Place(market, zone, subject, subject)
    for text in (
        fire_text(place, "K7Q2", AT_1432_KST, late=late, head="fire-unanswered"),
        trouble_text(place, "frozen", "K7Q2", AT_1432_KST, late=late),
    ):
        assert len(text.encode("euc_kr")) == len(text.encode("cp949")) <= SMS_BYTES_MAX
        assert "14:32" in text
        assert text.endswith("확인코드 K7Q2")


@given(
    st.text(max_size=80),
    st.text(max_size=80),
    st.sampled_from(LANGUAGES),
    st.booleans(),
    st.sampled_from(("", LINK, f"https://{'x' * 32}/a/9fK2xQ7bAbCd")),
    st.text(max_size=300),
)
def test_whatever_is_in_it_a_text_goes_out_whole_with_its_code(
    market: str, zone: str, language: str, unicode: bool, link: str, note: str
) -> None:
    style = Style(language, unicode=unicode, link=link, note=note)
    text = fire_text(Place(market, zone, "cam-1"), "K7Q2", AT_1432_KST, head="fire-unanswered", style=style)
    form = form_of(text)
    assert form.kind != "too-long"
    assert form.kind != "ucs2" or (unicode and language in {"zh", "ja"})
    assert " 14:32 " in text
    assert "K7Q2" in text
    assert link in text
    storm = storm_text(market, "fire-storm", [Item(zone, "K7Q2")] * 5, AT_1432_KST, style=style)
    assert form_of(storm).parts == 1
    assert form_of(storm).kind in {"sms", "ucs2"}
