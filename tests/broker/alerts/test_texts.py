from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from broker.alerts.carrier import SMS_BYTES_MAX, carriable, carrier_bytes
from broker.alerts.texts import PARTS_KO, REASONS_KO, Place, fire_text, trouble_text
from contract.telemetry import Reason

AT_1432_KST = int(datetime(2026, 11, 22, 5, 32, 10, tzinfo=UTC).timestamp() * 1000)
PLACE = Place("중앙시장", "B구역", "cam-1")


def test_a_fire_in_one_sms() -> None:
    text = fire_text(PLACE, "K7Q2", AT_1432_KST)
    assert text == "[화재] 중앙시장 B구역 cam-1 화염감지 14:32 확인코드 K7Q2"
    assert carrier_bytes(text) <= SMS_BYTES_MAX


def test_a_late_fire_says_so_with_its_true_date() -> None:
    text = fire_text(PLACE, "K7Q2", AT_1432_KST, late=True)
    assert text == "[화재] 중앙시장 B구역 cam-1 화염감지 11/22 14:32 지연 수신 확인코드 K7Q2"


def test_a_trouble_names_part_and_reason() -> None:
    text = trouble_text(Place("중앙시장", "", "cam-1"), "camera", "frozen", "K7Q2", AT_1432_KST)
    assert text == "[장애] 중앙시장 카메라 cam-1 화면 멈춤 14:32 확인코드 K7Q2"


def test_a_late_trouble_says_so_with_its_true_date() -> None:
    text = trouble_text(Place("중앙시장", "", "cam-1"), "camera", "frozen", "K7Q2", AT_1432_KST, late=True)
    assert text == "[장애] 중앙시장 카메라 cam-1 화면 멈춤 11/22 14:32 지연 수신 확인코드 K7Q2"


def test_every_reason_has_words() -> None:
    assert set(REASONS_KO) == {reason.value for reason in Reason}


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
    place = Place(market, zone, subject)
    for text in (
        fire_text(place, "K7Q2", AT_1432_KST, late=late, head="화재 미확인"),
        trouble_text(place, subject, "frozen", "K7Q2", AT_1432_KST, late=late),
    ):
        assert len(text.encode("euc_kr")) == len(text.encode("cp949")) <= SMS_BYTES_MAX
        assert "14:32" in text
        assert text.endswith("확인코드 K7Q2")


def test_all_fixed_words_can_be_carried() -> None:
    words = " ".join((*PARTS_KO.values(), *REASONS_KO.values()))
    assert carriable(words) == words
