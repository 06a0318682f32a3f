"""Look at rendered clips, or compare their flames with real ones.

`python -m tools.fire.render sheet OUT.png` draws clips of each kind; `compare DIR` prints how the detector's measures
are spread over the fire clips of a folder with `labels.csv`, and over as many rendered ones.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from edge.cameras.ports import Picture
from tools.fire.render import compare
from tools.fire.render.backgrounds import Backgrounds, Places, places
from tools.fire.render.clips import KINDS, flame_sequence, other_sequence, smoke_sequence
from tools.fire.sequence import Sequence

_CELL = (200, 150)
_COLUMNS = 6
_HIGH_MIN = 0.12
"""Compared are flames that fill at least this share of the picture's height at some time."""


def main() -> None:
    """Read the arguments, draw or compare."""
    parser = argparse.ArgumentParser(prog="python -m tools.fire.render", description=__doc__)
    parser.add_argument("what", choices=("sheet", "compare"))
    parser.add_argument("path", type=Path, help="the PNG to write, or the folder of real clips")
    parser.add_argument("--material", type=Path, help="a training folder whose pictures are the backgrounds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100, help="rendered clips to compare")
    asked = parser.parse_args()
    where: Backgrounds = places(asked.material) if asked.material else Places()
    if asked.what == "sheet":
        cv2.imwrite(str(asked.path), sheet(asked.seed, where))
        return
    made = (compare.rendered(clip) for clip in _flames(asked.seed, asked.count, where))
    print(compare.table({"real": compare.real(asked.path, "fire"), "rendered": made}))


def sheet(seed: int, where: Backgrounds) -> Picture:
    """One picture of a clip of every look-alike, and of twelve flames and six plumes."""
    cells = [_cell(clip) for clip in _shown(seed, where)]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % _COLUMNS)
    rows = [np.hstack(cells[start : start + _COLUMNS]) for start in range(0, len(cells), _COLUMNS)]
    return np.asarray(np.vstack(rows), np.uint8)


def _shown(seed: int, where: Backgrounds) -> Iterator[Sequence]:
    for number in range(18):
        chance = np.random.default_rng((seed, number))
        background = where(chance)
        yield smoke_sequence(chance, background) if number % 3 == 0 else flame_sequence(chance, background)
    for number, kind in enumerate(KINDS):
        chance = np.random.default_rng((seed, 100 + number))
        yield other_sequence(chance, where(chance), kind)


def _cell(clip: Sequence) -> Picture:
    picture = np.asarray(cv2.resize(clip.frames[len(clip.frames) // 2], _CELL), np.uint8)
    cv2.putText(picture, f"{clip.label}: {clip.kind}", (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 255, 0), 1)
    return picture


def _flames(seed: int, count: int, where: Backgrounds) -> Iterator[Sequence]:
    for number in range(count):
        chance = np.random.default_rng((seed, number))
        clip = flame_sequence(chance, where(chance))
        if max((region.h for frame in clip.flames for region in frame), default=0.0) > _HIGH_MIN:
            yield clip


if __name__ == "__main__":
    main()
