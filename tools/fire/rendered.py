"""Rendered clips as marked pictures, with the pictures of the training folder as their backgrounds."""

import multiprocessing as mp
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.random import Generator

from edge.cameras.picture import shrink
from edge.cameras.ports import Picture, Region
from tools.fire.ahead import one_opencv_thread
from tools.fire.marked import Mark, Marked
from tools.fire.pictures import SIDE_PX_MAX
from tools.fire.proposals import proposals
from tools.fire.render.backgrounds import Backgrounds, alley, walls
from tools.fire.render.clips import sequences
from tools.fire.sequence import Sequence as Clip

PICTURES_PER_CLIP = 5
SOURCE = "tools.fire.render"

_CLIPS_PER_PART, _PARTS_MAX, _PROCESSES = 25, 1000, 2
_REAL_SHARE, _ALLEY_SHARE = 0.8, 0.06
_SIZE_MIN = 1e-4


def rendered_pictures(seed: int, clips: int, backgrounds: Sequence[Marked]) -> Iterator[Marked]:
    """Five pictures of each of `clips` rendered clips; a clip is a scene of its own."""
    for number, clip in enumerate(sequences(seed, clips, _places(backgrounds))):
        yield from _pictures(clip, f"rendered-{seed}-{number}")


def render_all(seed: int, clips: int, backgrounds: Sequence[Marked], say: Callable[[str], None]) -> list[Marked]:
    """The pictures of `clips` clips, rendered by two processes at a time, the same whatever their pace."""
    parts = [
        (seed * _PARTS_MAX + part, min(_CLIPS_PER_PART, clips - begin))
        for part, begin in enumerate(range(0, clips, _CLIPS_PER_PART))
    ]
    begun_s, found = time.monotonic(), []
    with one_opencv_thread(), mp.get_context("fork").Pool(_PROCESSES) as pool:
        for done, pictures in enumerate(pool.imap(partial(_rendered, backgrounds), parts), start=1):
            found += pictures
            left_s = (time.monotonic() - begun_s) / done * (len(parts) - done)
            say(f"rendered {min(done * _CLIPS_PER_PART, clips)} of {clips} clips; {left_s:.0f} s left")
    return found


def _rendered(backgrounds: Sequence[Marked], part: tuple[int, int]) -> list[Marked]:
    return list(rendered_pictures(part[0], part[1], backgrounds))


def _places(backgrounds: Sequence[Marked]) -> Backgrounds:
    """Mostly the real pictures without fire, else the simulator's alley or a rendered wall."""

    def place(chance: Generator) -> Picture:
        dice = chance.random()
        if backgrounds and dice < _REAL_SHARE:
            return backgrounds[int(chance.integers(len(backgrounds)))].image
        return alley(chance) if dice > 1.0 - _ALLEY_SHARE else walls(chance)

    return place


def _pictures(clip: Clip, scene: str) -> Iterator[Marked]:
    for index in np.linspace(0, len(clip.frames) - 1, PICTURES_PER_CLIP).astype(int):
        image = shrink(clip.frames[index], SIDE_PX_MAX)
        flames = _marks(clip.flames[index])
        smokes = _marks(clip.smokes[index])
        if (clip.label == "flame" and not flames) or (clip.label == "smoke" and not smokes):
            continue
        others = [] if clip.label == "smoke" else list(clip.lookalikes[index] if clip.lookalikes else ())
        if clip.label == "other":
            others += proposals(image)
        free = [region for region in others if not any(_touch(region, burning) for burning in [*flames, *smokes])]
        marks = (
            [Mark(r, "flame") for r in flames] + [Mark(r, "smoke") for r in smokes] + [Mark(r, "other") for r in free]
        )
        yield Marked(image, tuple(marks), clip.label, scene, "rendered", SOURCE)


def _marks(regions: Sequence[Region]) -> list[Region]:
    return [region for region in regions if region.w * region.h >= _SIZE_MIN]


def _touch(one: Region, other: Region) -> bool:
    across = min(one.x + one.w, other.x + other.w) - max(one.x, other.x)
    down = min(one.y + one.h, other.y + other.h) - max(one.y, other.y)
    return across > 0.0 and down > 0.0
