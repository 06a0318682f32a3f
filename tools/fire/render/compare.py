"""How rendered clips compare with real ones, measured as the detector measures them: one table of quantiles.

Real clips serve this comparison only: nothing of them goes into what is rendered.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.cameras.candidates import candidates
from edge.cameras.flame_colour import flame_colour
from edge.cameras.measures import evidence_of
from edge.cameras.media import open_clip
from edge.cameras.picture import shrink
from edge.cameras.ports import Frame, Picture
from edge.cameras.scene import Scene, begun, continues, view_of
from tools.fire.sequence import Sequence

SIDE_PX, FPS, SECONDS = 320, 8.0, 4.0
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
_SETTLED_FRAMES = 6
_PX_MIN = 10
_BURNT_RED, _BURNT_GREEN = 250, 230
_LIVELY_LEVELS = 20.0

Measures = dict[str, list[float]]


def measured(frames: Iterable[Frame], flames: Iterable[NDArray[np.bool_]] | None = None) -> Measures:
    """The evidence of the largest candidate of each frame, and the colours of its flame-coloured pixels.

    `flames` are masks of where flames are known to be; candidates elsewhere are passed over.
    """
    found: Measures = {}
    scene: Scene | None = None
    where = iter(flames) if flames is not None else None
    levels: list[NDArray[np.float32]] = []
    for index, frame in enumerate(frames):
        view, inside = view_of(frame, SIDE_PX, ()), next(where) if where else None
        if scene is None or not continues(scene.last, view):
            scene = begun(view)
            continue
        scene.take(view)
        levels.append(frame.image[:, :, 2].astype(np.float32))
        for candidate in candidates(scene.flickering())[:1] if index >= _SETTLED_FRAMES else ():
            if inside is not None and not inside[candidate.window].any():
                continue
            evidence = evidence_of(scene, view, candidate)
            if evidence is not None:
                for name in evidence.__slots__:
                    found.setdefault(name, []).append(float(getattr(evidence, name)))
                found.setdefault("flicker_px_share", []).append(float(candidate.area.sum()) / view.flame.size)
        _colours(frame.image, inside, found)
        scene.last = view
    _spectrum(levels, found)
    return found


def _colours(image: Picture, inside: NDArray[np.bool_] | None, found: Measures) -> None:
    flame = flame_colour(image).flame if inside is None else flame_colour(image).flame & inside
    if int(flame.sum()) < _PX_MIN:
        return
    blue, green, red = (image[:, :, channel][flame].astype(np.float32) for channel in range(3))
    found.setdefault("red", []).append(float(red.mean()))
    found.setdefault("green_of_red", []).append(float((green / red).mean()))
    found.setdefault("blue_of_red", []).append(float((blue / red).mean()))
    found.setdefault("burnt_out", []).append(float(((red > _BURNT_RED) & (green > _BURNT_GREEN)).mean()))


def _spectrum(levels: list[NDArray[np.float32]], found: Measures) -> None:
    """Shares of the change of lively pixels that is slow, middling and fast: to a quarter, half, all of FPS / 2."""
    if len(levels) < 2 * _SETTLED_FRAMES or len({level.shape for level in levels}) > 1:
        return
    stack = np.stack(levels)
    lively = stack.std(axis=0) > _LIVELY_LEVELS
    if int(lively.sum()) < _PX_MIN:
        return
    course = stack[:, lively] - stack[:, lively].mean(axis=0)
    power = (np.abs(np.fft.rfft(course * np.hanning(len(course))[:, None], axis=0)) ** 2).sum(axis=1)[1:]
    ends = (len(power) // 4, len(power) // 2, len(power))
    start = 0
    for name, end in zip(("slow", "middling", "fast"), ends, strict=True):
        found.setdefault(name, []).append(float(power[start:end].sum() / power.sum()))
        start = end


def real(folder: Path, label: str) -> Iterator[Measures]:
    """The measures of each clip of a folder with `labels.csv`, four seconds from its first flame on."""
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["kind"] == "video" and row["label"] == label]
    for row in rows:
        yield measured(_eight_a_second(folder / row["file"], int(row["first_flame_frame"] or 0)))


def _eight_a_second(path: Path, first: int) -> Iterator[Frame]:
    with open_clip(path) as clip:
        due_s, start_s = 0.0, first / clip.fps
        for frame in clip.frames:
            time_s = frame.time_s - start_s
            if time_s > SECONDS:
                return
            if time_s >= due_s:
                due_s += 1.0 / FPS
                yield Frame(shrink(frame.image, SIDE_PX), time_s, frame.index)


def rendered(clip: Sequence) -> Measures:
    """The measures of a rendered clip, of its flames where it has any."""
    frames = [Frame(shrink(image, SIDE_PX), index / clip.fps, index) for index, image in enumerate(clip.frames)]
    if clip.label != "flame":
        return measured(frames)
    masks = []
    for frame, regions in zip(frames, clip.flames, strict=True):
        height, width = frame.image.shape[:2]
        mask = np.zeros((height, width), np.bool_)
        for one in regions:
            rows = slice(int(one.y * height), int(np.ceil((one.y + one.h) * height)))
            mask[rows, int(one.x * width) : int(np.ceil((one.x + one.w) * width))] = True
        masks.append(mask)
    return measured(frames, masks)


def table(groups: Mapping[str, Iterable[Measures]]) -> str:
    """Quantiles over clips of the clips' medians, a line per measure and group."""
    medians: dict[str, dict[str, list[float]]] = {}
    for group, clips in groups.items():
        for clip in clips:
            for name, values in clip.items():
                medians.setdefault(name, {}).setdefault(group, []).append(float(np.median(values)))
    lines = [f"{'measure':18} {'clips of':10} {'n':>4} " + " ".join(f"{part:>8.0%}" for part in QUANTILES)]
    for name, by_group in medians.items():
        for group, values in by_group.items():
            cells = " ".join(f"{value:8.3f}" for value in np.quantile(values, QUANTILES))
            lines.append(f"{name:18} {group:10} {len(values):4d} {cells}")
    return "\n".join(lines)
