from collections.abc import Iterable

import numpy as np
import pytest

from benchmarks.fire_nuisances import alley
from edge.cameras.confirmation import FireState
from edge.cameras.detectors.colour_flicker import ColourFlickerDetector
from edge.cameras.pipeline import fire_pipeline
from edge.cameras.ports import Frame
from edge.cameras.settings import FireSettings, IgnoredArea
from tests.edge.cameras import scenes

SETTINGS = FireSettings()


def alarm_s(frames: Iterable[Frame], settings: FireSettings = SETTINGS) -> float | None:
    pipeline = fire_pipeline(settings)
    for frame in frames:
        if pipeline.process(frame).state is FireState.CONFIRMED:
            return frame.time_s
    return None


@pytest.mark.parametrize("fps", [5.0, 8.0, 12.5, 25.0])
def test_a_flame_is_found_within_four_seconds_at_any_rate(fps: float) -> None:
    found_s = alarm_s(scenes.scene(scenes.Flame(), 6.0, fps=fps))
    assert found_s is not None
    assert found_s <= 4.0


def test_the_region_is_where_the_flame_is() -> None:
    detector = ColourFlickerDetector(SETTINGS)
    best = [
        detection.regions[0]
        for frame in scenes.scene(scenes.Flame(x=200, y=100, w=50, h=80), 3.0, fps=8.0)
        if (detection := detector.analyse(frame)).score >= SETTINGS.score_min
    ]
    assert best
    for region in best:
        assert 190 / 320 <= region.x <= region.x + region.w <= 260 / 320
        assert 90 / 240 <= region.y <= region.y + region.h <= 190 / 240


@pytest.mark.parametrize(
    "draw",
    [
        scenes.nothing,
        scenes.orange_cloth,
        scenes.blinking_sign,
        scenes.running_text,
        scenes.stepping_sign,
        scenes.toggling_panel,
        scenes.headlights,
        scenes.lantern,
    ],
    ids=lambda draw: draw.__name__,
)
def test_what_only_looks_like_a_flame_raises_no_alarm(draw: scenes.Draw) -> None:
    assert alarm_s(scenes.scene(draw, 8.0)) is None


def test_a_fast_sign_and_orange_coats_in_the_simulated_alley_raise_no_alarm() -> None:
    assert alarm_s(alley(4, "day", 20.0, nasty=True)) is None


def test_the_channel_order_is_blue_green_red() -> None:
    swapped = (Frame(f.image[:, :, ::-1].copy(), f.time_s, f.index) for f in scenes.scene(scenes.Flame(), 6.0))
    assert alarm_s(scenes.scene(scenes.Flame(), 6.0)) is not None
    assert alarm_s(swapped) is None


def test_a_picture_of_a_flame_that_does_not_move_is_no_fire() -> None:
    frames = list(scenes.scene(scenes.Flame(), 1.0))
    rng = np.random.default_rng(5)
    poster = frames[-1].image.astype(np.float32)
    held = (
        Frame(scenes.picture(poster + rng.normal(0, 2.5, poster.shape).astype(np.float32)), i / 8, i) for i in range(64)
    )
    assert alarm_s(held) is None


def test_cuts_between_scenes_are_no_alarm() -> None:
    stills = [next(scenes.scene(draw, 1.0)).image for draw in (scenes.Flame(), scenes.nothing)]
    stills += [np.full_like(stills[0], level) for level in (20, 240)]
    cuts = (Frame(stills[i // 2 % 4], i / 8, i) for i in range(80))
    assert alarm_s(cuts) is None


def test_a_cut_forgets_the_flicker_before_it() -> None:
    detector = ColourFlickerDetector(SETTINGS)
    scores = [detector.analyse(frame).score for frame in scenes.scene(scenes.Flame(), 3.0, fps=8.0)]
    assert scores[-1] >= SETTINGS.score_min
    (flame,) = scenes.scene(scenes.Flame(), 0.1, fps=8.0)
    brighter = scenes.picture(flame.image.astype(np.float32) + 110)
    assert detector.analyse(Frame(brighter, 3.0, 24)).score == 0.0
    assert detector.analyse(Frame(brighter, 3.125, 25)).score == 0.0


def test_after_a_reset_the_detector_is_silent_as_at_its_start() -> None:
    detector = ColourFlickerDetector(SETTINGS)
    first = [detector.analyse(frame).score for frame in scenes.scene(scenes.Flame(), 2.0, fps=8.0)]
    detector.reset()
    again = [detector.analyse(frame).score for frame in scenes.scene(scenes.Flame(), 2.0, fps=8.0)]
    assert again == first
    assert first[0] == 0.0
    assert first[-1] > 0.0


def test_a_flashing_room_light_is_no_fire() -> None:
    def light(canvas: scenes.Canvas, time_s: float) -> None:
        canvas *= 1.6 if int(time_s * 4) % 2 else 0.8
        canvas *= np.array([0.5, 0.8, 1.3], np.float32)

    assert alarm_s(scenes.scene(light, 8.0)) is None


def test_a_flame_is_found_though_the_camera_exposes_darkly() -> None:
    dark = (Frame((f.image * 0.72).astype(np.uint8), f.time_s, f.index) for f in scenes.scene(scenes.Flame(), 5.0))
    found_s = alarm_s(dark)
    assert found_s is not None
    assert found_s <= 4.0


def test_an_ignored_area_hides_the_stove_and_nothing_else() -> None:
    stove = FireSettings(ignored_areas=(IgnoredArea(x=0.4, y=0.3, w=0.25, h=0.5),))
    assert alarm_s(scenes.scene(scenes.Flame(), 6.0), stove) is None
    beside = alarm_s(scenes.scene(scenes.Flame(x=230), 6.0), stove)
    assert beside == alarm_s(scenes.scene(scenes.Flame(x=230), 6.0))
    assert beside is not None


def test_a_large_picture_is_shrunk_and_the_flame_still_found() -> None:
    large = (
        Frame(np.repeat(np.repeat(f.image, 3, axis=0), 3, axis=1), f.time_s, f.index)
        for f in scenes.scene(scenes.Flame(), 5.0)
    )
    found_s = alarm_s(large)
    assert found_s is not None
    assert found_s <= 4.0


@pytest.mark.parametrize(
    "image",
    [np.zeros((240, 320), np.uint8), np.zeros((240, 320, 4), np.uint8), np.zeros((2, 2, 3), np.float32)],
    ids=["grey", "alpha", "float"],
)
def test_an_image_of_another_kind_is_refused_in_a_sentence(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="height x width x 3 of uint8"):
        ColourFlickerDetector(SETTINGS).analyse(Frame(image, 0.0, 0))
