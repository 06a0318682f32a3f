"""The fire pipeline on files, for `jangteo detect` and the benchmark."""

import time
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edge.cameras.detectors.still import StillDetector
from edge.cameras.media import UnreadableMediaError, check_readable, is_still, open_clip, read_still
from edge.cameras.network import shipped_networks
from edge.cameras.pipeline import FireState, fire_pipeline
from edge.cameras.ports import Frame
from edge.cameras.settings import FireSettings

__all__ = ["FileResult", "UnreadableMediaError", "detect_file", "format_line"]


class FileResult(BaseModel):
    """What the pipeline says about one file; `model_dump()` has exactly the keys of `jangteo detect --json`.

    `frames` is the number of frames decoded, `fps` the clip's own rate (a still: 1 and 0.0), `first_alarm_s` the
    place of the confirming frame in the clip, `ms_per_frame` the mean time of an analysed frame without decoding.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    frames: int
    fps: float
    alarm: bool
    first_alarm_s: float | None
    score_max: float
    ms_per_frame: float


def detect_file(path: Path, settings: FireSettings) -> FileResult:
    """Run the pipeline on a video file or a single picture.

    Raises `UnreadableMediaError` with a sentence when nothing of it can be decoded. A clip that is cut short is
    analysed as far as it goes, with a warning in the log.
    """
    check_readable(path)
    return _detect_still(path, settings) if is_still(path) else _detect_clip(path, settings)


def format_line(result: FileResult) -> str:
    """One aligned line for a person: verdict, time of the alarm, highest score, frames, speed, file."""
    verdict = "FIRE " if result.alarm else "quiet"
    first = "      -" if result.first_alarm_s is None else f"{result.first_alarm_s:6.1f}s"
    return (
        f"{verdict}  {first}  score {result.score_max:4.2f}  {result.frames:6d} frames  {result.fps:6.2f} fps"
        f"  {result.ms_per_frame:6.2f} ms  {result.file}"
    )


def _detect_still(path: Path, settings: FireSettings) -> FileResult:
    detector = StillDetector(settings, shipped_networks())
    frame = Frame(read_still(path), time_s=0.0, index=0)
    begin_s = time.perf_counter()
    score = detector.analyse(frame).score
    spent_ms = (time.perf_counter() - begin_s) * 1000.0
    alarm = score >= settings.still_score_min
    return FileResult(
        file=str(path),
        frames=1,
        fps=0.0,
        alarm=alarm,
        first_alarm_s=0.0 if alarm else None,
        score_max=round(score, 4),
        ms_per_frame=round(spent_ms, 3),
    )


def _detect_clip(path: Path, settings: FireSettings) -> FileResult:
    pipeline = fire_pipeline(settings)
    frames = analysed = 0
    spent_s = score_max = 0.0
    first_alarm_s: float | None = None
    with open_clip(path) as clip:
        for frame in clip.frames:
            begin_s = time.perf_counter()
            result = pipeline.process(frame)
            spent_s += time.perf_counter() - begin_s
            frames += 1
            analysed += result.analysed
            score_max = max(score_max, result.score)
            if first_alarm_s is None and result.state is FireState.CONFIRMED:
                first_alarm_s = frame.time_s
    if frames == 0:
        raise UnreadableMediaError(path, "not one frame can be decoded; the file may be damaged or cut short")
    return FileResult(
        file=str(path),
        frames=frames,
        fps=round(clip.fps, 3),
        alarm=first_alarm_s is not None,
        first_alarm_s=None if first_alarm_s is None else round(first_alarm_s, 3),
        score_max=round(score_max, 4),
        ms_per_frame=round(spent_s / analysed * 1000.0, 3),
    )
