"""Phone numbers as people write them, brought to the one form in which they are stored, compared and sent.

A Korean number is stored as digits without the country code (`01012345678`), any other in E.164 (`+819012345678`,
ITU-T E.164: a plus, then at most 15 digits that begin with the country code).
"""

import re
import unicodedata

KOREA = "82"
FOREIGN_DIGITS = (8, 15)
MOBILE = re.compile(r"010\d{8}|01[16789]\d{7,8}")
LANDLINE = re.compile(r"02\d{7,8}|0[3-6][1-5]\d{7,8}|070\d{8}|050\d{8,9}")
MUTE = re.compile(r"0[68]0\d{6,8}|1[4-9]\d{6}")  # 060, 080 and 15xx-xxxx: nobody reads a text there
EMERGENCY = frozenset({"110", "111", "112", "113", "117", "118", "119", "122", "125"})
SEPARATORS = re.compile(r"[\s().\-\u2010-\u2015\u2212/]+")  # hyphens and dashes of all kinds

SENTENCES = {
    "empty": "is missing: give a number such as 010-1234-5678 or +82 10-1234-5678",
    "letters": "holds something that is not a digit: write it as 010-1234-5678 or +82 10-1234-5678",
    "emergency": "is an emergency number: Jangteo never calls one, give a person's number",
    "mute": "cannot receive texts (060, 080, 15xx): give a person's mobile number",
    "korean": "is not a Korean number: write 010-1234-5678, or begin a foreign one with + and its country code",
    "foreign": f"is not an international number: + and {FOREIGN_DIGITS[0]} to {FOREIGN_DIGITS[1]} digits",
}


class BadPhoneError(ValueError):
    """A text that is no phone number to send to. `reason` is a key of `SENTENCES`."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(f"{text[:40]!r} {SENTENCES[reason]}")
        self.reason = reason


def normalised(text: str) -> str:
    """The number as it is stored and sent, from any of the usual ways to write it.

    Raises:
        BadPhoneError: not a number that a text can be sent to.
    """
    plain = SEPARATORS.sub("", unicodedata.normalize("NFKC", text))
    if not plain:
        raise BadPhoneError(text, "empty")
    international = plain.startswith(("+", "00"))
    digits = plain.removeprefix("+").removeprefix("00") if international else plain
    if not (digits.isascii() and digits.isdecimal()):
        raise BadPhoneError(text, "letters")
    if digits in EMERGENCY:
        raise BadPhoneError(text, "emergency")
    if international and not digits.startswith(KOREA):
        return _foreign(text, digits)
    return _korean(text, _domestic(digits, international=international))


def e164(text: str) -> str:
    """The number in E.164, from any form that `normalised` takes.

    Raises:
        BadPhoneError: not a number that a text can be sent to.
    """
    stored = normalised(text)
    return stored if stored.startswith("+") else f"+{KOREA}{stored.removeprefix('0')}"


def same_phone(one: str, other: str) -> bool:
    """Whether two texts name one number, however each is written; what is no number is nobody's."""
    try:
        return normalised(one) == normalised(other)
    except BadPhoneError:
        return False


def shown(stored: str) -> str:
    """A stored number as people read it: `010-1234-5678`; a foreign one stays as it is."""
    if stored.startswith("+") or not stored.isdecimal():
        return stored
    head = 2 if stored.startswith("02") else 3
    return f"{stored[:head]}-{stored[head:-4]}-{stored[-4:]}"


def _domestic(digits: str, *, international: bool) -> str:
    if international:
        rest = digits.removeprefix(KOREA)
        return rest if rest.startswith("0") else f"0{rest}"  # +82 (0)10 is written often, and wrong
    if digits.startswith(f"{KOREA}10") and len(digits) == len("821012345678"):
        return f"0{digits.removeprefix(KOREA)}"  # the plus was left out
    return digits


def _korean(text: str, digits: str) -> str:
    if MOBILE.fullmatch(digits) or LANDLINE.fullmatch(digits):
        return digits
    raise BadPhoneError(text, "mute" if MUTE.fullmatch(digits) else "korean")


def _foreign(text: str, digits: str) -> str:
    least, most = FOREIGN_DIGITS
    if not least <= len(digits) <= most or digits.startswith("0"):
        raise BadPhoneError(text, "foreign")
    return f"+{digits}"
