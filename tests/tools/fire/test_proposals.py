import cv2

from tests.tools.fire.training_folders import street
from tools.fire.proposals import PROPOSALS_MAX, proposals


def test_a_flame_coloured_disc_is_proposed_where_it_is() -> None:
    image = street(1)
    cv2.circle(image, (120, 90), 15, (30, 140, 250), -1)
    (region,) = proposals(image)
    assert abs(region.x + region.w / 2 - 0.5) < 0.02
    assert abs(region.y + region.h / 2 - 0.5) < 0.02


def test_a_grey_street_has_none() -> None:
    assert proposals(street(1)) == []


def test_there_are_six_at_most() -> None:
    image = street(1)
    for place in range(10):
        cv2.circle(image, (12 + 24 * place, 20 + 14 * place), 6, (30, 140, 250), -1)
    assert len(proposals(image)) <= PROPOSALS_MAX
