from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras.ports import Region
from runtime.errors import FatalError
from tests.tools.fire.training_folders import row, street, write_folder
from tools.fire.folder import read_folder
from tools.fire.marked import Mark, Marked
from tools.fire.pictures import SIDE_PX_MAX, clear_parts, read_pictures, scenes

FLAME = (30, 140, 250)


def burning_street() -> Marked:
    image = street(1)
    cv2.rectangle(image, (100, 70), (129, 109), FLAME, -1)
    mark = Mark(Region(100 / 240, 70 / 180, 30 / 240, 40 / 180, 1.0), "flame")
    return Marked(image, (mark,), "flame", "a street", "real", "somewhere")


def test_the_parts_beside_a_flame_show_none_of_it() -> None:
    parts = clear_parts(burning_street())
    assert parts
    for part in parts:
        assert part.whole == "other"
        assert part.scene == "a street"
        assert not (part.image == FLAME).all(axis=2).any()


def test_a_part_with_a_flame_that_nobody_marked_is_left_out() -> None:
    picture = burning_street()
    cv2.rectangle(picture.image, (10, 100), (40, 140), FLAME, -1)
    for part in clear_parts(picture):
        assert not (part.image == FLAME).all(axis=2).any()


def test_near_copies_share_a_scene_and_others_do_not() -> None:
    one = street(1)
    copy = np.asarray(cv2.resize(one, (200, 150)), np.uint8)
    names = scenes([one, street(2), copy])
    assert names[0] == names[2] != names[1]


def test_pictures_without_fire_are_marked_by_what_looks_like_it_and_shrunk(tmp_path: Path) -> None:
    image = np.asarray(cv2.resize(street(3), (960, 720)), np.uint8)
    cv2.circle(image, (480, 360), 60, FLAME, -1)
    write_folder(tmp_path, [row("images/lamp.png", "other")], {"images/lamp.png": image})
    (picture,) = read_pictures(read_folder(tmp_path))
    assert max(picture.image.shape) == SIDE_PX_MAX
    assert picture.of("other")
    assert picture.whole == "other"


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, [row("images/text.png", "other")], {})
    (tmp_path / "images" / "text.png").write_text("no picture", encoding="utf-8")
    with pytest.raises(FatalError, match=r"text\.png is no picture"):
        read_pictures(read_folder(tmp_path))
