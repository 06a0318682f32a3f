"""How the looks of the networks and the evidence over time make one score: each kind has to agree."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.events import FireSign
from edge.cameras.carried import Carried
from edge.cameras.ports import Strength
from edge.cameras.ramp import Ramp

HASTENED = frozenset({"flickers", "not_in_unison"})
"""Kinds that only time makes strong: a sure look needs half of them. What tells a flame from a sign it needs whole."""

SIGNS: Mapping[FireSign, tuple[str, ...]] = {
    FireSign.FLAME_COLOUR: ("flame_colour", "many_hues", "coloured"),
    FireSign.BRIGHT: ("bright",),
    FireSign.FLICKERS: ("flickers", "flickers_within"),
    FireSign.IRREGULAR: ("not_in_unison", "not_rigid", "never_repeats", "changes_pattern"),
    FireSign.SHINES: ("shines",),
}
"""Which kinds of evidence make a sign that people are told; the weakest of them is its strength."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the networks saw: probabilities of flame in the region and in the whole picture, smoothed, 0..1."""

    region: float
    whole: float


LOOKS_MIN = 0.1
"""Where the network sees less flame than this there is none, whatever else is measured."""

_LOOKS: Ramp[Seen] = Ramp("looks", lambda seen: seen.region, none_at=LOOKS_MIN, full_at=0.5)
_SURE: Ramp[Seen] = Ramp("sure", lambda seen: (seen.region + seen.whole) / 2.0, none_at=0.5, full_at=0.9)
_HASTE = 2.0


def fused_score(by_name: Mapping[str, float], seen: Seen) -> float:
    """0..1 of one region: the weakest kind decides, and the network's look is one kind.

    `by_name` are the strengths of `evidence.strengths`. Networks that are sure, of the region and of the picture, need
    half of what only time makes strong; nothing makes up for evidence that is not there at all.
    """
    haste = 1.0 + (_HASTE - 1.0) * _SURE(seen)
    weakest = min(strength * haste if name in HASTENED else strength for name, strength in by_name.items())
    return min(_LOOKS(seen), weakest)


_TRAVELS: Ramp[Carried] = Ramp("travels", lambda carried: carried.travel, none_at=0.75, full_at=1.5)
_BREATHES: Ramp[Carried] = Ramp("breathes", lambda carried: carried.breaths_per_s, none_at=1.0, full_at=2.0)


def carried_score(by_name: Mapping[str, float], carried: Carried, seen: Seen) -> float:
    """0..1 of a burnt-out spot that is carried: what flickers at a fixed place cannot be asked of it.

    `by_name` are the strengths of `evidence.appearances`. Instead the spot has to travel and to breathe, and both
    networks have to be sure: a lamp that is carried does the first, and may seem to do the second.
    """
    return min(_SURE(seen), _TRAVELS(carried), _BREATHES(carried), *by_name.values())


def signs_of(by_name: Mapping[str, float], seen: Seen, carried: Carried | None = None) -> tuple[Strength, ...]:
    """The signs that people are told; of a spot that is carried, that it flickers is that it breathes."""
    told = {sign: min(by_name[name] for name in names) for sign, names in SIGNS.items() if by_name.keys() >= set(names)}
    if carried is not None:
        told[FireSign.FLICKERS] = _BREATHES(carried)
    looks = {FireSign.LOOKS_LIKE_FLAME: seen.region, FireSign.PICTURE_LOOKS_LIKE_FIRE: seen.whole}
    return tuple(Strength(sign, strength) for sign, strength in (looks | told).items())
