"""Zones as a page's form has them: read leniently, kept as typed, and taken only if everything is right."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.datastructures import FormData

from broker.console.problems import ExplainedError
from contract.cameras import POINTS_MAX, POINTS_MIN, ZONES_MAX, CameraZone, Point
from contract.hours import MINUTES_PER_DAY, WHOLE_WEEK
from contract.ids import BadIdError, check_id

KINDS = ("ignored", "cooking")
MINUTES_PER_HOUR = 60
SHARE_DEFAULT, GROWTH_DEFAULT = "50", "3"
GROWTH_MAX = 100.0
AREA_SHARE_MIN = 0.0005  # a smaller polygon is a slip of the hand
BLANK_POINTS = (("30", "30"), ("70", "30"), ("70", "70"), ("30", "70"))
FIELD = "zone-"


class BadZonesError(ExplainedError, ValueError):
    """Zones that cannot be taken; the sentence names the zone and says what would be right."""


@dataclass(frozen=True, slots=True)
class ZoneInput:
    """A zone as it was typed. Points are (x, y) in per cent of width and height, size in per cent of the zone."""

    name: str
    kind: str = "ignored"
    days: tuple[str, ...] = tuple(map(str, WHOLE_WEEK))
    begins: str = "00:00"
    ends: str = "00:00"
    size: str = SHARE_DEFAULT
    growth: str = GROWTH_DEFAULT
    points: tuple[tuple[str, str], ...] = BLANK_POINTS

    @classmethod
    def blank(cls, number: int) -> "ZoneInput":
        """A new zone in the middle of the picture."""
        return cls(f"zone-{number}" if number else "")


def inputs_of(zones: Sequence[CameraZone]) -> tuple[ZoneInput, ...]:
    """Saved zones as a form shows them."""
    return tuple(
        ZoneInput(
            name=one.name,
            kind=one.kind,
            days=tuple(map(str, one.days)),
            begins=_clock(one.from_minute),
            ends=_clock(one.to_minute),
            size=f"{one.size_share_max * 100:g}",
            growth=f"{one.growth_ratio_max:g}",
            points=tuple((f"{point.x * 100:.2f}", f"{point.y * 100:.2f}") for point in one.points),
        )
        for one in zones
    )


def read_zones(form: FormData) -> tuple[ZoneInput, ...]:
    """What a form holds: fields `zone-<n>-<what>`, in the order of their numbers; those to be removed are left out."""
    numbers = {name.split("-")[1] for name in form if name.startswith(FIELD) and name.count("-") == 2}  # noqa: PLR2004 — zone-<n>-<what>
    ordered = sorted((one for one in numbers if one.isascii() and one.isdigit()), key=lambda one: (len(one), one))
    kept = [one for one in ordered if f"{FIELD}{one}-remove" not in form]
    return tuple(_read(form, f"{FIELD}{number}-") for number in kept[: ZONES_MAX + 1])


def zones_of(typed: Sequence[ZoneInput]) -> tuple[CameraZone, ...]:
    """The zones that were typed.

    Raises:
        BadZonesError: the first thing that is wrong.
    """
    if len(typed) > ZONES_MAX:
        raise BadZonesError("zones_many", n=ZONES_MAX)
    zones = tuple(_zone(one) for one in typed)
    names = [one.name for one in zones]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise BadZonesError("zone_twice", zone=twice)
    return zones


def _read(form: FormData, start: str) -> ZoneInput:
    def one(what: str, default: str = "") -> str:
        value = form.get(start + what, default)
        return value.strip()[:80] if isinstance(value, str) else default

    def several(what: str) -> list[str]:
        return [value.strip()[:20] for value in form.getlist(start + what) if isinstance(value, str)]

    points = tuple(one for one in zip(several("x"), several("y"), strict=False) if any(one))[: POINTS_MAX + 1]
    return ZoneInput(
        one("name"),
        one("kind"),
        tuple(several("day")),
        one("from"),
        one("to"),
        one("size", SHARE_DEFAULT),
        one("growth", GROWTH_DEFAULT),
        points,
    )


def _zone(typed: ZoneInput) -> CameraZone:
    name = typed.name
    try:
        check_id(name, "name")
    except BadIdError as error:
        raise BadZonesError("zone_name", zone=name) from error
    if typed.kind not in KINDS:
        raise BadZonesError("zone_kind", zone=name)
    days = tuple(sorted({int(one) for one in typed.days if one in set(map(str, WHOLE_WEEK))}))
    if not days:
        raise BadZonesError("zone_days", zone=name)
    size, growth = _number(typed.size, 0.0, 100.0), _number(typed.growth, 1.0, GROWTH_MAX)
    if size is None or size <= 0:
        raise BadZonesError("zone_size", zone=name)
    if growth is None:
        raise BadZonesError("zone_growth", zone=name)
    return CameraZone(
        name=name,
        kind="ignored" if typed.kind == "ignored" else "cooking",
        points=_points(typed),
        days=days,
        from_minute=_minute(typed.begins, name),
        to_minute=_minute(typed.ends, name),
        size_share_max=size / 100,
        growth_ratio_max=growth,
    )


def _points(typed: ZoneInput) -> tuple[Point, ...]:
    if not POINTS_MIN <= len(typed.points) <= POINTS_MAX:
        raise BadZonesError("zone_points", zone=typed.name, least=POINTS_MIN, most=POINTS_MAX)
    places = [(_place(x, typed.name), _place(y, typed.name)) for x, y in typed.points]
    ring = zip(places, [*places[1:], places[0]], strict=True)
    area = abs(sum(here[0] * there[1] - there[0] * here[1] for here, there in ring)) / 2  # Gauss's area formula
    if area < AREA_SHARE_MIN:
        raise BadZonesError("zone_flat", zone=typed.name)
    return tuple(Point(x=x, y=y) for x, y in places)


def _place(text: str, zone: str) -> float:
    value = _number(text, 0.0, 100.0)
    if value is None:
        raise BadZonesError("zone_place", zone=zone)
    return value / 100


def _number(text: str, least: float, most: float) -> float | None:
    """The number that was typed, if it is one between these."""
    try:
        value = float(text.replace(",", "."))
    except ValueError:  # the caller says what would be right
        return None
    return value if least <= value <= most else None  # what is not a number is between nothing


def _minute(text: str, zone: str) -> int:
    hours, colon, minutes = text.partition(":")
    if not (colon and hours.isascii() and hours.isdigit() and minutes[:2].isascii() and minutes[:2].isdigit()):
        raise BadZonesError("zone_hours", zone=zone)
    minute = int(hours) * MINUTES_PER_HOUR + int(minutes[:2])
    if minute >= MINUTES_PER_DAY or int(minutes[:2]) >= MINUTES_PER_HOUR:
        raise BadZonesError("zone_hours", zone=zone)
    return minute


def _clock(minute: int) -> str:
    return f"{minute // MINUTES_PER_HOUR:02d}:{minute % MINUTES_PER_HOUR:02d}"
