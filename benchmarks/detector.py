"""Fire detection on real clips and stills: what is found, what is false, how soon, how fast, how robust (five minutes).

Reads the folder `fire` of JANGTEO_DATA. The shipped settings were chosen with these clips in view; the held-out
figures choose `score_min` again on one half of the scenes and count on the other half, both ways. The section
`robustness` shows the same clips as other cameras would, and rendered look-alikes of fire by `seed`.
"""

import csv
import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from benchmarks.fire_robustness import print_robustness
from edge.cameras.confirmation import Confirmation, FireState
from edge.cameras.detect import detect_file
from edge.cameras.detectors.colour_flicker import ColourFlickerDetector
from edge.cameras.media import open_clip
from edge.cameras.pipeline import FirePipeline
from edge.cameras.ports import Detection, Frame
from edge.cameras.settings import FireSettings

_SCORES_TRIED = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7)


@dataclass(frozen=True, slots=True)
class _Watched:
    """One clip and what the detector said about each analysed frame of it."""

    name: str
    scene: str
    is_fire: bool
    first_flame_s: float
    seen: tuple[tuple[float, Detection], ...]
    frame_ms: tuple[float, ...]


class _Recorder:
    """The detector with a stopwatch and a memory; it fulfils the `Detector` port."""

    def __init__(self, settings: FireSettings) -> None:
        self._detector = ColourFlickerDetector(settings)
        self.seen: list[tuple[float, Detection]] = []
        self.frame_ms: list[float] = []

    def analyse(self, frame: Frame) -> Detection:
        begin_s = time.perf_counter()
        detection = self._detector.analyse(frame)
        self.frame_ms.append((time.perf_counter() - begin_s) * 1000.0)
        self.seen.append((frame.time_s, detection))
        return detection

    def reset(self) -> None:
        self._detector.reset()


def run(seed: int) -> None:
    """Watch every clip and still, print a table and the figures; `seed` splits the scenes into halves."""
    data = Path(os.environ.get("JANGTEO_DATA", Path(__file__).parents[2] / "shared" / "data")) / "fire"
    if not (data / "labels.csv").is_file():
        print(f"no real data: {data}/labels.csv is missing; set JANGTEO_DATA to the folder that holds fire/")
        return
    cv2.setNumThreads(1)
    with (data / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    settings = FireSettings()
    films = [row for row in rows if row["kind"] == "video"]
    clips = [_watch(data, row, settings) for row in films]
    _print_clips(clips, settings)
    _print_stills(data, [row for row in rows if row["kind"] == "image"], settings)
    _print_held_out(clips, settings, seed)
    print_robustness(data, films, seed)
    _print_figures(clips, settings)


def _watch(data: Path, row: dict[str, str], settings: FireSettings) -> _Watched:
    recorder = _Recorder(settings)
    pipeline = FirePipeline(recorder, Confirmation(settings), settings.analysed_fps)
    with open_clip(data / row["file"]) as clip:
        fps = clip.fps
        for frame in clip.frames:
            pipeline.process(frame)
    return _Watched(
        name=Path(row["file"]).stem,
        scene=row["scene"],
        is_fire=row["label"] == "fire",
        first_flame_s=float(row["first_flame_frame"] or 0) / fps,
        seen=tuple(recorder.seen),
        frame_ms=tuple(recorder.frame_ms),
    )


def _alarm_s(clip: _Watched, settings: FireSettings) -> float | None:
    confirmation = Confirmation(settings)
    for time_s, detection in clip.seen:
        if confirmation.update(detection, time_s) is FireState.CONFIRMED:
            return time_s
    return None


def _count(clips: Sequence[_Watched], settings: FireSettings) -> tuple[int, int]:
    """Fire clips that raise an alarm, other clips that do."""
    alarmed = [clip.is_fire for clip in clips if _alarm_s(clip, settings) is not None]
    return sum(alarmed), len(alarmed) - sum(alarmed)


def _print_clips(clips: Sequence[_Watched], settings: FireSettings) -> None:
    print(f"{'clip':<22} {'label':<7} {'alarm':<7} {'flame to alarm':>14} {'score':>6} {'ms/frame':>9}")
    for clip in sorted(clips, key=lambda clip: (not clip.is_fire, clip.name)):
        alarm_s = _alarm_s(clip, settings)
        wrong = " <" if (alarm_s is None) == clip.is_fire else ""
        delay = "-" if alarm_s is None else f"{alarm_s - clip.first_flame_s:.2f} s"
        score = max(detection.score for _, detection in clip.seen)
        label, verdict = ("fire" if clip.is_fire else "other"), ("quiet" if alarm_s is None else "FIRE")
        frame_ms = statistics.median(clip.frame_ms)
        print(f"{clip.name:<22} {label:<7} {verdict:<7} {delay:>14} {score:6.2f} {frame_ms:9.2f}{wrong}")


def _print_stills(data: Path, rows: Sequence[dict[str, str]], settings: FireSettings) -> None:
    alarms = {"fire": [0, 0], "nofire": [0, 0]}
    for row in rows:
        alarms[row["label"]][0] += detect_file(data / row["file"], settings).alarm
        alarms[row["label"]][1] += 1
    fire, other = alarms["fire"], alarms["nofire"]
    print(f"stills: detected {fire[0]}/{fire[1]}, false {other[0]}/{other[1]}")


def _print_held_out(clips: Sequence[_Watched], settings: FireSettings, seed: int) -> None:
    halves = _halves(clips, seed)
    detected = false = 0
    chosen = []
    for fitted, counted in (halves, halves[::-1]):
        best = _fitted(fitted, settings)
        found, wrong = _count(counted, best)
        detected, false = detected + found, false + wrong
        chosen.append(f"{best.score_min:.2f}")
    fires = sum(clip.is_fire for clip in clips)
    print(
        f"held-out halves of the scenes (seed {seed}, score_min {' and '.join(chosen)}):"
        f" detected {detected}/{fires}, false {false}/{len(clips) - fires}"
    )


def _halves(clips: Sequence[_Watched], seed: int) -> tuple[list[_Watched], list[_Watched]]:
    """Every second scene of each label, in a shuffled order; clips of one scene stay together."""
    first: set[str] = set()
    for is_fire in (True, False):
        scenes = sorted({clip.scene for clip in clips if clip.is_fire is is_fire})
        random.Random(seed).shuffle(scenes)  # noqa: S311 - a reproducible split, no secret
        first.update(scenes[::2])
    return [c for c in clips if c.scene in first], [c for c in clips if c.scene not in first]


def _fitted(clips: Sequence[_Watched], settings: FireSettings) -> FireSettings:
    """The settings with the `score_min` that serves `clips` best; of several equally good ones the middle one."""
    tried = [settings.model_copy(update={"score_min": score}) for score in _SCORES_TRIED]
    merits = [_merit(clips, candidate) for candidate in tried]
    equals = [candidate for candidate, merit in zip(tried, merits, strict=True) if merit == max(merits)]
    return equals[len(equals) // 2]


def _merit(clips: Sequence[_Watched], settings: FireSettings) -> float:
    """Share of the fire clips that are found less the share of the others that are false."""
    fires = sum(clip.is_fire for clip in clips)
    detected, false = _count(clips, settings)
    return detected / fires - false / (len(clips) - fires)


def _print_figures(clips: Sequence[_Watched], settings: FireSettings) -> None:
    detected, false = _count(clips, settings)
    fires = sum(clip.is_fire for clip in clips)
    alarms = [(clip, _alarm_s(clip, settings)) for clip in clips if clip.is_fire]
    delays = sorted(alarm_s - clip.first_flame_s for clip, alarm_s in alarms if alarm_s is not None)
    frame_ms = sorted(ms for clip in clips for ms in clip.frame_ms)
    print(f"detected {detected}/{fires} fire clips, false {false}/{len(clips) - fires} other clips")
    print(f"first flame to alarm: median {statistics.median(delays):.2f} s, longest {delays[-1]:.2f} s (media time)")
    print(f"ms per analysed frame, one core: median {statistics.median(frame_ms):.2f}, p95 {_p95(frame_ms):.2f}")


def _p95(ordered: Sequence[float]) -> float:
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
