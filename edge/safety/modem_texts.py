"""What the device itself texts: one Korean SMS each, whatever the names, and who sends it is said in it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from contract.ids import CLOCK_FLOOR_UNIX_MS
from contract.roster import Roster

SMS_BYTES_MAX = 90
UCS2_UNITS_MAX = 70  # one part: a modem sends Korean as UCS-2
SUBSTITUTE = "□"
CUT = "…"


@dataclass(frozen=True, slots=True)
class Place:
    """Where it is, in one reader's language."""

    market: str
    zone: str = ""
    camera: str = ""

    def __str__(self) -> str:
        return " ".join(one for one in (self.market, self.zone, self.camera) if one)


def fire_text(roster: Roster, zone: str, camera: str, unix_ms: int, language: str) -> str:
    """A fire's first word. A device that does not know the time leaves it out."""
    time = _time(unix_ms, roster.utc_offset_minutes)
    if language == "ko":
        tail = f" 화염감지{time} 현장장치 발송, 센터 불통"
        return _fitted("[화재] ", _place(roster, zone, camera, korean=True), tail)
    tail = f" flame{time} by site device, no centre"
    return _fitted("[FIRE] ", _place(roster, zone, camera, korean=False), tail)


def gone_text(roster: Roster, device: str, minutes: int, language: str) -> str:
    """That the centre has not been reached for so many minutes."""
    if language == "ko":
        return _fitted("[장터] ", Place(roster.name.ko, device), f" {minutes}분째 센터 불통. 화재 땐 현장장치가 알림")
    return _fitted("[Jangteo] ", Place(roster.name.en, device), f" no centre for {minutes} min; fires told from here")


def back_text(roster: Roster, device: str, language: str) -> str:
    """That the centre is reached again."""
    if language == "ko":
        return _fitted("[장터] ", Place(roster.name.ko, device), " 센터 다시 연결됨 (현장장치 발송)")
    return _fitted("[Jangteo] ", Place(roster.name.en, device), " centre is back (sent by site device)")


def fits(text: str) -> bool:
    """Whether it is one SMS, for a Korean carrier and for a modem."""
    return carrier_bytes(text) <= SMS_BYTES_MAX and (text.isascii() or len(text) <= UCS2_UNITS_MAX)


def carrier_bytes(text: str) -> int:
    """Its length on a Korean network; a letter that one of the two tables lacks counts as its substitute."""
    return max(len(text.encode(table, "replace")) for table in ("euc_kr", "cp949"))


def _place(roster: Roster, zone: str, camera: str, *, korean: bool) -> Place:
    named = next((one for one in roster.zones if one.id == zone), None)
    market = roster.name.ko if korean else roster.name.en
    return Place(market, zone if named is None else named.ko if korean else named.en, camera)


def _time(unix_ms: int, utc_offset_minutes: int) -> str:
    if unix_ms < CLOCK_FLOOR_UNIX_MS:
        return ""
    there = datetime.fromtimestamp(unix_ms / 1000, UTC) + timedelta(minutes=utc_offset_minutes)
    return f" {there:%H:%M}"


def _fitted(head: str, place: Place, tail: str) -> str:
    """Whole if it fits; else the longest name gives way, letter by letter."""
    place = Place(*map(_carriable, (place.market, place.zone, place.camera)))
    while not fits(f"{head}{place}{tail}"):
        place = _shorter(place)
    return f"{head}{place}{tail}"


def _shorter(place: Place) -> Place:
    names: Sequence[str] = ("market", "zone", "camera")
    longest = max(names, key=lambda name: carrier_bytes(getattr(place, name)))
    name: str = getattr(place, longest)
    kept = name.removesuffix(CUT)[:-1].rstrip()
    return replace(place, **{longest: kept + CUT if kept else ""})


def _carriable(text: str) -> str:
    return "".join(one if _safe(one) else SUBSTITUTE for one in " ".join(text.split()))


def _safe(letter: str) -> bool:
    """Python's `euc_kr` writes some syllables in eight bytes where a network has two or none: those are not safe."""
    if letter.isascii():
        return letter.isprintable()
    try:
        return len(letter.encode("euc_kr")) == len(letter.encode("cp949")) == 2  # noqa: PLR2004 - KS X 1001 is two bytes wide
    except UnicodeEncodeError:
        return False
