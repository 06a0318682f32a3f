import numpy as np

from edge.cameras.candidates import CANDIDATES_MAX, candidates


def test_a_gap_of_a_few_pixels_does_not_part_a_region() -> None:
    mask = np.zeros((60, 80), np.bool_)
    mask[10:20, 10:20] = mask[10:20, 23:33] = True
    (found,) = candidates(mask)
    assert (found.x, found.y, found.w, found.h) == (9, 9, 25, 12)
    assert int(found.flickering.sum()) == 200


def test_specks_are_left_out() -> None:
    mask = np.zeros((60, 80), np.bool_)
    mask[30, 30:39] = True
    assert candidates(mask) == []
    mask[31, 30:39] = True
    assert len(candidates(mask)) == 1


def test_the_largest_come_first_and_their_number_is_bounded() -> None:
    mask = np.zeros((60, 200), np.bool_)
    for index in range(8):
        mask[10 : 15 + 3 * index, 24 * index : 24 * index + 8] = True
    found = candidates(mask)
    assert len(found) == CANDIDATES_MAX
    assert [int(c.flickering.sum()) for c in found] == [8 * (5 + 3 * index) for index in (7, 6, 5, 4)]


def test_an_empty_picture_has_none() -> None:
    assert candidates(np.zeros((60, 80), np.bool_)) == []
