"""A feed that repeats itself."""

import numpy as np

from edge.cameras.looping import LoopWatch
from tests.edge.cameras.clips import noise

FPS = 10


def looping(numbers: list[int], *, fps: float = FPS) -> list[bool]:
    watch = LoopWatch()
    return [watch.take(noise(number), index / fps) for index, number in enumerate(numbers)]


def test_a_camera_never_loops() -> None:
    assert not any(looping(list(range(60 * FPS))))


def test_a_lap_that_comes_again_is_told_after_ten_seconds_and_is_over_with_the_first_new_pictures() -> None:
    lap = list(range(4 * FPS))
    told = looping([*lap * 5, *range(1000, 1000 + 5 * FPS)])
    first = told.index(True)
    assert 10 * FPS <= first <= 14 * FPS
    assert all(told[first : 20 * FPS])
    assert not any(told[20 * FPS + 3 * FPS :])


def test_a_lap_of_which_some_pictures_were_missed_is_still_one() -> None:
    rng = np.random.default_rng(2)
    lap = list(range(5 * FPS))
    watch = LoopWatch()
    told = [watch.take(noise(n), i / FPS) for i, n in enumerate(lap * 8) if rng.random() > 0.1]
    assert told[-1]


def test_a_lamp_that_blinks_before_a_still_picture_is_no_loop() -> None:
    assert not any(looping([i // 3 % 2 for i in range(60 * FPS)]))


def test_a_picture_that_stands_still_is_not_called_a_loop() -> None:
    assert not any(looping([1] * 60 * FPS))
