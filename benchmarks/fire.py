"""Fire detection on real clips and stills: what is found, what is false, how soon, how fast, beside two baselines.

Reads a folder with `labels.csv` as the folder `fire` of the real data has it (--data, or JANGTEO_DATA). Scenes are
split by seed into a development and a validation half; thresholds were chosen on the development half of seed 1.
`--robustness` shows the same clips as other cameras would, small flames, and rendered look-alikes.
"""

import argparse
import csv
import random
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import cv2

from benchmarks.fire_baselines import ColourFlicker, ColourMotion
from benchmarks.fire_clips import data_dir
from benchmarks.fire_process import print_process
from benchmarks.fire_rendered import print_rendered
from benchmarks.fire_robustness import print_robustness
from edge.cameras.detect import detect_file
from edge.cameras.media import open_clip
from edge.cameras.pipeline import FireState, fire_pipeline
from edge.cameras.ports import Frame
from edge.cameras.settings import FireSettings

SHIPPED, MOTION, FLICKER = "this detector", "colour + motion", "colour + flicker"
DETECTORS = (SHIPPED, MOTION, FLICKER)
DEVELOPMENT, VALIDATION = "development", "validation"

T = TypeVar("T")


@dataclass(slots=True)
class _Seen:
    """What one detector made of one clip: frames that show flame of those with one and of those without, in order."""

    alarm_s: float | None = None
    hits: list[bool] = field(default_factory=list)
    frame_ms: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Watched:
    """One clip. `burning` says of each analysed frame whether a flame is visible by its label."""

    name: str
    scene: str
    is_fire: bool
    first_flame_s: float
    burning: tuple[bool, ...]
    score_max: float
    seen: dict[str, _Seen]

    def delay_s(self, detector: str) -> float | None:
        """From the first visible flame to the alarm."""
        alarm_s = self.seen[detector].alarm_s
        return None if alarm_s is None else alarm_s - self.first_flame_s


def main(arguments: Sequence[str]) -> int:
    """Watch every clip and still; print a line a clip, the figures of each half, speed and memory."""
    parser = argparse.ArgumentParser(prog="scripts/bench fire", description=__doc__)
    parser.add_argument("--data", type=Path, help="a folder with labels.csv, images and videos")
    parser.add_argument("--seed", type=int, default=1, help="splits the scenes into halves, renders the look-alikes")
    parser.add_argument("--robustness", action="store_true", help="also altered clips and look-alikes (20 minutes)")
    chosen = parser.parse_args(arguments)
    data = chosen.data or data_dir() / "fire"
    if not (data / "labels.csv").is_file():
        parser.error(f"{data}/labels.csv is missing: name a folder in the shape of the real data's fire/")
    cv2.setNumThreads(1)
    with (data / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    films = [row for row in rows if row["kind"] == "video"]
    clips = [_watch(data, row) for row in films]
    halves = _halves(clips, chosen.seed)
    _print_clips(clips, halves)
    _print_stills(data, [row for row in rows if row["kind"] == "image"])
    for name in (DEVELOPMENT, VALIDATION):
        _print_figures(name, [clip for clip in clips if halves[clip.scene] == name])
    _print_figures("all clips", clips)
    print_process(data, films)
    if chosen.robustness:
        print_robustness(data, films, chosen.seed)
        print_rendered(chosen.seed)
    return 0


def _watch(data: Path, row: dict[str, str]) -> _Watched:
    settings = FireSettings()
    pipeline, motion, flicker = fire_pipeline(settings), ColourMotion(), ColourFlicker(settings)
    seen = {name: _Seen() for name in DETECTORS}
    burning: list[bool] = []
    score_max = 0.0
    with open_clip(data / row["file"]) as clip:
        first_s = float(row["first_flame_frame"] or 0) / clip.fps
        last_s = float(row["last_flame_frame"] or "inf") / clip.fps
        for frame in clip.frames:
            result, spent_ms = _timed(pipeline.process, frame)
            if not result.analysed:
                continue
            burning.append(row["label"] == "fire" and first_s <= frame.time_s <= last_s)
            score_max = max(score_max, result.score)
            is_confirmed = result.state is FireState.CONFIRMED
            _note(seen[SHIPPED], frame, result.score >= settings.score_min, spent_ms, alarm=is_confirmed)
            for name, baseline in ((MOTION, motion), (FLICKER, flicker)):
                hit, spent_ms = _timed(baseline.sees_flame, frame)
                _note(seen[name], frame, hit, spent_ms, alarm=baseline.alarms())
    stem, is_fire = Path(row["file"]).stem, row["label"] == "fire"
    return _Watched(stem, row["scene"], is_fire, first_s if is_fire else 0.0, tuple(burning), score_max, seen)


def _timed(call: Callable[[Frame], T], frame: Frame) -> tuple[T, float]:
    """The answer, and milliseconds of this thread's processor time (the decoder's threads run beside it)."""
    begin_s = time.thread_time()
    answer = call(frame)
    return answer, (time.thread_time() - begin_s) * 1000.0


def _note(seen: _Seen, frame: Frame, hit: bool, spent_ms: float, *, alarm: bool) -> None:
    seen.hits.append(hit)
    seen.frame_ms.append(spent_ms)
    if alarm and seen.alarm_s is None:
        seen.alarm_s = frame.time_s


def _halves(clips: Sequence[_Watched], seed: int) -> dict[str, str]:
    """The half of each scene: every second scene of each label, in a shuffled order."""
    half: dict[str, str] = {}
    for is_fire in (True, False):
        scenes = sorted({clip.scene for clip in clips if clip.is_fire is is_fire})
        random.Random(seed).shuffle(scenes)  # noqa: S311 - a reproducible split, no secret
        for index, scene in enumerate(scenes):
            half.setdefault(scene, VALIDATION if index % 2 else DEVELOPMENT)
    return half


def _print_clips(clips: Sequence[_Watched], halves: dict[str, str]) -> None:
    print(
        f"{'clip':<22} {'label':<6} {'half':<5} " + " ".join(f"{name:>16}" for name in DETECTORS) + "  score ms/frame"
    )
    for clip in sorted(clips, key=lambda clip: (not clip.is_fire, clip.name)):
        delays = (clip.delay_s(name) for name in DETECTORS)
        said = " ".join(f"{'-' if delay is None else f'{delay:.2f} s':>16}" for delay in delays)
        wrong = " <" if (clip.delay_s(SHIPPED) is None) == clip.is_fire else ""
        frame_ms = statistics.median(clip.seen[SHIPPED].frame_ms)
        label, half = ("fire" if clip.is_fire else "other"), halves[clip.scene][:3]
        print(f"{clip.name:<22} {label:<6} {half:<5} {said}  {clip.score_max:5.2f} {frame_ms:8.2f}{wrong}")


def _print_stills(data: Path, rows: Sequence[dict[str, str]]) -> None:
    alarms = {"fire": [0, 0], "nofire": [0, 0]}
    for row in rows:
        alarms[row["label"]][0] += detect_file(data / row["file"], FireSettings()).alarm
        alarms[row["label"]][1] += 1
    if rows:
        (found, fires), (false, others) = alarms["fire"], alarms["nofire"]
        print(f"stills: detected {found}/{fires}, false {false}/{others}")


def _print_figures(name: str, clips: Sequence[_Watched]) -> None:
    print(f"{name}: {sum(clip.is_fire for clip in clips)} fire clips, {sum(not clip.is_fire for clip in clips)} others")
    for detector in DETECTORS:
        found = [clip for clip in clips if clip.is_fire and clip.delay_s(detector) is not None]
        false = [clip for clip in clips if not clip.is_fire and clip.delay_s(detector) is not None]
        delays = sorted(delay for clip in found if (delay := clip.delay_s(detector)) is not None)
        frame_ms = sorted(ms for clip in clips for ms in clip.seen[detector].frame_ms)
        true_share, false_share = _frame_rates(clips, detector)
        print(
            f"  {detector:<17} detected {len(found)}, false {len(false)}; flame to alarm median"
            f" {_quantile(delays, 0.5):.2f} s, p90 {_quantile(delays, 0.9):.2f} s, worst {_quantile(delays, 1.0):.2f};"
            f" frames TPR {true_share:.2f}, FPR {false_share:.3f};"
            f" ms/frame median {_quantile(frame_ms, 0.5):.2f}, p99 {_quantile(frame_ms, 0.99):.2f}"
        )


def _frame_rates(clips: Iterable[_Watched], detector: str) -> tuple[float, float]:
    """Shares of the frames with a visible flame, and of those of clips without one, in which flame is seen."""
    with_flame: list[bool] = []
    without: list[bool] = []
    for clip in clips:
        for burns, hit in zip(clip.burning, clip.seen[detector].hits, strict=True):
            if burns:
                with_flame.append(hit)
            elif not clip.is_fire:
                without.append(hit)
    return _share(with_flame), _share(without)


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else float("nan")


def _quantile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
