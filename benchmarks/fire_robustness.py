"""The fire detector where nobody tuned it: altered clips, flames shrunk into other clips, rendered look-alikes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.fire_nuisances import NUISANCES, alley, nuisance
from edge.cameras.media import open_clip
from edge.cameras.picture import shrink
from edge.cameras.pipeline import FireState, fire_pipeline
from edge.cameras.ports import Frame, Picture
from edge.cameras.settings import FireSettings

Alter = Callable[[Frame], Picture]

_SIDE_PX = 320
_FPS_READ = 12.5
_FLAME_S_MAX = 14.0
_NUISANCE_SEEDS, _NUISANCE_S = 4, 15.0
_ALLEY_SEEDS, _ALLEY_S = 4, 30.0
_SMALL_PX = (64, 48, 32)


def _levels(gain: float, gamma: float = 1.0) -> Alter:
    table = np.clip(255.0 * (np.arange(256) / 255.0) ** gamma * gain, 0, 255).astype(np.uint8)
    return lambda frame: table[frame.image]


def _balance(blue: float, red: float) -> Alter:
    gains = np.array([blue, 1.0, red], np.float32)
    return lambda frame: np.clip(frame.image * gains, 0, 255).astype(np.uint8)


def _compressed(frame: Frame) -> Picture:
    """Noise of a small sensor, then JPEG at quality 30: blocks and smeared colour."""
    noise = np.random.default_rng(frame.index).standard_normal(frame.image.shape, np.float32)
    noisy = np.clip(frame.image + 4.0 * noise, 0, 255).astype(np.uint8)
    encoded = cv2.imencode(".jpg", noisy, [cv2.IMWRITE_JPEG_QUALITY, 30])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def _scaled(side_px: int) -> Alter:
    def alter(frame: Frame) -> Picture:
        scale = side_px / max(frame.image.shape[:2])
        how = cv2.INTER_AREA if scale < 1.0 else cv2.INTER_CUBIC
        return np.asarray(cv2.resize(frame.image, None, fx=scale, fy=scale, interpolation=how), np.uint8)

    return alter


def _shaken(frame: Frame) -> Picture:
    """A pole in the wind: up to two pixels of 320 to and fro, three to five times a second."""
    t = frame.time_s
    across, down = 1.2 * np.sin(9.1 * t) + 0.6 * np.sin(23 * t + 1), 0.9 * np.sin(11.7 * t + 2) + 0.4 * np.sin(31 * t)
    shift = np.array([[1, 0, across], [0, 1, down]], np.float32)
    size = frame.image.shape[1], frame.image.shape[0]
    return np.asarray(cv2.warpAffine(frame.image, shift, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _mirrored(frame: Frame) -> Picture:
    return np.ascontiguousarray(frame.image[:, ::-1])


def _unaltered(frame: Frame) -> Picture:
    return frame.image


@dataclass(frozen=True, slots=True)
class _Variant:
    """One way in which another camera would show the clips."""

    name: str
    alter: Alter
    analysed_fps: float = 8.0


_VARIANTS = (
    _Variant("as they are", _unaltered),
    _Variant("levels x 0.7", _levels(0.7)),
    _Variant("levels x 1.3", _levels(1.3)),
    _Variant("gamma 0.7", _levels(1.0, 0.7)),
    _Variant("gamma 1.4", _levels(1.0, 1.4)),
    _Variant("warmer white", _balance(0.85, 1.12)),
    _Variant("cooler white", _balance(1.15, 0.9)),
    _Variant("noise and JPEG", _compressed),
    _Variant("4 frames a second", _unaltered, 4.0),
    _Variant("5 frames a second", _unaltered, 5.0),
    _Variant("12 frames a second", _unaltered, 12.0),
    _Variant("160 pixels wide", _scaled(160)),
    _Variant("1280 pixels wide", _scaled(1280)),
    _Variant("mirrored", _mirrored),
    _Variant("shaking camera", _shaken),
)


@dataclass(slots=True)
class _Tally:
    fires: int = 0
    detected: int = 0
    others: int = 0
    false: int = 0

    def add(self, *, is_fire: bool, alarm: bool) -> None:
        if is_fire:
            self.fires += 1
            self.detected += alarm
        else:
            self.others += 1
            self.false += alarm


def print_robustness(data: Path, rows: Sequence[dict[str, str]], seed: int) -> None:
    """Print a line for each variant of the clips, for small flames, and for each kind of rendered look-alike."""
    _print_variants(data, rows)
    _print_small(data, rows)
    _print_nuisances(seed)
    _print_alley(seed)


def _print_variants(data: Path, rows: Sequence[dict[str, str]]) -> None:
    tallies = {variant.name: _Tally() for variant in _VARIANTS}
    for row in rows:
        frames = _read(data, row)
        for variant in _VARIANTS:
            altered = (replace(frame, image=variant.alter(frame)) for frame in frames)
            alarm = _watch(altered, variant.analysed_fps)[0]
            tallies[variant.name].add(is_fire=row["label"] == "fire", alarm=alarm)
    print(f"robustness: the clips as other cameras would show them (the first {_FLAME_S_MAX:.0f} s of each flame)")
    for name, tally in tallies.items():
        print(f"  {name:<20} detected {tally.detected}/{tally.fires}, false {tally.false}/{tally.others}")


def _print_small(data: Path, rows: Sequence[dict[str, str]]) -> None:
    fires = [row for row in rows if row["label"] == "fire"]
    others = [row for row in rows if row["label"] != "fire"]
    found = dict.fromkeys(_SMALL_PX, 0)
    for number, row in enumerate(fires):
        frames, behind = _read(data, row), _read(data, others[number % len(others)])
        for side_px in _SMALL_PX:
            found[side_px] += _watch(_inserted(frames, behind, side_px, number), 8.0)[0]
    for side_px, count in found.items():
        print(f"  fire clips {side_px} pixels wide within others: detected {count}/{len(fires)}")


def _print_nuisances(seed: int) -> None:
    seeds = [100 * seed + number for number in range(1, _NUISANCE_SEEDS + 1)]
    print(f"rendered look-alikes, seeds {seeds[0]} to {seeds[-1]}, {_NUISANCE_S:.0f} s each")
    for make in NUISANCES:
        _print_quiet(make.__name__.replace("_", " "), [nuisance(make, one, _NUISANCE_S) for one in seeds])


def _print_alley(seed: int) -> None:
    seeds = [100 * seed + number for number in range(1, _ALLEY_SEEDS + 1)]
    for nasty, name in ((False, "alley"), (True, "alley, fast sign, coats")):
        scenes = [alley(one, light, _ALLEY_S, nasty=nasty) for light in ("night", "day") for one in seeds]
        _print_quiet(name, scenes)


def _print_quiet(name: str, scenes: Sequence[Iterable[Frame]]) -> None:
    watched = [_watch(scene, 8.0) for scene in scenes]
    false, suspected = sum(alarm for alarm, _ in watched), sum(suspect for _, suspect in watched)
    print(f"  {name:<24} false {false}/{len(watched)}, suspected for a moment {suspected}/{len(watched)}")


def _watch(frames: Iterable[Frame], analysed_fps: float) -> tuple[bool, bool]:
    """Whether there was an alarm, and whether there was at least a suspicion; ends at the alarm."""
    pipeline = fire_pipeline(FireSettings(analysed_fps=analysed_fps))
    suspected = False
    for frame in frames:
        state = pipeline.process(frame).state
        if state is FireState.CONFIRMED:
            return True, True
        suspected = suspected or state is FireState.SUSPECTED
    return False, suspected


def _read(data: Path, row: dict[str, str]) -> list[Frame]:
    """The clip at 320 pixels and 12.5 frames a second at most; a fire clip only while its flame is young."""
    frames: list[Frame] = []
    due_s = 0.0
    with open_clip(data / row["file"]) as clip:
        end_s = float(row["first_flame_frame"] or 0) / clip.fps + _FLAME_S_MAX if row["label"] == "fire" else np.inf
        for frame in clip.frames:
            if frame.time_s > end_s:
                break
            if frame.time_s >= due_s:
                frames.append(replace(frame, image=shrink(frame.image, _SIDE_PX)))
                due_s = max(due_s + 1.0 / _FPS_READ, frame.time_s)
    return frames


def _inserted(frames: Sequence[Frame], behind: Sequence[Frame], side_px: int, number: int) -> Iterator[Frame]:
    """`frames`, shrunk to `side_px`, at a place of their own within `behind`, which plays to and fro."""
    for index, frame in enumerate(frames):
        at = index % (2 * len(behind) - 2)
        image = behind[min(at, 2 * len(behind) - 2 - at)].image.copy()
        small: NDArray[np.uint8] = shrink(frame.image, side_px)
        top = 37 * number % (image.shape[0] - small.shape[0])
        left = 91 * number % (image.shape[1] - small.shape[1])
        image[top : top + small.shape[0], left : left + small.shape[1]] = small
        yield replace(frame, image=image)
