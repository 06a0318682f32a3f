"""The kinds of evidence that a flickering region is flame, and the score they make together."""

from dataclasses import dataclass

from edge.cameras.ramp import Ramp

TURNS_PER_S_MIN = 1.8
"""What turns no more often than this is no flame, whatever else it does."""


@dataclass(frozen=True, slots=True)
class Appearance:
    """What was measured of one flame-coloured region of one picture."""

    red_high: float
    """90th percentile of red over its flame-coloured pixels, in 255ths of the picture's white."""
    saturation_high: float
    """90th percentile of red minus blue, in 255ths of the picture's white."""
    core_share: float
    """Share of its flame-coloured pixels that are overexposed, 0..1."""
    hue_spread: float
    """90th minus 10th percentile of green / red: from dark red to yellow in a flame, narrow in cloth and lamps."""
    colour_share: float
    """Share of its area that has flame colour now, 0..1."""
    over_surroundings: float
    """Mean red over that of a rim four pixels wide around it, in grey levels: flames shine, painted things do not."""


@dataclass(frozen=True, slots=True)
class Evidence(Appearance):
    """What was measured of one flickering, flame-coloured region."""

    turns_per_s: float
    """How often its flickering pixels turn from brighter to darker or back, while they have the colour of flame."""
    flicker_share: float
    """Share of its coloured, not burnt-out pixels that flicker, 0..1: an object's edge does, a flame as a whole."""
    unison: float
    """0..1: 1 when all pixels brighten and darken together (a blinking lamp), near 0 when each does as it likes."""
    rigidity: float
    """Share of the change between two frames that the best small shift does not explain: 0 for what only moves."""
    novelty: float
    """0..1: 0 when its pixels come back to what they showed within 1.5 s (lamps, signs), see `repetition`."""
    variety: float
    """0..1: the share of moments within 1.5 s that are patterns of their own, see `repetition`."""


_SATURATED: Ramp[Appearance] = Ramp("saturated", lambda e: e.saturation_high, none_at=85, full_at=135)
_CORE: Ramp[Appearance] = Ramp("core", lambda e: e.core_share, none_at=0.1, full_at=0.3)
_CORE_RIM: Ramp[Appearance] = Ramp("core_rim", lambda e: e.saturation_high, none_at=50, full_at=75)

APPEARS: tuple[Ramp[Appearance], ...] = (
    Ramp("bright", lambda e: e.red_high, none_at=205, full_at=240),
    Ramp("many_hues", lambda e: e.hue_spread, none_at=0.08, full_at=0.2),
    Ramp("coloured", lambda e: e.colour_share, none_at=0.3, full_at=0.5),
    Ramp("shines", lambda e: e.over_surroundings, none_at=0, full_at=30),
)

FLICKERS: Ramp[Evidence] = Ramp("flickers", lambda e: e.turns_per_s, none_at=TURNS_PER_S_MIN, full_at=3.0)
FLICKERS_WITHIN: Ramp[Evidence] = Ramp("flickers_within", lambda e: e.flicker_share, none_at=0.25, full_at=0.5)
NOT_IN_UNISON: Ramp[Evidence] = Ramp("not_in_unison", lambda e: e.unison, none_at=0.75, full_at=0.45)
NOT_RIGID: Ramp[Evidence] = Ramp("not_rigid", lambda e: e.rigidity, none_at=0.2, full_at=0.6)
NEVER_REPEATS: Ramp[Evidence] = Ramp("never_repeats", lambda e: e.novelty, none_at=0.05, full_at=0.15)
CHANGES_PATTERN: Ramp[Evidence] = Ramp("changes_pattern", lambda e: e.variety, none_at=0.16, full_at=0.34)

BEHAVES: tuple[Ramp[Evidence], ...] = (
    FLICKERS,
    FLICKERS_WITHIN,
    NOT_IN_UNISON,
    NOT_RIGID,
    NEVER_REPEATS,
    CHANGES_PATTERN,
)


def appearances(appearance: Appearance) -> dict[str, float]:
    """Every kind of evidence that one picture gives, with its strength 0..1.

    Colour may be saturated, or a burnt-out core with a warm rim.
    """
    by_name = {ramp.name: ramp(appearance) for ramp in APPEARS}
    by_name["flame_colour"] = max(_SATURATED(appearance), _CORE(appearance) * _CORE_RIM(appearance))
    return by_name


def strengths(evidence: Evidence) -> dict[str, float]:
    """Every kind of evidence with its strength 0..1."""
    return appearances(evidence) | {ramp.name: ramp(evidence) for ramp in BEHAVES}


def flame_score(evidence: Evidence) -> float:
    """0..1: the weakest kind of evidence decides, because each look-alike lacks one kind and has all the others."""
    return min(strengths(evidence).values())
