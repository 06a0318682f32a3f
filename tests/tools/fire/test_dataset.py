from tests.tools.fire.test_pictures import burning_street
from tests.tools.fire.training_folders import street
from tools.fire.dataset import split
from tools.fire.marked import Marked


def test_no_scene_is_on_both_sides() -> None:
    pictures = [Marked(street(n), (), "other", f"scene {n // 3}", "real", "somewhere") for n in range(90)]
    parts = split(pictures, seed=1)
    training = {picture.scene for picture in parts.train.clear}
    held_out = {picture.scene for picture in parts.held_out.clear}
    assert held_out
    assert not training & held_out
    assert len(training) + len(held_out) == 30


def test_another_seed_holds_out_others() -> None:
    pictures = [Marked(street(1), (), "other", f"scene {n}", "real", "somewhere") for n in range(60)]
    chosen = [{picture.scene for picture in split(pictures, seed).held_out.clear} for seed in (1, 2)]
    assert chosen[0] != chosen[1]


def test_the_clear_parts_of_a_fire_are_clear_pictures_of_its_side() -> None:
    parts = split([burning_street()], seed=1)
    side = parts.held_out if parts.held_out.fire else parts.train
    assert side.clear
    assert {picture.scene for picture in side.clear} == {"a street"}
