"""What a Korean carrier does to a text: bytes, and letters that it cannot carry."""

SMS_BYTES_MAX = 90
SUBSTITUTE = "□"  # stands visibly for a letter that the carriers cannot carry; itself in KS X 1001
ELLIPSIS = "…"


def carrier_bytes(text: str) -> int:
    """Length in the carriers' EUC-KR, where a safe text has the same length in `euc_kr` and `cp949`.

    Raises:
        UnicodeEncodeError: a letter that the carriers cannot carry; see `carriable`.
    """
    return max(len(text.encode("euc_kr")), len(text.encode("cp949")))


def carriable(text: str) -> str:
    """The same text with every letter outside KS X 1001 replaced by `SUBSTITUTE`, and on one line.

    Python's `euc_kr` writes some syllables in eight bytes where a phone network writes two or none: those go too.
    """
    return "".join(letter if _safe(letter) else SUBSTITUTE for letter in " ".join(text.split()))


def _safe(letter: str) -> bool:
    if letter.isascii():
        return letter.isprintable()
    try:
        return len(letter.encode("euc_kr")) == len(letter.encode("cp949")) == 2  # noqa: PLR2004 — KS X 1001 is two bytes wide
    except UnicodeEncodeError:
        return False


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
