"""A camera's whole process on real clips: its memory, and its processor time per analysed frame, decoding included."""

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from benchmarks.fire_clips import ROOT
from edge.cameras.child import COMMAND, environment
from edge.cameras.lines import WatchSettings
from edge.cameras.settings import FireSettings

_SETTLE_S, _MEASURE_S = 4.0, 8.0


def print_process(data: Path, rows: Sequence[dict[str, str]]) -> None:
    """Run the process on a clip of each picture size, one after another."""
    by_size: dict[tuple[int, int], dict[str, str]] = {}
    for row in sorted(rows, key=lambda row: (row["label"] != "fire", -int(row["frames"]))):
        by_size.setdefault((int(row["width"]), int(row["height"])), row)
    for (width, height), row in sorted(by_size.items()):
        if width in {320, 640, 1280}:
            _print_one((data / row["file"]).resolve(), f"{width} x {height}")


def _print_one(path: Path, size: str) -> None:
    settings = WatchSettings(camera="bench", source=str(path), loop=True)
    process = subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        if process.stdin is None:
            raise RuntimeError("the process was started without a standard input")
        process.stdin.write(settings.model_dump_json() + "\n")
        process.stdin.flush()
        watched = psutil.Process(process.pid)
        time.sleep(_SETTLE_S)
        before, begin_s = watched.cpu_times(), time.monotonic()
        time.sleep(_MEASURE_S)
        after, end_s = watched.cpu_times(), time.monotonic()
        rss_mb = watched.memory_info().rss / 1e6
        process.stdin.close()
    spent_s = after.user + after.system - before.user - before.system
    share = spent_s / (end_s - begin_s)
    frame_ms = share * 1000.0 / FireSettings().analysed_fps
    print(f"process, {size}: {rss_mb:.0f} MB RSS, {100 * share:.0f} % of a core, {frame_ms:.1f} ms per analysed frame")
