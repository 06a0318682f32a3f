import numpy as np
import pytest

from edge.cameras.ports import Picture
from tests.tools.fire.training_folders import street
from tools.fire.augment import added_light, as_a_camera_shows, warmed
from tools.fire.overlays import with_a_lamp, with_a_painted_thing

SIDE = 64


def square(seed: int) -> Picture:
    return np.ascontiguousarray(street(seed)[:SIDE, :SIDE])


def test_added_light_never_darkens() -> None:
    picture, light = square(1), square(2)
    assert (added_light(picture, light).astype(int) >= picture.astype(int) - 1).all()
    assert (added_light(picture, np.zeros_like(picture)) == picture).mean() > 0.99


@pytest.mark.parametrize("seed", range(20))
def test_whatever_a_camera_does_it_stays_a_picture_of_that_size(seed: int) -> None:
    shown = as_a_camera_shows(square(1), np.random.default_rng(seed), tint=0.3)
    assert shown.shape == (SIDE, SIDE, 3)
    assert shown.dtype == np.uint8


@pytest.mark.parametrize("seed", range(12))
def test_warmed_pictures_lamps_and_paint_are_pictures(seed: int) -> None:
    for change in (warmed, with_a_lamp, with_a_painted_thing):
        shown = change(square(1), np.random.default_rng(seed))
        assert shown.shape == (SIDE, SIDE, 3)
        assert shown.dtype == np.uint8
        assert (shown != square(1)).any()


def test_the_same_seed_shows_the_same() -> None:
    one, two = (as_a_camera_shows(square(1), np.random.default_rng(5), tint=0.3) for _ in range(2))
    assert (one == two).all()
