import numpy as np
import pytest
from numpy.typing import NDArray

from edge.cameras.ports import Region
from tools.fire.render import backgrounds, clips, library
from tools.fire.render.__main__ import sheet
from tools.fire.render.burning import HEIGHT, WIDTH
from tools.fire.render.held import held_flame
from tools.fire.render.stage import film, stage
from tools.fire.sequence import Sequence


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pictures, and flames that stand in for simulated ones, which take seconds and are tested by themselves."""
    monkeypatch.setattr("tools.fire.render.stage.SIZES", ((160, 120), (120, 160)))
    records = _licking()
    for module in ("tools.fire.render.blaze", "tools.fire.render.flames"):
        monkeypatch.setattr(f"{module}.densities", lambda _name, _seed: records)


def _licking() -> NDArray[np.uint8]:
    chance = np.random.default_rng(1)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    body = (np.abs(columns - WIDTH / 2) < (rows - HEIGHT * 0.3) * 0.3) & (rows < HEIGHT * 0.87)
    tops = chance.uniform(0.3, 1.0, (16, 1, WIDTH))
    return np.asarray(255 * body * tops, np.uint8)


def _place() -> NDArray[np.uint8]:
    return backgrounds.walls(np.random.default_rng(2))


def _inside(regions: tuple[tuple[Region, ...], ...]) -> bool:
    return all(
        r.x >= 0 and r.y >= 0 and r.w > 0 and r.h > 0 and r.x + r.w <= 1 + 1e-9 and r.y + r.h <= 1 + 1e-9
        for frame in regions
        for r in frame
    )


def _whole(clip: Sequence) -> bool:
    count = len(clip.frames)
    lists = (clip.flames, clip.smokes, clip.lookalikes)
    return all(len(one) == count for one in lists) and all(_inside(one) for one in lists)


@pytest.mark.parametrize("kind", list(clips.KINDS))
def test_every_lookalike_renders_and_marks_no_flame(kind: str) -> None:
    for seed in range(2):
        clip = clips.other_sequence(np.random.default_rng(seed), _place(), kind)
        assert clip.label == "other"
        assert clip.kind == kind
        assert clip.frames.dtype == np.uint8
        assert clip.frames.ndim == 4
        assert not any(clip.flames)
        assert not any(clip.smokes)
        assert _whole(clip)


def test_a_flame_is_marked_where_the_picture_is_brighter_and_redder() -> None:
    marked = 0
    for seed in range(8):
        clip = clips.flame_sequence(np.random.default_rng((3, seed)), _place())
        assert clip.label == "flame"
        assert _whole(clip)
        marked += any(clip.flames)
    assert marked >= 5


def test_a_held_flame_is_carried_about_and_marked_where_it_is() -> None:
    ways, marked = [], 0
    for seed in range(6):
        chance = np.random.default_rng((6, seed))
        on = stage(chance, _place())
        clip = film(chance, on, held_flame(chance, on), "held", "flame")
        assert _whole(clip)
        middles = [region.x + region.w / 2 for frame in clip.flames for region in frame[:1]]
        marked += bool(middles)
        ways.append(max(middles, default=0.0) - min(middles, default=0.0))
    assert marked >= 4
    assert max(ways) > 0.1


def test_smoke_is_marked_as_smoke() -> None:
    made = [clips.smoke_sequence(np.random.default_rng((4, seed)), _place()) for seed in range(4)]
    assert all(clip.label == "smoke" and _whole(clip) and not any(clip.flames) for clip in made)
    assert any(any(clip.smokes) for clip in made)


def test_a_seed_gives_the_same_clips_and_another_seed_others() -> None:
    first, again, other = (list(clips.sequences(seed, 3, backgrounds.walls)) for seed in (5, 5, 6))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.frames, two.frames)
        assert one.flames == two.flames
    assert any(
        a.frames.shape != b.frames.shape or not np.array_equal(a.frames, b.frames)
        for a, b in zip(first, other, strict=True)
    )


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(KeyError):
        clips.other_sequence(np.random.default_rng(1), _place(), "unicorn")


def test_a_flame_changes_the_picture_within_a_tenth_of_a_second() -> None:
    clip = clips.flame_sequence(np.random.default_rng((3, 1)), _place())
    changes = np.abs(clip.frames[1:].astype(np.int16) - clip.frames[:-1]).max(axis=(1, 2, 3))
    assert np.median(changes) > 20


def test_a_stage_is_larger_than_what_is_filmed() -> None:
    on = stage(np.random.default_rng(1), _place())
    assert on.width > on.size[0]
    assert on.height > on.size[1]


def test_an_unknown_flame_is_refused() -> None:
    with pytest.raises(KeyError):
        library.densities("unicorn", 0)


def test_the_sheet_shows_every_lookalike() -> None:
    drawn = sheet(1, backgrounds.walls)
    assert drawn.shape == (150 * 8, 200 * 6, 3)
