import cv2
import numpy as np

from edge.cameras.crops import CROP_PX, FRAME_PX
from edge.cameras.ports import Region
from tests.tools.fire.training_folders import street
from tools.fire import cuts
from tools.fire.marked import Mark, Marked

MARK = Region(0.6, 0.5, 0.1, 0.15, 1.0)
VIOLET = (250, 20, 250)


def marked_street() -> Marked:
    """A street with a violet box, marked as a flame so that it can be recognised, and told from what else is there."""
    image = street(4)
    cv2.rectangle(image, (144, 90), (168, 117), VIOLET, -1)
    return Marked(image, (Mark(MARK, "flame"),), "flame", "a street", "real", "somewhere")


def violet_share(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    return float(((picture[:, :, 0] > 150) & (picture[:, :, 1] < 90) & (picture[:, :, 2] > 150)).mean())


def test_a_marked_crop_shows_the_mark_however_inexactly() -> None:
    draw, rng = cuts.marked_crop([marked_street()], "flame"), np.random.default_rng(1)
    crops = [draw(rng) for _ in range(40)]
    assert {crop.shape for crop in crops} == {(CROP_PX, CROP_PX, 3)}
    assert min(violet_share(crop) for crop in crops) > 0.05
    assert len({crop.tobytes() for crop in crops}) > 20


def test_a_free_crop_shows_nothing_of_it() -> None:
    draw, rng = cuts.free_crop([marked_street()]), np.random.default_rng(1)
    assert max(violet_share(draw(rng)) for _ in range(60)) == 0.0


def test_a_window_around_shows_it_and_a_free_window_does_not() -> None:
    picture, rng = marked_street(), np.random.default_rng(1)
    around, free = cuts.window_around([picture], "flame"), cuts.free_window([picture])
    for _ in range(40):
        seen = around(rng)
        assert seen.shape == (FRAME_PX, FRAME_PX, 3)
        assert violet_share(seen) > 0.0
        assert violet_share(free(rng)) == 0.0


def test_a_flame_before_darkness_is_added_to_another_place() -> None:
    dark = np.zeros((200, 200, 3), np.uint8)
    cv2.circle(dark, (100, 100), 15, VIOLET, -1)
    flame = Marked(dark, (Mark(Region(0.4, 0.4, 0.2, 0.2, 1.0), "flame"),), "flame", "dark", "real", "somewhere")
    place = Marked(np.full((100, 100, 3), 80, np.uint8), (), "other", "grey", "real", "somewhere")
    for draw in (cuts.added_flame([flame], cuts.free_crop([place])), cuts.added_far_flame([flame], [place])):
        shown = draw(np.random.default_rng(3))
        assert shown[0, 0].min() > 10
        assert violet_share(shown) > 0.0
