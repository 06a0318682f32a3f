import numpy as np
import pytest

from contract.events import FireSign
from edge.cameras.explain import Memory, Moment
from edge.cameras.ports import Picture, Region, Strength

HERE = Region(0.4, 0.4, 0.1, 0.1, 0.9, (Strength(FireSign.BRIGHT, 0.6), Strength(FireSign.FLICKERS, 0.9)))


def picture(level: int) -> Picture:
    return np.full((480, 640, 3), level, np.uint8)


def test_the_three_stills_are_before_first_and_now() -> None:
    memory = Memory()
    for index in range(80):
        since_s = 6.0 if index >= 48 else None
        memory.take(picture(index), index / 8, index / 100, since_s)
    reasons = memory.reasons(picture(200), 10.0, HERE)
    before, first, now = reasons.stills
    assert [still.moment for still in reasons.stills] == [Moment.BEFORE, Moment.FIRST, Moment.NOW]
    assert (before.age_s, first.age_s, now.age_s) == (5.0, 4.0, 0.0)
    assert (before.image[0, 0, 0], first.image[0, 0, 0], now.image[0, 0, 0]) == (40, 48, 200)
    assert all(still.image.shape == (240, 320, 3) and still.region == HERE for still in reasons.stills)
    assert [one.sign for one in reasons.signs] == [FireSign.FLICKERS, FireSign.BRIGHT]


def test_the_history_is_that_of_the_last_ten_seconds_oldest_first() -> None:
    memory = Memory()
    for index in range(240):
        memory.take(picture(0), index / 8, index / 240, None)
    history = memory.reasons(picture(0), 239 / 8, HERE).history
    assert history[-1].age_s == 0.0
    assert history[0].age_s == pytest.approx(10.0)
    assert [past.score for past in history] == sorted(past.score for past in history)


def test_a_fire_from_the_first_picture_on_has_nothing_before_it() -> None:
    memory = Memory()
    for index in range(8):
        memory.take(picture(index), index / 8, 0.9, 0.0)
    moments = [still.moment for still in memory.reasons(picture(9), 1.0, HERE).stills]
    assert moments == [Moment.FIRST, Moment.NOW]


def test_a_long_suspicion_keeps_the_pictures_from_before_it() -> None:
    memory = Memory()
    for index in range(800):
        memory.take(picture(index % 250), index / 8, 0.5, 5.0 if index >= 40 else None)
    before, first, _ = memory.reasons(picture(0), 100.0, HERE).stills
    assert (before.age_s, first.age_s) == (96.0, 95.0)
    assert len(memory._pictures) == 16


def test_a_drivers_frame_may_be_used_again() -> None:
    memory, frame = Memory(), np.zeros((120, 160, 3), np.uint8)
    memory.take(frame, 0.0, 0.0, 0.0)
    frame[:] = 255
    assert memory.reasons(picture(0), 0.1, HERE).stills[0].image.max() == 0


def test_a_restart_forgets() -> None:
    memory = Memory()
    memory.take(picture(1), 100.0, 0.9, 99.0)
    memory.restart()
    memory.take(picture(2), 0.0, 0.1, None)
    reasons = memory.reasons(picture(3), 0.1, HERE)
    assert [still.moment for still in reasons.stills] == [Moment.NOW]
    assert len(reasons.history) == 1
