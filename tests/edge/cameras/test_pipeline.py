from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from edge.cameras.confirmation import Confirmation, FireState
from edge.cameras.picture import encode_still
from edge.cameras.pipeline import FirePipeline, fire_pipeline
from edge.cameras.ports import Detection, Frame, Region
from edge.cameras.settings import FireSettings
from tests.edge.cameras import scenes

SETTINGS = FireSettings()
BLANK = np.zeros((24, 32, 3), np.uint8)


class _Scripted:
    """Sees a flame in the frames whose media time lies in one of the spans."""

    def __init__(self, spans: Sequence[tuple[float, float]]) -> None:
        self._spans = spans
        self.times_s: list[float] = []
        self.resets = 0

    def analyse(self, frame: Frame) -> Detection:
        self.times_s.append(frame.time_s)
        burning = any(begin <= frame.time_s < end for begin, end in self._spans)
        return Detection(0.9, (Region(0.1, 0.1, 0.1, 0.1, 0.9),)) if burning else Detection(0.0)

    def reset(self) -> None:
        self.resets += 1


def frames(seconds: float, fps: float, start_s: float = 0.0) -> list[Frame]:
    return [Frame(BLANK, start_s + i / fps, i) for i in range(round(seconds * fps))]


@pytest.mark.parametrize(("fps", "analysed_fps"), [(30.0, 8.0), (25.0, 8.0), (15.0, 8.0), (10.0, 8.0), (5.0, 5.0)])
def test_at_most_the_rate_that_was_set_is_analysed(fps: float, analysed_fps: float) -> None:
    detector = _Scripted([])
    pipeline = FirePipeline(detector, Confirmation(SETTINGS), 8.0)
    for frame in frames(10.0, fps):
        pipeline.process(frame)
    assert len(detector.times_s) == pytest.approx(10.0 * analysed_fps, abs=1)


def test_a_pause_of_the_source_is_not_made_up_for() -> None:
    detector = _Scripted([])
    pipeline = FirePipeline(detector, Confirmation(SETTINGS), 8.0)
    for frame in frames(1.0, 25.0) + frames(1.0, 25.0, start_s=60.0):
        pipeline.process(frame)
    assert len(detector.times_s) <= 18


def test_changed_is_true_exactly_once_per_change() -> None:
    pipeline = FirePipeline(_Scripted([(2.0, 6.0)]), Confirmation(SETTINGS), 8.0)
    changes = [
        (result.state, round(frame.time_s, 2))
        for frame in frames(20.0, 25.0)
        if (result := pipeline.process(frame)).changed
    ]
    assert [state for state, _ in changes] == [FireState.SUSPECTED, FireState.CONFIRMED, FireState.QUIET]
    assert changes[0][1] == pytest.approx(2.0, abs=0.2)
    assert changes[1][1] == pytest.approx(2.6, abs=0.2)
    assert changes[2][1] == pytest.approx(16.0, abs=0.3)


def test_a_source_that_begins_anew_resets_the_detector_and_keeps_the_fire() -> None:
    detector = _Scripted([(0.0, 4.0)])
    pipeline = FirePipeline(detector, Confirmation(SETTINGS), 8.0)
    for frame in frames(4.0, 25.0):
        pipeline.process(frame)
    result = pipeline.process(Frame(BLANK, 0.0, 0))
    assert detector.resets == 1
    assert result.analysed
    assert result.state is FireState.CONFIRMED
    assert not result.changed


def test_the_quiet_time_counts_from_the_new_beginning() -> None:
    pipeline = FirePipeline(_Scripted([(100.0, 104.0)]), Confirmation(SETTINGS), 8.0)
    for frame in frames(4.0, 25.0, start_s=100.0):
        pipeline.process(frame)
    states = {round(frame.time_s, 2): pipeline.process(frame).state for frame in frames(12.0, 25.0)}
    assert states[9.8] is FireState.CONFIRMED
    assert states[10.4] is FireState.QUIET


def test_a_clip_that_plays_over_and_over_stays_one_fire() -> None:
    pipeline = fire_pipeline(SETTINGS)
    clip = list(scenes.scene(scenes.Flame(), 4.0))
    changes = [result.state for _ in range(3) for frame in clip if (result := pipeline.process(frame)).changed]
    assert changes == [FireState.SUSPECTED, FireState.CONFIRMED]


@pytest.mark.parametrize("bytes_max", [4_000, 12_000, 60_000])
def test_a_still_fits_its_bytes_and_shows_the_scene(bytes_max: int) -> None:
    image = np.random.default_rng(2).integers(0, 255, (720, 1280, 3)).astype(np.uint8)
    image[:, 640:] = (20, 120, 250)
    still = encode_still(image, bytes_max)
    assert len(still) <= bytes_max
    shown = cv2.imdecode(np.frombuffer(still, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    height, width = shown.shape[:2]
    assert width / height == pytest.approx(16 / 9, rel=0.05)
    assert np.allclose(shown[height // 2, width * 7 // 8], (20, 120, 250), atol=12)


def test_a_still_of_no_bytes_is_refused_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="too small for any picture"):
        encode_still(np.zeros((240, 320, 3), np.uint8), 100)
