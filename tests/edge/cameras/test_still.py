from dataclasses import replace

import numpy as np
import pytest

from edge.cameras.detectors.still import STILL_NECESSARY, StillDetector, StillEvidence, still_score
from edge.cameras.network import shipped_networks
from edge.cameras.ports import Frame
from edge.cameras.settings import FireSettings
from tests.edge.cameras import scenes

_ENOUGH = 0.42
"""Half of one kind of evidence leaves more than this, half of three leave less."""

FLAME = StillEvidence(
    red_high=250,
    saturation_high=170,
    hue_spread=0.4,
    hue=0.6,
    hot_share=0.5,
    roughness=3.5,
    over_surroundings=80,
    size=3.5,
    red_spread=40,
    brighter_within=0.55,
)

LOOK_ALIKES = {
    "bright": replace(FLAME, red_high=170),
    "saturated": replace(FLAME, saturation_high=60),
    "many_hues": replace(FLAME, hue_spread=0.03),
    "not_yellow": replace(FLAME, hue=0.97),
    "hot": replace(FLAME, hot_share=0.02),
    "compact": replace(FLAME, roughness=25),
    "shines": replace(FLAME, over_surroundings=10),
    "not_a_speck": replace(FLAME, size=1.6),
    "many_levels": replace(FLAME, red_spread=15),
    "brightest_within": replace(FLAME, brighter_within=-0.2),
}


def test_a_flame_has_every_kind_of_evidence() -> None:
    assert still_score(FLAME) == 1.0


@pytest.mark.parametrize("lacking", LOOK_ALIKES)
def test_a_look_alike_that_lacks_one_kind_scores_nothing(lacking: str) -> None:
    look_alike = LOOK_ALIKES[lacking]
    assert still_score(look_alike) == 0.0
    assert [ramp.name for ramp in STILL_NECESSARY if ramp(look_alike) == 0.0] == [lacking]


def test_every_kind_has_its_look_alike() -> None:
    assert set(LOOK_ALIKES) == {ramp.name for ramp in STILL_NECESSARY}


def test_several_weak_kinds_weigh_more_than_one() -> None:
    one = replace(FLAME, saturation_high=102.5)
    assert still_score(one) > _ENOUGH
    assert still_score(replace(one, hue_spread=0.165, red_spread=27)) < _ENOUGH


def test_a_rendered_flame_is_found_and_the_stall_is_not() -> None:
    detector, settings = StillDetector(FireSettings(), shipped_networks()), FireSettings()
    flame, stall = (list(scenes.scene(draw, 0.5))[-1] for draw in (scenes.Flame(), scenes.nothing))
    assert detector.analyse(flame).score >= settings.still_score_min
    assert detector.analyse(stall).score < settings.still_score_min


def test_a_picture_of_one_colour_is_measured_without_fault() -> None:
    plain = np.full((60, 80, 3), (20, 120, 250), np.uint8)
    score = StillDetector(FireSettings(), shipped_networks()).analyse(Frame(plain, 0.0, 0)).score
    assert 0.0 <= score < FireSettings().still_score_min
