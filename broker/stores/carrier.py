"""What a Korean carrier does to a text: how many bytes it is, which letters it cannot carry, and as what it goes out.

A text of EUC-KR (KS X 1001) letters is one SMS up to 90 bytes and an LMS up to 2,000. What EUC-KR cannot carry
(simplified Chinese, some Japanese) goes as UCS-2: 70 units in one part, 67 in each of several (3GPP TS 23.040).
"""

import unicodedata
from dataclasses import dataclass
from typing import Literal

SMS_BYTES_MAX = 90
LMS_BYTES_MAX = 2000
UCS2_UNITS_MAX = 70
UCS2_PART_UNITS = 67
UCS2_PARTS_MAX = 10
NOTE_BYTES_MAX = 1000  # what a policy may add to a text: the text itself has room beside it
NOTE_UNITS_MAX = 400
SUBSTITUTE = "□"  # stands visibly for a letter that the carriers cannot carry; itself in KS X 1001
ELLIPSIS = "…"
CJK_BEYOND_BMP = range(0x20000, 0x40000)
BMP_MAX = 0xFFFF


@dataclass(frozen=True, slots=True)
class Form:
    """As what a text goes out: `length` of `limit`, in bytes for sms and lms, in UCS-2 units for ucs2."""

    kind: Literal["sms", "lms", "ucs2", "too-long"]
    length: int
    limit: int

    @property
    def parts(self) -> int:
        """How many parts a UCS-2 text has; an SMS or LMS is one."""
        if self.kind != "ucs2" or self.length <= UCS2_UNITS_MAX:
            return 1
        return -(-self.length // UCS2_PART_UNITS)


@dataclass(frozen=True, slots=True)
class NoteFault:
    """Why a policy's note cannot go out. `kind` is letter or long; `sentence` says it in English."""

    kind: Literal["letter", "long"]
    found: str
    limit: int

    @property
    def sentence(self) -> str:
        """What is wrong and what would be right."""
        if self.kind == "letter":
            return f"holds {self.found!r}, which the carriers cannot carry: leave it out"
        return f"is {self.found} long: make it at most {self.limit}"


def form_of(text: str) -> Form:
    """As what this text goes out. A notifier chooses SMS, LMS or UCS-2 by it; `too-long` goes out nowhere."""
    if carriable(text) == text:
        size = carrier_bytes(text)
        if size <= SMS_BYTES_MAX:
            return Form("sms", size, SMS_BYTES_MAX)
        return Form("lms" if size <= LMS_BYTES_MAX else "too-long", size, LMS_BYTES_MAX)
    units, most = ucs2_units(text), UCS2_PARTS_MAX * UCS2_PART_UNITS
    return Form("ucs2" if units <= most else "too-long", units, most)


def carrier_bytes(text: str) -> int:
    """Length in the carriers' EUC-KR, where a safe text has the same length in `euc_kr` and `cp949`.

    Raises:
        UnicodeEncodeError: a letter that the carriers cannot carry; see `carriable`.
    """
    return max(len(text.encode("euc_kr")), len(text.encode("cp949")))


def ucs2_units(text: str) -> int:
    """Length in 16-bit units; a letter beyond the first plane has two."""
    return len(text.encode("utf-16-le")) // 2


def carriable(text: str) -> str:
    """The same text with every letter outside KS X 1001 replaced by `SUBSTITUTE`, and on one line.

    Python's `euc_kr` writes some syllables in eight bytes where a phone network writes two or none: those go too.
    """
    return "".join(letter if _safe(letter) else SUBSTITUTE for letter in " ".join(text.split()))


def without_pictures(text: str) -> str:
    """The same text on one line, with every emoji, control or unassigned letter replaced: what UCS-2 may carry."""
    return "".join(letter if _written(letter) else SUBSTITUTE for letter in " ".join(text.split()))


def note_fault(text: str, *, korean: bool) -> NoteFault | None:
    """Why a policy's note cannot go out, if it cannot. A `korean` one has to be carried by EUC-KR."""
    line = " ".join(text.split())
    clean = carriable(line) if korean else without_pictures(line)
    odd = next((one for one, safe in zip(line, clean, strict=True) if one != safe), None)
    if odd is not None:
        return NoteFault("letter", odd, 0)
    if carriable(line) == line:
        size = carrier_bytes(line)
        return NoteFault("long", f"{size} bytes", NOTE_BYTES_MAX) if size > NOTE_BYTES_MAX else None
    units = ucs2_units(line)
    return NoteFault("long", f"{units} letters", NOTE_UNITS_MAX) if units > NOTE_UNITS_MAX else None


def shortened(text: str, bytes_max: int) -> str:
    """`text` in at most `bytes_max` bytes, cut between letters and marked with an ellipsis if anything went."""
    if carrier_bytes(text) <= bytes_max:
        return text
    room = bytes_max - carrier_bytes(ELLIPSIS)
    kept = ""
    for letter in text:
        if carrier_bytes(kept + letter) > room:
            break
        kept += letter
    return kept.rstrip() + ELLIPSIS if room >= 0 else ""


def _safe(letter: str) -> bool:
    if letter.isascii():
        return letter.isprintable()
    try:
        return len(letter.encode("euc_kr")) == len(letter.encode("cp949")) == 2  # noqa: PLR2004 — KS X 1001 is two bytes wide
    except UnicodeEncodeError:
        return False


def _written(letter: str) -> bool:
    """Whether it is writing: letters, digits, punctuation, and the signs that KS X 1001 has; no emoji."""
    if _safe(letter):
        return True
    beyond = ord(letter) > BMP_MAX and ord(letter) not in CJK_BEYOND_BMP
    return not beyond and unicodedata.category(letter)[0] in "LNP"
