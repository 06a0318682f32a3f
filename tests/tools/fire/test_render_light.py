from pathlib import Path

import cv2
import numpy as np
import pytest

from tools.fire.render import backgrounds, burning, library, light
from tools.fire.render.blaze import Layer, Place, placed
from tools.fire.render.burning import FOOT, HEIGHT, PLUMES, WIDTH, simulated
from tools.fire.render.camera import Recording, camera
from tools.fire.render.compare import measured, rendered, table
from tools.fire.render.flames import Fire, Flame
from tools.fire.render.stage import Stage
from tools.fire.sequence import Sequence


@pytest.fixture(scope="module")
def paper() -> np.typing.NDArray[np.uint8]:
    return simulated(burning.FLAMES["paper"], 1, records=12)


def test_the_same_seed_simulates_the_same_flame(paper: np.typing.NDArray[np.uint8]) -> None:
    assert paper.shape == (12, HEIGHT, WIDTH)
    assert np.array_equal(paper, simulated(burning.FLAMES["paper"], 1, records=12))


def test_a_simulated_flame_stands_on_its_foot_and_ends_below_the_edge(paper: np.typing.NDArray[np.uint8]) -> None:
    rows = np.asarray(paper > 90).max(axis=(0, 2))
    assert rows[round(HEIGHT * FOOT) - 1]
    assert not rows[: HEIGHT // 20].any()
    assert not rows[round(HEIGHT * 0.95) :].any()


def test_a_simulated_flame_never_stands_still(paper: np.typing.NDArray[np.uint8]) -> None:
    changes = np.abs(paper[1:].astype(np.int16) - paper[:-1])
    assert (changes > 60).any(axis=(1, 2)).all()


def test_smoke_reaches_higher_than_flame(paper: np.typing.NDArray[np.uint8]) -> None:
    plume = simulated(PLUMES["billows"], 1, records=4)
    assert np.flatnonzero((plume > 30).any(axis=(0, 2)))[0] < np.flatnonzero((paper > 90).any(axis=(0, 2)))[0]


def test_a_simulation_is_kept_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    def simulation(_kind: burning.Burning, seed: int) -> np.typing.NDArray[np.uint8]:
        made.append(seed)
        return np.full((2, 3, 4), 7, np.uint8)

    monkeypatch.setattr(library, "simulated", simulation)
    library.densities.cache_clear()
    first = library.densities("paper", 3, tmp_path)
    library.densities.cache_clear()
    second = library.densities("paper", 3, tmp_path)
    library.densities.cache_clear()
    assert made == [3]
    assert np.array_equal(first, second)
    assert len(list(tmp_path.iterdir())) == 1


def test_added_light_never_darkens() -> None:
    canvas = np.random.default_rng(1).random((40, 50, 3), np.float32)
    before = canvas.copy()
    light.lamp(canvas, (20.0, 45.0), 4.0, (0.1, 0.4, 1.0))
    light.bloom(canvas, 0.3, 8.0)
    light.add_light(canvas, np.abs(before) * np.float32(0.1))
    assert (canvas >= before).all()
    assert canvas[45 - 10, 20, 2] > before[35, 20, 2]


def test_a_flame_without_soot_never_darkens_and_is_marked(
    paper: np.typing.NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.fire.render.blaze.densities", lambda _name, _seed: paper)
    scenery = np.full((160, 200, 3), 0.05, np.float32)
    on = Stage((168, 128), scenery, np.full_like(scenery, 0.2), 0.2, 0.01)
    flame = Flame(
        (Layer("paper", 1, 0, 30.0, mirrored=False),), 3.0, 1.5, (0.02, 0.2, 1.0), (0.05, 0.35, 1.0), 0.0, 0.3, 0.2, 0.2
    )
    canvas = scenery.copy()
    marks = Fire(on, flame, Place(100.0, 140.0, 96.0, 130.0))(canvas, 0.5)
    assert (canvas >= scenery).all()
    assert [mark.what for mark in marks].count("flame") >= 1
    left, top, right, bottom = marks[0].box
    assert 40 <= left < right <= 160
    assert 0 <= top < bottom <= 150
    inner = canvas[int(top) : int(bottom), int(left) : int(right)]
    assert inner[:, :, 2].mean() > 2 * inner[:, :, 0].mean()


def test_what_is_small_is_placed_with_all_its_light() -> None:
    density = np.zeros((HEIGHT, WIDTH), np.float32)
    density[60:120, 30:66] = 1.0
    for size in (8.0, 60.0, 300.0):
        seen = placed(density, Place(200.0, 300.0, size, size * 1.5), (400, 400))
        assert seen.sum() == pytest.approx(density.sum() * (size / WIDTH) * (size * 1.5 / HEIGHT), rel=0.1)


def test_light_and_picture_are_each_others_inverse() -> None:
    levels = np.arange(256, dtype=np.uint8)[None, :, None].repeat(3, axis=2)
    linear = light.to_linear(levels)
    assert (np.diff(linear[0, :, 0]) > 0).all()
    assert linear[0, 255, 0] == 1.0
    assert linear[0, 188, 0] == pytest.approx(0.5, abs=0.01)


def test_cameras_take_pictures_of_the_wanted_size() -> None:
    scene = np.random.default_rng(1).random((48, 64, 3), np.float32)
    for seed in range(30):
        chance = np.random.default_rng(seed)
        recording = Recording(camera(chance), chance, (64, 48))
        taken = [recording.picture(scene.copy(), index / 8.0) for index in range(3)]
        assert all(one.shape == (48, 64, 3) and one.dtype == np.uint8 for one in taken)


def test_only_licensed_pictures_are_filmed(tmp_path: Path) -> None:
    picture = np.full((60, 80, 3), (90, 60, 40), np.uint8)
    rows = ["file,label,kind,licence"]
    for name, label, licence in (
        ("a", "other", "CC0"),
        ("b", "other", ""),
        ("c", "fire", "MIT"),
        ("d", "other", "none stated"),
    ):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
        rows.append(f"{name}.png,{label},image,{licence}")
    (tmp_path / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    found = backgrounds.places(tmp_path)
    assert [path.name for path in found.pictures] == ["a.png"]
    assert [path.name for path in found.fires] == ["c.png"]
    assert found(np.random.default_rng(1)).ndim == 3


def test_a_picture_of_fire_lends_only_its_other_parts() -> None:
    burning_picture = np.full((120, 160, 3), (90, 60, 40), np.uint8)
    burning_picture[:60] = (10, 120, 250)
    for seed in range(10):
        part = backgrounds.without_fire(np.random.default_rng(seed), burning_picture)
        assert part is None or (part[:, :, 2] < 100).mean() > 0.99


def test_clips_are_measured_as_the_detector_sees_them() -> None:
    chance = np.random.default_rng(1)
    frames = chance.integers(0, 80, (20, 120, 160, 3)).astype(np.uint8)
    for frame in frames:
        frame[40:80, 60:100] = (20, 120, 250)
        frame[40 : 40 + int(chance.integers(5, 40)), 60:100] = (10, 60, 130)
    clip = Sequence(frames, 8.0, "made", "flame", ((),) * 20, ((),) * 20)
    found = rendered(clip)
    assert found["slow"][0] + found["middling"][0] + found["fast"][0] == pytest.approx(1.0)
    text = table({"made": [found, measured(())]})
    assert "slow" in text
