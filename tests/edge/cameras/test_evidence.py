from dataclasses import replace

import pytest

from edge.cameras.evidence import APPEARS, BEHAVES, Evidence, flame_score, strengths

FLAME = Evidence(
    red_high=255,
    saturation_high=160,
    core_share=0.2,
    hue_spread=0.35,
    turns_per_s=3.2,
    flicker_share=0.8,
    unison=0.2,
    rigidity=1.0,
    colour_share=0.8,
    novelty=0.4,
    variety=0.55,
    over_surroundings=70,
)

LOOK_ALIKES = {
    "bright": replace(FLAME, red_high=200),
    "flickers": replace(FLAME, turns_per_s=1.4),
    "flickers_within": replace(FLAME, flicker_share=0.2),
    "not_in_unison": replace(FLAME, unison=0.9),
    "many_hues": replace(FLAME, hue_spread=0.06),
    "not_rigid": replace(FLAME, rigidity=0.1),
    "coloured": replace(FLAME, colour_share=0.2),
    "never_repeats": replace(FLAME, novelty=0.02),
    "changes_pattern": replace(FLAME, variety=0.12),
    "shines": replace(FLAME, over_surroundings=-5),
    "flame_colour": replace(FLAME, saturation_high=60, core_share=0.05),
}


def test_a_flame_has_every_kind_of_evidence() -> None:
    assert flame_score(FLAME) == 1.0


@pytest.mark.parametrize("lacking", LOOK_ALIKES)
def test_a_look_alike_that_lacks_one_kind_scores_nothing(lacking: str) -> None:
    look_alike = strengths(LOOK_ALIKES[lacking])
    assert flame_score(LOOK_ALIKES[lacking]) == 0.0
    assert [name for name, strength in look_alike.items() if strength == 0.0] == [lacking]


def test_every_kind_has_its_look_alike() -> None:
    names = {one.name for one in APPEARS} | {one.name for one in BEHAVES}
    assert set(LOOK_ALIKES) == set(strengths(FLAME)) == names | {"flame_colour"}


def test_a_burnt_out_core_with_a_warm_rim_is_flame_colour_too() -> None:
    overexposed = replace(FLAME, saturation_high=80, core_share=0.6)
    assert flame_score(overexposed) == 1.0
    assert flame_score(replace(overexposed, core_share=0.05)) == 0.0
    assert flame_score(replace(overexposed, saturation_high=45)) == 0.0
