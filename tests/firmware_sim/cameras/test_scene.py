import cv2
import numpy as np
import pytest

from firmware_sim.cameras.letters import strokes
from firmware_sim.cameras.perspective import HEIGHT, WIDTH, Image
from firmware_sim.cameras.scene import MarketScene


@pytest.fixture(scope="module")
def scene() -> MarketScene:
    return MarketScene(4)


def difference(one: Image, other: Image) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def test_the_same_seed_and_time_give_the_same_picture_to_the_bit(scene: MarketScene) -> None:
    again = MarketScene(4)
    for time_s in (12.5, 0.0):
        assert np.array_equal(scene.frame(time_s), again.frame(time_s))


def test_another_seed_and_another_light_are_another_picture(scene: MarketScene) -> None:
    night = scene.frame(0.0)
    assert night.shape == (HEIGHT, WIDTH, 3)
    assert night.dtype == np.uint8
    assert difference(night, MarketScene(5).frame(0.0)) > 5.0
    assert float(MarketScene(4, "day").frame(0.0).mean()) > float(night.mean()) + 40.0


def test_no_two_pictures_are_equal_and_people_walk(scene: MarketScene) -> None:
    assert not np.array_equal(scene.frame(1.0), scene.frame(1.125))
    lane = (slice(170, 340), slice(220, 440))
    before, after = (cv2.GaussianBlur(scene.frame(time_s), (0, 0), 2.0)[lane] for time_s in (0.0, 6.0))
    moved = np.abs(before.astype(np.int16) - after).max(axis=2) > 25
    assert float(moved.mean()) > 0.01


def test_a_flame_is_bright_warm_grows_and_goes_when_put_out() -> None:
    scene = MarketScene(4)
    dark = scene.frame(9.0)
    scene.light_fire(10.0)
    assert difference(scene.frame(9.0), dark) == 0.0, "not lit yet"

    def flame_px(time_s: float) -> int:
        picture = scene.frame(time_s).astype(np.int16)
        blue, red = picture[:, :, 0], picture[:, :, 2]
        return int(((red > 230) & (red - blue > 90)).sum())

    young = np.mean([flame_px(10.5 + step / 8) for step in range(8)])
    grown = np.mean([flame_px(30.0 + step / 8) for step in range(8)])
    assert grown > young + 500
    scene.put_out()
    assert flame_px(40.0) < young


def test_a_flame_that_burns_is_not_lit_again() -> None:
    scene = MarketScene(4)
    scene.light_fire(10.0)
    scene.light_fire(20.0)
    assert scene.fire is not None
    assert scene.fire.lit_s == 10.0


def test_an_unknown_light_is_refused() -> None:
    with pytest.raises(ValueError, match="'dusk' is not known: use night or day"):
        MarketScene(1, "dusk")


def test_neon_letters_stay_in_their_box() -> None:
    for word in ("국수", "시장", "떡"):
        corners = np.array([point for tube in strokes(word) for point in tube])
        assert corners.min() >= 0.0
        assert corners[:, 0].max() <= 1.0
        assert corners[:, 1].max() <= 1.12 * len(word)
