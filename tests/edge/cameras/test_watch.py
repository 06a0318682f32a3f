"""Watching a camera: what counts as seen, what is frozen, what is said of a fire."""

import base64
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge.cameras.confirmation import Confirmation
from edge.cameras.lines import STILL_BYTES_MAX, FireLine, WatchSettings
from edge.cameras.pipeline import FirePipeline, fire_pipeline
from edge.cameras.ports import Detection, Frame, Picture, Region
from edge.cameras.settings import FireSettings
from edge.cameras.sources.port import Captured
from edge.cameras.sources.video_file import VideoFileSource
from edge.cameras.watch import CameraWatch, SeenTime
from tests.edge.cameras.clips import SteppedTime, noise, write_clip

FIRE = FireSettings(clear_after_s=4.0)
SETTINGS = WatchSettings(camera="cam-1", source="0", fire=FIRE, frozen_after_s=5.0)
FPS = 8


class RednessDetector:
    """Takes a picture with a red mean for flame: a detector whose answer a test can paint."""

    def __init__(self) -> None:
        self.resets = 0

    def analyse(self, frame: Frame) -> Detection:
        score = 1.0 if float(frame.image[:, :, 2].mean()) > 180 else 0.0
        return Detection(score, (Region(0.4, 0.4, 0.2, 0.2, score),) if score else ())

    def reset(self) -> None:
        self.resets += 1


class Watched:
    """A watch with a painted detector, and everything that it emitted."""

    def __init__(self, *, is_still_picture: bool = False) -> None:
        self.lines: list[FireLine] = []
        self.detector = RednessDetector()
        pipeline = FirePipeline(self.detector, Confirmation(FIRE), FIRE.analysed_fps)
        self.watch = CameraWatch(SETTINGS, pipeline, is_still_picture=is_still_picture, emit=self.lines.append)
        self.now_s = 0.0
        self.index = 0

    def see(self, pictures: Iterable[Picture], *, step_s: float = 1 / FPS, media_s: float | None = None) -> None:
        for offset, picture in enumerate(pictures):
            self.now_s += step_s
            self.index += 1
            time_s = self.now_s if media_s is None else media_s + offset * step_s
            frame = Frame(picture, time_s, self.index)
            self.watch.take(Captured(frame, self.now_s), lambda: self.now_s + 0.01)


def quiet(seconds: float) -> list[Picture]:
    return [noise(i) for i in range(int(seconds * FPS))]


def flame(seconds: float) -> list[Picture]:
    return [red(i) for i in range(int(seconds * FPS))]


def red(seed: int) -> Picture:
    picture = noise(seed)
    picture[:, :, 2] = 230
    return picture


def test_a_fire_is_said_once_at_once_with_a_still_and_once_when_it_is_over() -> None:
    watched = Watched()
    watched.see([*quiet(2), *flame(3), *quiet(6)])
    raised, over = watched.lines
    assert (raised.fire, over.fire) == ("confirmed", "quiet")
    assert 0.5 < raised.first_seen_age_s < 2.0
    jpeg = base64.b64decode(raised.still_base64 or "")
    still = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert still is not None
    assert (raised.height_px, raised.width_px) == still.shape[:2]
    assert len(jpeg) <= STILL_BYTES_MAX
    assert over.still_base64 is None


def test_identical_pictures_are_frozen_after_their_time_and_live_again_at_the_first_change() -> None:
    watched = Watched()
    watched.see([noise(1)] * int(4.5 * FPS))
    assert watched.watch.status(watched.now_s, 8.0).picture == "moving"
    watched.see([noise(1)] * FPS)
    assert watched.watch.status(watched.now_s, 8.0).picture == "frozen"
    watched.see([noise(2), noise(3), noise(4)])
    assert watched.watch.status(watched.now_s, 8.0).picture == "moving"


def test_a_picture_file_is_still_not_frozen() -> None:
    watched = Watched(is_still_picture=True)
    watched.see([noise(1)] * 10 * FPS)
    assert watched.watch.status(watched.now_s, 8.0).picture == "still"


def test_a_frozen_picture_does_not_end_a_fire() -> None:
    watched = Watched()
    watched.see(flame(3))
    watched.see([noise(1)] * 60 * FPS)
    assert [line.fire for line in watched.lines] == ["confirmed"]
    watched.see(quiet(3))
    assert len(watched.lines) == 1, "only three of four quiet seconds were really seen"
    watched.see(quiet(2))
    assert [line.fire for line in watched.lines] == ["confirmed", "quiet"]


def test_a_pause_does_not_end_a_fire() -> None:
    watched = Watched()
    watched.see(flame(3))
    watched.now_s += 120
    watched.see(quiet(3))
    assert len(watched.lines) == 1
    watched.see(quiet(2))
    assert len(watched.lines) == 2


def test_where_a_file_begins_anew_the_detector_does() -> None:
    watched = Watched()
    for _ in range(3):
        watched.see(quiet(2), media_s=0.0)
    assert watched.detector.resets == 2
    assert watched.lines == []


def test_a_dark_picture_says_so() -> None:
    watched = Watched()
    dark = [np.asarray(noise(i) // 64, np.uint8) for i in range(8)]
    watched.see(dark)
    assert watched.watch.status(watched.now_s, 8.0).dark
    watched.see(quiet(1))
    assert not watched.watch.status(watched.now_s, 8.0).dark


def test_a_status_has_the_age_of_the_last_picture_and_the_highest_score_since_the_last_one() -> None:
    watched = Watched()
    assert watched.watch.status(5.0, 0.0).frame_age_s is None
    watched.see([red(1), red(2), noise(1), noise(2), noise(3)])
    status = watched.watch.status(watched.now_s + 2.0, 7.5)
    assert status.frame_age_s == pytest.approx(2.0)
    assert (status.fps, status.score) == (7.5, 1.0)
    watched.see(quiet(1))
    assert watched.watch.status(watched.now_s, 7.5).score == 0.0


def test_seen_time_runs_on_with_media_time_and_steps_back_where_nothing_was_seen() -> None:
    seen = SeenTime()
    times = [seen(t) for t in (10.0, 10.1, 10.2, 50.0, 50.1, 0.0, 0.1)]
    steps = [round(b - a, 3) for a, b in pairwise(times)]
    assert steps == [0.1, 0.1, -0.001, 0.1, -0.001, 0.1]


def test_a_hard_cut_where_a_clip_loops_is_no_fire(tmp_path: Path) -> None:
    """The shipped detector on a clip whose end and start differ as much as day and fire: only the cut changes."""
    pictures = [noise(i, level=20) for i in range(8)] + [red(i) for i in range(8)]
    clip, time_ = write_clip(tmp_path / "cut.avi", pictures, fps=8), SteppedTime()
    source = VideoFileSource(clip, loop=True, clock=time_.clock, sleep=time_.sleep)
    lines: list[FireLine] = []
    watch = CameraWatch(SETTINGS, fire_pipeline(FireSettings()), is_still_picture=False, emit=lines.append)
    source.open()
    for _ in range(16 * 6):
        captured = source.read(1.0)
        assert captured is not None
        watch.take(captured, time_.clock.monotonic_s)
    assert lines == []


@pytest.mark.parametrize("name", ["bonfire_dark.mp4", "yard_trash.mp4"])
def test_a_real_fire_played_as_a_camera_is_decided_once(data_dir: Path, name: str) -> None:
    time_ = SteppedTime()
    source = VideoFileSource(data_dir / "fire/videos/fire" / name, loop=False, clock=time_.clock, sleep=time_.sleep)
    lines: list[FireLine] = []
    watch = CameraWatch(SETTINGS, fire_pipeline(FireSettings()), is_still_picture=False, emit=lines.append)
    source.open()
    while time_.clock.monotonic_s() < 7.0:
        captured = source.read(1.0)
        if captured is not None:
            watch.take(captured, time_.clock.monotonic_s)
    assert [line.fire for line in lines] == ["confirmed"]
    assert lines[0].position_s is not None
    assert lines[0].position_s < 7.0
