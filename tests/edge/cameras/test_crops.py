"""What the networks are shown: size, place, channel order and scale are pinned here."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cameras.crops import CROP_PX, FRAME_PX, blob_of, crop_of, whole_of
from edge.cameras.ports import Picture, Region


def chequered(height: int, width: int) -> Picture:
    """Blue holds the column, green the row, so that a crop says where it was cut."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([columns % 256, rows % 256, np.full((height, width), 200)], axis=2).astype(np.uint8)


def test_channels_stay_blue_green_red_and_levels_are_centred() -> None:
    red = np.zeros((64, 64, 3), np.uint8)
    red[:, :, 2] = 255
    blob = blob_of([red, np.full((64, 64, 3), 51, np.uint8)])
    assert blob.shape == (2, 3, 64, 64)
    assert blob.dtype == np.float32
    assert blob.flags.c_contiguous
    assert blob[0, :, 0, 0].tolist() == [-0.5, -0.5, 0.5]
    assert blob[1, 0, 5, 5] == pytest.approx(0.2 - 0.5)


def test_a_small_region_is_cut_from_32_pixels_of_the_original_around_its_middle() -> None:
    image = chequered(240, 256)
    crop = crop_of(image, Region(100 / 256, 120 / 240, 8 / 256, 4 / 240, 1.0))
    assert crop.shape == (CROP_PX, CROP_PX, 3)
    middle = crop[30:34, 30:34].mean(axis=(0, 1))
    assert middle == pytest.approx([104, 122, 200], abs=1.0)
    assert (crop[:, :, 0].min(), crop[:, :, 0].max()) == (88, 119)


def test_a_large_region_is_cut_with_half_its_size_around_it() -> None:
    crop = crop_of(chequered(240, 256), Region(64 / 256, 80 / 240, 80 / 256, 40 / 240, 1.0))
    assert crop[:, 0, 0].mean() == pytest.approx(104 - 60, abs=2)
    assert crop[:, -1, 0].mean() == pytest.approx(104 + 60, abs=2)


def test_a_region_at_the_edge_is_cut_inside_the_picture() -> None:
    crop = crop_of(chequered(240, 256), Region(0.97, 0.0, 0.03, 0.02, 1.0))
    assert crop[0, -1].tolist()[:2] == [255, 0]


def test_a_picture_smaller_than_the_square_repeats_its_edge() -> None:
    image = chequered(20, 100)
    crop = crop_of(image, Region(0.0, 0.0, 1.0, 1.0, 1.0))
    assert crop.shape == (CROP_PX, CROP_PX, 3)
    assert crop[0, 32].tolist() == crop[10, 32].tolist()
    assert crop[0, :, 1].max() <= 1  # the mean of the first two rows
    assert crop[-1, :, 1].min() >= 18


def test_shrinking_averages_and_does_not_pick() -> None:
    image = np.zeros((192, 192, 3), np.uint8)
    image[::2] = 200
    assert whole_of(image).shape == (FRAME_PX, FRAME_PX, 3)
    assert np.all(whole_of(image) == 100)


@given(st.integers(8, 90), st.integers(8, 90), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_every_region_of_every_picture_gives_a_square(
    height: int, width: int, x: float, y: float, w: float, h: float
) -> None:
    crop = crop_of(chequered(height, width), Region(x * (1 - w), y * (1 - h), w, h, 0.5))
    assert crop.shape == (CROP_PX, CROP_PX, 3)
    assert crop.dtype == np.uint8
