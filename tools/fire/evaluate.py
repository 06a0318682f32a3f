"""What the two networks say about the pictures and clips of a folder, through the product's own code and OpenCV.

Nothing is learned here, so rows of any licence may be looked at.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge.cameras.crops import crop_of
from edge.cameras.media import open_clip, read_still
from edge.cameras.network import FireNetworks
from edge.cameras.picture import shrink
from edge.cameras.ports import Picture
from runtime.errors import FatalError
from tools.fire.pictures import SIDE_PX_MAX
from tools.fire.proposals import proposals

Say = Callable[[str], None]

_STEP_S, _TICK_S = 0.5, 1e-4
_CLIP_S_MAX = 14.0
_HALF = 0.5


@dataclass(frozen=True, slots=True)
class Figure:
    """How one network (or both) parts pictures with fire from those without, on one set.

    `area` is the area under the ROC curve; `found` and `false` are the shares called fire at a probability of 0.5.
    """

    set_name: str
    looked_with: str
    fires: int
    others: int
    area: float
    found: float
    false: float


@dataclass(frozen=True, slots=True)
class _Said:
    is_fire: bool
    crops: float
    whole: float


def figures(folder: Path, models: Path, learned: frozenset[str], say: Say) -> list[Figure]:
    """Stills and clips of `folder`; `learned` names the files (as labels.csv does) that trained the networks.

    A still of fire that was learned from is left out. A still counts by its best flame-coloured region, a clip by the
    median over two pictures a second. Raises `FatalError` when the folder has no labels.csv or a file cannot be read.
    """
    path = folder / "labels.csv"
    if not path.is_file():
        raise FatalError(f"{path} is missing; the folder to evaluate on holds labels.csv")
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    networks = FireNetworks(models)
    sets: list[Figure] = []
    for name, kind in (("stills never learned from", "image"), ("clips", "video")):
        wanted = [row for row in rows if row["kind"] == kind and row["file"] not in learned]
        say(f"evaluating {len(wanted)} {name}")
        said = [_said(networks, folder / row["file"], kind, is_fire=row["label"] == "fire") for row in wanted]
        if any(one.is_fire for one in said) and not all(one.is_fire for one in said):
            sets += _figures(name, said)
    return sets


def area_under_curve(fires: Sequence[float], others: Sequence[float]) -> float:
    """The probability that a fire's score is above that of something else; ties count half (Mann and Whitney 1947)."""
    above = sum((np.sign(np.asarray(fires) - other) + 1.0).sum() / 2.0 for other in others)
    return float(above) / (len(fires) * len(others))


def _figures(name: str, said: Sequence[_Said]) -> Iterator[Figure]:
    ways: tuple[tuple[str, Callable[[_Said], float]], ...] = (
        ("crops", lambda one: one.crops),
        ("whole", lambda one: one.whole),
        ("mean of both", lambda one: (one.crops + one.whole) / 2.0),
    )
    for looked_with, score in ways:
        fires = [score(one) for one in said if one.is_fire]
        others = [score(one) for one in said if not one.is_fire]
        yield Figure(
            name,
            looked_with,
            len(fires),
            len(others),
            area_under_curve(fires, others),
            float(np.mean(np.array(fires) > _HALF)),
            float(np.mean(np.array(others) > _HALF)),
        )


def _said(networks: FireNetworks, path: Path, kind: str, *, is_fire: bool) -> _Said:
    seen = [_looked(networks, image) for image in _pictures(path, kind)]
    return _Said(is_fire, float(np.median([crops for crops, _ in seen])), float(np.median([w for _, w in seen])))


def _looked(networks: FireNetworks, image: Picture) -> tuple[float, float]:
    regions = proposals(shrink(image, SIDE_PX_MAX))
    looks = networks.look_at([crop_of(image, region) for region in regions])
    return max((look.flame for look in looks), default=0.0), networks.look_at_whole(image).flame


def _pictures(path: Path, kind: str) -> Iterator[Picture]:
    if kind == "image":
        yield read_still(path)
        return
    due_s = 0.0
    with open_clip(path) as clip:
        for frame in clip.frames:
            if frame.time_s > _CLIP_S_MAX:
                return
            if frame.time_s + _TICK_S >= due_s:
                due_s = frame.time_s + _STEP_S
                yield frame.image
