"""Pictures of odd sizes and kinds: looked at, or refused in one sentence."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cameras.confirmation import FireState
from edge.cameras.detect import detect_file
from edge.cameras.pipeline import fire_pipeline
from edge.cameras.ports import Frame, Picture
from edge.cameras.settings import FireSettings
from tests.edge.cameras import scenes

SETTINGS = FireSettings()


def last_of(frames: list[Frame]) -> Picture:
    return frames[-1].image


@pytest.fixture(scope="module")
def flame() -> Picture:
    return last_of(list(scenes.scene(scenes.Flame(), 1.0)))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("grey.png", lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)),
        ("grey16.png", lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2GRAY).astype(np.uint16) * 257),
        ("colour16.png", lambda image: image.astype(np.uint16) * 257),
        ("alpha.png", lambda image: cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)),
        ("one_pixel.png", lambda image: image[:1, :1]),
        ("one_row.png", lambda image: image[100:101]),
        ("one_column.png", lambda image: image[:, 160:161]),
        ("odd.png", lambda image: image[:239, :317]),
        ("4k.jpg", lambda image: cv2.resize(image, (3840, 2160))),
    ],
)
def test_a_still_of_any_kind_is_looked_at(
    tmp_path: Path, flame: Picture, name: str, make: Callable[[Picture], NDArray[np.integer]]
) -> None:
    cv2.imwrite(str(tmp_path / name), make(flame))
    result = detect_file(tmp_path / name, SETTINGS)
    assert (result.frames, result.fps) == (1, 0.0)
    assert result.alarm == (name in {"colour16.png", "alpha.png", "odd.png", "4k.jpg"})


@pytest.mark.parametrize("turns", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_90_COUNTERCLOCKWISE], ids=["right", "left"])
def test_a_flame_is_found_by_a_camera_that_hangs_on_its_side(turns: int) -> None:
    pipeline = fire_pipeline(SETTINGS)
    states = [
        pipeline.process(Frame(np.asarray(cv2.rotate(f.image, turns), np.uint8), f.time_s, f.index)).state
        for f in scenes.scene(scenes.Flame(), 4.0)
    ]
    assert states[-1] is FireState.CONFIRMED


@pytest.mark.parametrize("size", [(1, 1), (2, 500), (500, 2), (31, 33), (241, 319), (2160, 3840)])
def test_frames_of_any_size_are_analysed(size: tuple[int, int]) -> None:
    pipeline = fire_pipeline(SETTINGS)
    chance = np.random.default_rng(1)
    tile: NDArray[np.uint8] = chance.integers(0, 256, (min(size[0], 64), min(size[1], 64), 3)).astype(np.uint8)
    for index in range(6):
        rolled = np.roll(tile, index, axis=1)
        image = np.tile(rolled, (-(-size[0] // tile.shape[0]), -(-size[1] // tile.shape[1]), 1))[: size[0], : size[1]]
        assert pipeline.process(Frame(np.ascontiguousarray(image), index / 8, index)).analysed


def test_a_camera_that_changes_its_size_begins_anew() -> None:
    pipeline = fire_pipeline(SETTINGS)
    scores = [pipeline.process(frame).score for frame in scenes.scene(scenes.Flame(), 1.5)]
    assert scores[-1] > 0.0
    cut = (Frame(f.image[:200], f.time_s, f.index) for f in scenes.scene(scenes.Flame(), 0.3, start_s=1.6))
    assert [pipeline.process(frame).score for frame in cut][:2] == [0.0, 0.0]


@pytest.mark.parametrize(
    "image",
    [np.zeros((240, 320), np.uint8), np.zeros((240, 320, 3), np.uint16), np.zeros((0, 320, 3), np.uint8)],
    ids=["grey", "16 bit", "empty"],
)
def test_a_frame_of_another_kind_is_refused_in_a_sentence(image: Picture) -> None:
    with pytest.raises(ValueError, match="a picture is height x width x 3 of uint8, this one is"):
        fire_pipeline(SETTINGS).process(Frame(image, 0.0, 0))
