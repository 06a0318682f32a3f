"""What the device itself texts: one SMS whatever the names, and plain who sends it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.roster import Roster
from contract.signage import Name
from edge.safety.modem_texts import SMS_BYTES_MAX, back_text, carrier_bytes, fire_text, fits, gone_text

AT = 1_767_245_520_000  # 14:32 in Korea


def roster(ko: str = "중앙시장", en: str = "Jungang Market", zone_ko: str = "B구역", zone_en: str = "Zone B") -> Roster:
    return Roster(
        market="jungang",
        device="fire-1",
        generation=1,
        issued_unix_ms=1,
        content_sha256="0" * 64,
        name=Name(id="jungang", ko=ko, en=en),
        zones=(Name(id="b", ko=zone_ko, en=zone_en),),
    )


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ko", "[화재] 중앙시장 B구역 cam-1 화염감지 14:32 현장장치 발송, 센터 불통"),
        ("en", "[FIRE] Jungang Market Zone B cam-1 flame 14:32 by site device, no centre"),
        ("zh", "[FIRE] Jungang Market Zone B cam-1 flame 14:32 by site device, no centre"),
    ],
)
def test_a_fire_in_a_reader_s_language(language: str, text: str) -> None:
    assert fire_text(roster(), "b", "cam-1", AT, language) == text
    assert carrier_bytes(text) <= SMS_BYTES_MAX


def test_without_a_clock_it_says_no_time_and_an_unknown_zone_keeps_its_id() -> None:
    assert (
        fire_text(roster(), "b", "cam-1", 5000, "ko") == "[화재] 중앙시장 B구역 cam-1 화염감지 현장장치 발송, 센터 불통"
    )
    assert "new-row" in fire_text(roster(), "new-row", "cam-1", AT, "en")


def test_the_centre_gone_and_back() -> None:
    assert gone_text(roster(), "fire-1", 10, "ko") == "[장터] 중앙시장 fire-1 10분째 센터 불통. 화재 땐 현장장치가 알림"
    assert gone_text(roster(), "fire-1", 10, "en") == (
        "[Jangteo] Jungang Market fire-1 no centre for 10 min; fires told from here"
    )
    assert back_text(roster(), "fire-1", "ko") == "[장터] 중앙시장 fire-1 센터 다시 연결됨 (현장장치 발송)"
    assert back_text(roster(), "fire-1", "en") == "[Jangteo] Jungang Market fire-1 centre is back (sent by site device)"


NAMES = st.text(max_size=40)


@given(NAMES, NAMES, st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=62), st.sampled_from("ke"))
def test_whatever_the_names_it_is_one_sms_and_keeps_its_words(market: str, zone: str, camera: str, first: str) -> None:
    language = {"k": "ko", "e": "en"}[first]
    held = roster(market, market, zone, zone)
    fire = fire_text(held, "b", f"c{camera}", AT, language)
    gone, back = gone_text(held, f"d{camera}", 1440, language), back_text(held, f"d{camera}", language)
    assert all(map(fits, (fire, gone, back)))
    assert ("14:32 현장장치 발송, 센터 불통" if language == "ko" else "14:32 by site device, no centre") in fire
    for text in (fire, gone, back):
        assert text.encode("cp949").decode("cp949") == text
        assert len(text.encode("euc_kr")) == len(text.encode("cp949"))
