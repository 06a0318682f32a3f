"""The simulated alley against the real fire pipeline, faster than real time."""

import pytest

from edge.cameras.pipeline import FirePipeline, FireState, fire_pipeline
from edge.cameras.ports import Frame
from edge.cameras.settings import FireSettings
from firmware_sim.cameras.scene import MarketScene

FPS = 8
CASES = [(1, "night"), (7, "day")]


def states(scene: MarketScene, pipeline: FirePipeline, begin_s: int, end_s: int) -> list[FireState]:
    return [
        pipeline.process(Frame(scene.frame(index / FPS), index / FPS, index)).state
        for index in range(begin_s * FPS, end_s * FPS)
    ]


@pytest.mark.parametrize(("seed", "light"), CASES)
def test_the_alley_stays_quiet_for_a_minute_and_its_flame_is_found_within_ten_seconds(seed: int, light: str) -> None:
    scene, pipeline = MarketScene(seed, light), fire_pipeline(FireSettings())
    assert FireState.CONFIRMED not in states(scene, pipeline, 0, 60)
    scene.light_fire(60.0)
    assert states(scene, pipeline, 60, 70)[-1] is FireState.CONFIRMED
