import numpy as np
import pytest

from edge.cameras.flame_colour import flame_colour
from edge.cameras.ports import Picture


def plain(blue: int, green: int, red: int) -> Picture:
    return np.full((24, 32, 3), (blue, green, red), np.uint8)


@pytest.mark.parametrize("bgr", [(20, 90, 220), (40, 160, 250), (90, 220, 255), (10, 20, 130)])
def test_dark_red_to_yellow_is_warm(bgr: tuple[int, int, int]) -> None:
    assert flame_colour(plain(*bgr)).warm.all()


@pytest.mark.parametrize("bgr", [(220, 90, 20), (128, 128, 128), (60, 200, 60), (200, 60, 220), (10, 20, 90)])
def test_blue_grey_green_pink_and_dark_are_not(bgr: tuple[int, int, int]) -> None:
    assert not flame_colour(plain(*bgr)).flame.any()


def test_white_is_flame_only_beside_something_warm() -> None:
    image = plain(40, 40, 40)
    image[8:16, 4:12] = 250
    assert not flame_colour(image).flame.any()
    image[6:8, 4:12] = (30, 120, 240)
    colour = flame_colour(image)
    assert colour.core[8:11, 4:12].all()
    assert not colour.core[14:, :].any()
