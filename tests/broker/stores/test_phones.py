"""Phone numbers: every usual way to write one comes to one form, and what is none is refused with what would do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.stores.phones import SENTENCES, BadPhoneError, e164, normalised, same_phone, shown


@pytest.mark.parametrize(
    "text",
    [
        "01012345678",
        "010-1234-5678",
        " 010 1234 5678 ",
        "010.1234.5678",
        "(010)1234-5678",
        "+82 10-1234-5678",
        "+82 (0)10-1234-5678",
        "+821012345678",
        "0082 10 1234 5678",
        "82-10-1234-5678",
        "010\u20131234\u20145678",
        "\uff10\uff11\uff10\u2212\uff11\uff12\uff13\uff14\u2212\uff15\uff16\uff17\uff18",
    ],
)
def test_one_number_however_it_is_written(text: str) -> None:
    assert normalised(text) == "01012345678"
    assert e164(text) == "+821012345678"
    assert same_phone(text, "010-1234-5678")


@pytest.mark.parametrize(
    ("text", "stored", "international"),
    [
        ("+81 90-1234-5678", "+819012345678", "+819012345678"),
        ("+1 (415) 555-0123", "+14155550123", "+14155550123"),
        ("0086 138 0013 8000", "+8613800138000", "+8613800138000"),
        ("02-312-3456", "023123456", "+8223123456"),
        ("031-8012-3456", "03180123456", "+823180123456"),
        ("070-1234-5678", "07012345678", "+827012345678"),
        ("011-234-5678", "0112345678", "+82112345678"),
    ],
)
def test_other_numbers(text: str, stored: str, international: str) -> None:
    assert (normalised(text), e164(text)) == (stored, international)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" - ", "empty"),
        ("none", "letters"),
        ("010-1234-567a", "letters"),
        ("010-1234-56七8", "letters"),
        ("+", "letters"),
        ("119", "emergency"),
        ("+112", "emergency"),
        ("080-123-4567", "mute"),
        ("1588-1234", "mute"),
        ("010-1234-567", "korean"),
        ("010-1234-56789", "korean"),
        ("12345678", "korean"),
        ("+82 10 1234", "korean"),
        ("+12", "foreign"),
        ("+1234567890123456", "foreign"),
        ("+0123456789", "foreign"),
    ],
)
def test_what_is_no_number_says_what_would_be_right(text: str, reason: str) -> None:
    with pytest.raises(BadPhoneError) as caught:
        normalised(text)
    assert caught.value.reason == reason
    assert SENTENCES[reason] in str(caught.value)
    assert not same_phone(text, text)


@given(st.text(st.characters(categories=["Nd", "Pd", "Zs"], include_characters="+().-"), max_size=24))
def test_whatever_is_taken_is_a_fixed_point_and_fits_its_column(text: str) -> None:
    try:
        stored = normalised(text)
    except BadPhoneError:
        return
    assert normalised(stored) == stored
    assert normalised(e164(stored)) == stored
    assert normalised(shown(stored)) == stored
    assert len(stored) <= 20


def test_a_stored_number_as_people_read_it() -> None:
    assert shown("01012345678") == "010-1234-5678"
    assert shown("023123456") == "02-312-3456"
    assert shown("+819012345678") == "+819012345678"
