"""The detector that ships, with networks that count what they are shown."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras.detectors.flame import LOOKS_MAX, MEASURED_MAX, FlameDetector
from edge.cameras.network import FireNetworks, Looks
from edge.cameras.ports import Frame, Picture
from edge.cameras.settings import FireSettings
from tests.edge.cameras import scenes
from tests.edge.cameras.models import write_models

SETTINGS = FireSettings()


class Answering(FireNetworks):
    """Networks that answer what they are told to, and remember what they were shown."""

    def __init__(self, folder: Path, flame: float) -> None:
        super().__init__(write_models(folder))
        self._flame = flame
        self.crops: list[Picture] = []
        self.wholes = 0

    def look_at(self, crops: Sequence[Picture]) -> list[Looks]:
        self.crops += crops
        return [Looks(flame=self._flame, smoke=0.0) for _ in crops]

    def look_at_whole(self, image: Picture) -> Looks:  # noqa: ARG002 - the port's name
        self.wholes += 1
        return Looks(flame=self._flame, smoke=0.0)


def best(detector: FlameDetector, draw: scenes.Draw, seconds: float = 3.0) -> float:
    return max(detector.analyse(frame).score for frame in scenes.scene(draw, seconds, fps=8.0))


def test_what_the_network_does_not_take_for_flame_is_none(tmp_path: Path) -> None:
    assert best(FlameDetector(SETTINGS, Answering(tmp_path, 0.0)), scenes.Flame()) == 0.0
    assert best(FlameDetector(SETTINGS, Answering(tmp_path, 0.9)), scenes.Flame()) == 1.0


@pytest.mark.parametrize("draw", [scenes.orange_cloth, scenes.blinking_sign, scenes.stepping_sign, scenes.lantern])
def test_a_network_that_is_sure_of_everything_makes_no_flame_of_what_moves_otherwise(
    tmp_path: Path, draw: scenes.Draw
) -> None:
    assert best(FlameDetector(SETTINGS, Answering(tmp_path, 1.0)), draw) < SETTINGS.score_min


def held(size: Callable[[float], float]) -> scenes.Draw:
    """A burnt-out spot with a warm rim, as high as `size` says, carried to and fro faster than it can flicker."""

    def draw(canvas: scenes.Canvas, time_s: float) -> None:
        at = round(160 + 55 * math.sin(2.6 * time_s)), round(120 + 15 * math.sin(1.9 * time_s))
        for grown, colour in ((6, (10, 70, 190)), (3, (30, 150, 255)), (0, (225, 240, 255))):
            cv2.ellipse(canvas, at, (6 + grown, round(size(time_s)) + grown), 0, 0, 360, colour, -1)

    return draw


def test_a_flame_in_a_hand_is_one_and_a_lamp_in_a_hand_is_none_however_sure_the_networks_are(tmp_path: Path) -> None:
    flame = held(lambda time_s: 15 + 5 * math.sin(15 * time_s))
    lamp = held(lambda _: 15.0)
    assert best(FlameDetector(SETTINGS, Answering(tmp_path, 0.95)), flame) >= SETTINGS.score_min
    assert best(FlameDetector(SETTINGS, Answering(tmp_path, 0.95)), lamp) < SETTINGS.score_min
    assert best(FlameDetector(SETTINGS, Answering(tmp_path, 0.6)), flame) < SETTINGS.score_min


def test_a_still_picture_of_a_flame_is_none_however_sure_the_network_is(tmp_path: Path) -> None:
    detector = FlameDetector(SETTINGS, Answering(tmp_path, 1.0))
    poster = list(scenes.scene(scenes.Flame(), 1.0))[-1].image.astype(np.float32)
    noise = np.random.default_rng(5)
    for index in range(24):
        grain = noise.normal(0, 2.5, poster.shape).astype(np.float32)
        assert detector.analyse(Frame(scenes.picture(poster + grain), index / 8, index)).score < SETTINGS.score_min


def test_the_looks_of_a_frame_are_bounded_and_every_spot_is_looked_at_within_a_second(tmp_path: Path) -> None:
    def spots(canvas: scenes.Canvas, _time_s: float) -> None:
        for index in range(6):
            canvas[30:46, 20 + 50 * index : 36 + 50 * index] = (20, 60 + 20 * index, 250)

    networks = Answering(tmp_path, 0.0)
    detector = FlameDetector(SETTINGS, networks)
    shown = []
    for frame in scenes.scene(spots, 1.1, fps=8.0):
        before = len(networks.crops)
        detector.analyse(frame)
        shown.append(len(networks.crops) - before)
    assert max(shown) == LOOKS_MAX
    greens = {round(float(crop[28:36, 28:36, 1].mean()), -1) for crop in networks.crops}
    assert greens == {60.0 + 20 * index for index in range(6)}
    assert 1 <= networks.wholes <= 5


def test_a_dark_picture_without_warm_colour_costs_no_look(tmp_path: Path) -> None:
    networks = Answering(tmp_path, 1.0)
    assert best(FlameDetector(SETTINGS, networks), scenes.nothing) == 0.0
    assert (networks.crops, networks.wholes) == ([], 0)


def test_every_region_says_what_speaks_for_it(tmp_path: Path) -> None:
    detector = FlameDetector(SETTINGS, Answering(tmp_path, 0.9))
    *_, last = (detector.analyse(frame) for frame in scenes.scene(scenes.Flame(), 3.0, fps=8.0))
    assert last.regions
    assert all(0.0 <= one.strength <= 1.0 for region in last.regions for one in region.signs)
    assert len({one.sign for one in last.regions[0].signs}) == len(last.regions[0].signs) >= 6


def test_what_is_measured_in_a_frame_is_bounded(tmp_path: Path) -> None:
    flames = [scenes.Flame(x=15 + 50 * n, y=y, w=30, h=50, seed=n) for n in range(6) for y in (20, 130)]

    def draw(canvas: scenes.Canvas, time_s: float) -> None:
        for flame in flames:
            flame(canvas, time_s)

    detector = FlameDetector(SETTINGS, Answering(tmp_path, 0.9))
    found = [len(detector.analyse(frame).regions) for frame in scenes.scene(draw, 3.0, fps=8.0)]
    assert max(found) == MEASURED_MAX
