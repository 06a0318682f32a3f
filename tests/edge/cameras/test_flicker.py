import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cameras.flicker import TURN_LEVELS_MIN, FlickerMeter

FPS = 12.0
ALL = np.ones((1, 1), np.bool_)


def turns_after(levels: list[float], fps: float = FPS, counted: NDArray[np.bool_] = ALL) -> float:
    meter = FlickerMeter(np.full((1, 1), round(levels[0]), np.int16))
    for level in levels[1:]:
        meter.update(np.full((1, 1), round(level), np.int16), counted, 1.0 / fps)
    return float(meter.turns[0, 0])


def wave(turns_per_s: float, height: float, seconds: float = 6.0, fps: float = FPS) -> list[float]:
    return [120 + height / 2 * np.sin(np.pi * turns_per_s * i / fps) for i in range(round(seconds * fps))]


@pytest.mark.parametrize("turns_per_s", [2.0, 4.0, 6.0])
def test_a_steady_flicker_settles_at_its_rate(turns_per_s: float) -> None:
    assert turns_after(wave(turns_per_s, height=80)) == pytest.approx(turns_per_s, abs=0.6)


def test_what_stays_within_the_noise_is_no_flicker() -> None:
    assert turns_after(wave(4.0, height=TURN_LEVELS_MIN - 2)) == 0.0


def test_a_thing_that_passes_turns_twice_and_is_forgotten() -> None:
    passing = [60.0] * 12 + [200.0] * 6 + [60.0] * 6
    assert turns_after(passing) <= 2.0
    assert turns_after(passing + [60.0] * 48) < 0.1


def test_a_lasting_brightening_is_no_flicker() -> None:
    assert turns_after([40.0 + 2 * i for i in range(80)]) <= 1.0


def test_turns_outside_the_counted_pixels_do_not_count() -> None:
    assert turns_after(wave(4.0, height=80), counted=~ALL) == 0.0


def test_slow_frames_weigh_more() -> None:
    zigzag = [100.0, 140.0] * 20
    assert turns_after(zigzag, fps=4.0) > 1.4 * 4.0
    assert turns_after(zigzag, fps=8.0) == pytest.approx(8.0, rel=0.1)


def rate_after(levels: list[float], counted_from: int) -> float:
    meter = FlickerMeter(np.full((1, 1), round(levels[0]), np.int16))
    for index, level in enumerate(levels[1:]):
        counted = np.full((1, 1), index >= counted_from)
        meter.update(np.full((1, 1), round(level), np.int16), counted, 1.0 / FPS)
    return meter.rate((slice(0, 1), slice(0, 1)), ALL)


@pytest.mark.parametrize("seconds", [0.8, 1.5, 6.0])
def test_the_rate_is_that_of_the_flicker_soon_after_it_began(seconds: float) -> None:
    levels = wave(5.0, height=80, seconds=3.0 + seconds)
    assert rate_after(levels, counted_from=36) == pytest.approx(5.0, abs=1.3)


def test_a_pixel_counted_for_a_moment_has_no_rate_yet() -> None:
    levels = wave(5.0, height=80, seconds=3.25)
    assert rate_after(levels, counted_from=36) < 3.0
