import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cameras.repetition import MEMORY_S, MOMENTS_MIN, RecentMoments, novelty, variety

ROWS, COLUMNS = np.nonzero(np.ones((8, 10), np.bool_))


def noise(moments: int = 12, pixels: int = 300) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0, 255, (moments, pixels)).astype(np.float32)


def in_turn(patterns: int, moments: int = 12) -> NDArray[np.float32]:
    """A lamp with so many patterns in turn, and a camera's noise."""
    levels = noise(patterns)[np.arange(moments) % patterns]
    return levels + np.random.default_rng(2).normal(0, 2.5, levels.shape).astype(np.float32)


def test_what_never_comes_back_is_all_new() -> None:
    assert novelty(noise()) > 0.8
    assert variety(noise()) > 0.8


@pytest.mark.parametrize("patterns", [2, 3, 4, 6])
def test_lamps_that_take_turns_are_not_new(patterns: int) -> None:
    assert novelty(in_turn(patterns)) < 0.01
    assert variety(in_turn(patterns)) < (patterns + 0.5) / 12


def test_what_swells_as_a_whole_has_one_pattern_though_no_moment_comes_back() -> None:
    swelling = np.linspace(0.2, 1.0, 12, dtype=np.float32)[:, None] ** 2 * noise(1)
    assert variety(swelling) == pytest.approx(1 / 12, abs=0.01)


def test_what_stands_still_is_neither_new_nor_varied() -> None:
    still = np.repeat(noise(1), 12, axis=0)
    assert novelty(still) == 0.0
    assert variety(still) == 0.0


def test_few_moments_tell_nothing() -> None:
    still = np.repeat(noise(1), MOMENTS_MIN - 1, axis=0)
    assert novelty(still) == variety(still) == 1.0


def picture(level: int) -> NDArray[np.uint8]:
    return np.full((8, 10), level, np.uint8)


def test_moments_are_forgotten_after_a_second_and_a_half() -> None:
    moments = RecentMoments(picture(0), 0.0)
    for index in range(1, 41):
        moments.take(picture(index), index / 8)
    levels = moments.levels(ROWS, COLUMNS)
    assert levels.shape == (round(MEMORY_S * 8) + 1, ROWS.size)
    assert levels[:, 0].tolist() == list(range(28, 41))


def test_frames_that_follow_too_soon_are_passed_over() -> None:
    moments = RecentMoments(picture(0), 0.0)
    for index in range(1, 101):
        moments.take(picture(index), index / 60)
    assert len(moments.levels(ROWS, COLUMNS)) <= 16
    assert np.diff(moments.levels(ROWS, COLUMNS)[:, 0]).min() >= 6
