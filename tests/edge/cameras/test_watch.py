"""Watching a camera: what counts as seen, what is frozen, what is said of a fire."""

import base64
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from contract.cameras import CameraZone, Point
from contract.events import FireSign
from contract.telemetry import Reason
from edge.cameras.confirmation import Confirmation
from edge.cameras.fusion import SIGNS, Seen, signs_of
from edge.cameras.lines import (
    STILL_BYTES_MAX,
    ClockOrder,
    FireLine,
    ViewLine,
    ViewOrder,
    WatchSettings,
    ZonesOrder,
)
from edge.cameras.pipeline import FirePipeline, fire_pipeline
from edge.cameras.ports import Detection, Frame, Picture, Region
from edge.cameras.seeing import Seeing, SightMemory
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
        self.views: list[ViewLine] = []
        self.seeing = Seeing(SightMemory())
        pipeline = FirePipeline(self.detector, Confirmation(FIRE), FIRE.analysed_fps)
        self.watch = CameraWatch(
            SETTINGS, pipeline, is_still_picture=is_still_picture, emit=self.emit, seeing=self.seeing
        )
        self.now_s = 0.0
        self.index = 0

    def emit(self, line: FireLine | ViewLine) -> None:
        if isinstance(line, FireLine):
            self.lines.append(line)
        else:
            self.views.append(line)

    def see(
        self,
        pictures: Iterable[Picture],
        *,
        step_s: float = 1 / FPS,
        media_s: float | None = None,
        position_s: float | None = None,
    ) -> None:
        for offset, picture in enumerate(pictures):
            self.now_s += step_s
            self.index += 1
            time_s = self.now_s if media_s is None else media_s + offset * step_s
            frame = Frame(picture, time_s, self.index)
            self.watch.take(Captured(frame, self.now_s, position_s), lambda: self.now_s + 0.01)


def only(lines: list[FireLine]) -> Callable[[FireLine | ViewLine], None]:
    """Takes fire lines; there is no view here."""

    def take(line: FireLine | ViewLine) -> None:
        assert isinstance(line, FireLine)
        lines.append(line)

    return take


def quiet(seconds: float) -> list[Picture]:
    return textured(seconds)


def flame(seconds: float) -> list[Picture]:
    return [red(i) for i in range(int(seconds * FPS))]


def textured(seconds: float) -> list[Picture]:
    """A place with something to see, and a camera's noise."""
    return [texture(i) for i in range(int(seconds * FPS))]


def texture(seed: int) -> Picture:
    blocks = np.kron(np.random.default_rng(1).integers(20, 140, (12, 16, 1)), np.ones((10, 10, 1))).astype(np.uint8)
    return np.asarray(np.repeat(blocks, 3, axis=2) + noise(seed, level=0), np.uint8)


def red(seed: int) -> Picture:
    picture = texture(seed)
    picture[:, :, 2] = 230
    return picture


def test_a_fire_is_said_once_at_once_with_a_still_and_once_when_it_is_over() -> None:
    watched = Watched()
    watched.see([*quiet(2), *flame(3), *quiet(6)])
    raised, over = watched.lines
    assert (raised.fire, over.fire) == ("confirmed", "quiet")
    assert 0.5 < raised.first_seen_age_s < 2.0
    moments = [one.moment for one in raised.stills]
    assert moments == ["before", "first", "now"]
    for one in raised.stills:
        jpeg = base64.b64decode(one.jpeg_base64)
        still = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert still is not None
        assert (one.height_px, one.width_px) == still.shape[:2]
        assert len(jpeg) <= STILL_BYTES_MAX
        assert not one.private
    assert raised.scores[-1] == 1.0
    assert over.stills == ()


def test_every_sign_of_the_contract_is_one_that_is_sent() -> None:
    by_name = {name: 1.0 for names in SIGNS.values() for name in names}
    sent = {one.sign for one in signs_of(by_name, Seen(1.0, 1.0))}
    assert sent | {FireSign.BEYOND_COOKING} == set(FireSign), "tests/edge/cameras/test_zones.py shows the last one"


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
    watched.see([texture(1)] * 60 * FPS)
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


def test_what_cannot_be_seen_is_said_after_a_while_and_over_after_a_while() -> None:
    watched = Watched()
    watched.see([np.asarray(noise(i) // 64, np.uint8) for i in range(5 * FPS)])
    said = watched.watch.status(watched.now_s, 8.0).cannot_see
    assert said is not None
    assert said.reason is Reason.BLACK
    watched.see(textured(5))
    assert watched.watch.status(watched.now_s, 8.0).cannot_see is None


def test_a_covered_camera_does_not_end_a_fire_and_a_clear_view_does() -> None:
    watched = Watched()
    watched.see(flame(3))
    watched.see([np.full((120, 160, 3), 100 + i % 2, np.uint8) for i in range(60 * FPS)])
    assert [line.fire for line in watched.lines] == ["confirmed"]
    watched.see(textured(9))
    assert [line.fire for line in watched.lines] == ["confirmed", "quiet"]


def test_a_blind_camera_still_finds_a_fire() -> None:
    watched = Watched()
    watched.see([np.full((120, 160, 3), 100 + i % 2, np.uint8) for i in range(10 * FPS)])
    assert watched.watch.status(watched.now_s, 8.0).cannot_see is not None
    burnt_red = np.zeros((120, 160, 3), np.uint8) + np.array([90, 90, 230], np.uint8)
    watched.see([burnt_red + np.uint8(i % 2) for i in range(3 * FPS)])
    assert [line.fire for line in watched.lines] == ["confirmed"]


def test_a_live_feed_that_repeats_itself_is_looping_and_a_file_may() -> None:
    lap = textured(3)
    live = Watched()
    live.see(lap * 6)
    said = live.watch.status(live.now_s, 8.0).cannot_see
    assert said is not None
    assert said.reason is Reason.LOOPING
    file = Watched()
    for _ in range(6):
        file.see(lap, position_s=0.0)
    assert file.watch.status(file.now_s, 8.0).cannot_see is None


def test_a_view_shows_a_few_small_pictures_a_second_until_its_time_is_over() -> None:
    watched = Watched()
    watched.watch.order(ViewOrder(lasts_s=3.0, fps=2.0))
    watched.see(textured(10))
    assert len(watched.views) == pytest.approx(6, abs=1)
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(watched.views[0].jpeg_base64), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert picture.shape[:2] == (watched.views[0].height_px, watched.views[0].width_px)
    watched.watch.order(ViewOrder(lasts_s=60.0))
    watched.see(textured(1))
    watched.watch.order(ViewOrder(lasts_s=0.0))
    watched.views.clear()
    watched.see(textured(2))
    assert watched.views == []


def test_zones_and_the_time_of_day_reach_the_pipeline_with_the_next_picture() -> None:
    points = tuple(Point(x=x, y=y) for x, y in ((0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)))
    stove = CameraZone(name="stove", kind="cooking", points=points, size_share_max=1.0, growth_max=100.0)
    watched = Watched()
    watched.watch.order(ZonesOrder(zones=(stove,), utc_offset_minutes=540))
    watched.watch.order(ClockOrder(offset_ms=1_767_225_600_000))
    watched.see([*textured(2), *flame(4)])
    assert watched.lines == []
    watched.watch.order(ZonesOrder(zones=(), utc_offset_minutes=540))
    watched.see(flame(4))
    assert [line.fire for line in watched.lines] == ["confirmed"]


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
    watch = CameraWatch(
        SETTINGS, fire_pipeline(FireSettings()), is_still_picture=False, emit=only(lines), seeing=Seeing(SightMemory())
    )
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
    watch = CameraWatch(
        SETTINGS, fire_pipeline(FireSettings()), is_still_picture=False, emit=only(lines), seeing=Seeing(SightMemory())
    )
    source.open()
    while time_.clock.monotonic_s() < 7.0:
        captured = source.read(1.0)
        if captured is not None:
            watch.take(captured, time_.clock.monotonic_s)
    assert [line.fire for line in lines] == ["confirmed"]
    assert lines[0].position_s is not None
    assert lines[0].position_s < 7.0
