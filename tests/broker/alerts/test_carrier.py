import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.alerts.carrier import ELLIPSIS, SUBSTITUTE, carriable, carrier_bytes, shortened


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
