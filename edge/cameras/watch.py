"""Watching one camera: pictures in, lines out. No threads, no processes; time comes with the pictures."""

import base64
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from edge.cameras.lines import STILL_BYTES_MAX, Fire, FireLine, Picture, StatusLine, WatchSettings
from edge.cameras.picture import encode_still
from edge.cameras.pipeline import FirePipeline, FireState, PipelineResult
from edge.cameras.ports import Frame
from edge.cameras.sources.port import Captured

WITHHELD_AFTER_S = 1.5
"""Pictures identical for longer than this show nothing new: they are no evidence that a fire is over."""

UNSEEN_S_MAX = 1.5
"""After a longer pause the scene was not watched: the pipeline begins anew and a confirmed fire stays."""

_DARK_MEAN_MAX = 10.0
_DARK_SPREAD_MAX = 6.0
_GLANCE_STEP_PX = 8
_LOOK_EVERY_S = 0.2
_STEP_BACK_S = 1e-3

Emit = Callable[[FireLine], None]


@dataclass(slots=True)
class _Sight:
    """What is known of the last picture."""

    captured: Captured
    looked: Frame
    looked_s: float
    changed_s: float
    dark: bool


class SeenTime:
    """Media time for the pipeline that a pause does not run on.

    The pipeline counts quiet time from frame to frame. A pause in which nothing was seen must not count as quiet, so a
    frame after one comes with a time just before the last one: the pipeline takes that for a source that began anew.
    """

    def __init__(self) -> None:
        self._media_s: float | None = None
        self._seen_s = 0.0

    def __call__(self, media_s: float) -> float:
        """The time to hand to the pipeline for a frame of media time `media_s`."""
        if self._media_s is None:
            self._seen_s = media_s
        else:
            passed_s = media_s - self._media_s
            self._seen_s += passed_s if 0.0 <= passed_s <= UNSEEN_S_MAX else -_STEP_BACK_S
        self._media_s = media_s
        return self._seen_s


class CameraWatch:
    """Takes pictures, runs the fire pipeline on them, and knows how the camera does."""

    def __init__(self, settings: WatchSettings, pipeline: FirePipeline, *, is_still_picture: bool, emit: Emit) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._is_still_picture = is_still_picture
        self._emit = emit
        self._seen_time = SeenTime()
        self._sight: _Sight | None = None
        self._fire: Fire = "quiet"
        self._score_max = 0.0

    def take(self, captured: Captured, now_s: Callable[[], float]) -> None:
        """Look at a picture; a fire that is decided by it is emitted before this returns."""
        sight = self._look(captured)
        if captured.arrived_s - sight.changed_s > WITHHELD_AFTER_S:
            return
        frame = captured.frame
        seen_s = self._seen_time(frame.time_s)
        result = self._pipeline.process(Frame(frame.image, seen_s, frame.index))
        self._score_max = max(self._score_max, result.score)
        before, self._fire = self._fire, result.state.value
        if result.changed and "confirmed" in {before, self._fire}:
            lasted_s = 0.0 if result.first_seen_time_s is None else max(0.0, seen_s - result.first_seen_time_s)
            self._emit(self._fire_line(captured, result, lasted_s + now_s() - captured.arrived_s))

    def status(self, now_s: float, fps: float) -> StatusLine:
        """How the camera does now; the score is the highest since the last status."""
        score, self._score_max = self._score_max, 0.0
        sight = self._sight
        return StatusLine(
            frame_age_s=None if sight is None else max(0.0, now_s - sight.captured.arrived_s),
            fps=fps,
            score=score,
            fire=self._fire,
            picture=self._picture(),
            dark=sight is not None and sight.dark,
            position_s=None if sight is None else sight.captured.position_s,
        )

    def _look(self, captured: Captured) -> _Sight:
        """Compare with an earlier picture, a few times a second: every frame would cost more than detecting."""
        sight = self._sight
        if sight is not None and captured.arrived_s - sight.looked_s < _LOOK_EVERY_S:
            sight.captured = captured
            return sight
        frame, now_s = captured.frame, captured.arrived_s
        changed_s = sight.changed_s if sight is not None and _identical(sight.looked, frame) else now_s
        self._sight = _Sight(captured, frame, now_s, changed_s, _is_dark(frame))
        return self._sight

    def _picture(self) -> Picture:
        if self._is_still_picture:
            return "still"
        sight = self._sight
        frozen = sight is not None and sight.captured.arrived_s - sight.changed_s >= self._settings.frozen_after_s
        return "frozen" if frozen else "moving"

    def _fire_line(self, captured: Captured, result: PipelineResult, first_seen_age_s: float) -> FireLine:
        confirmed = result.state is FireState.CONFIRMED
        still = encode_still(captured.frame.image, STILL_BYTES_MAX) if confirmed else b""
        height_px, width_px = _size(still) if still else (0, 0)
        return FireLine(
            fire=self._fire,
            score=result.score,
            first_seen_age_s=max(0.0, first_seen_age_s),
            position_s=captured.position_s,
            still_base64=base64.b64encode(still).decode() or None,
            width_px=width_px,
            height_px=height_px,
        )


def _identical(one: Frame, other: Frame) -> bool:
    """Bit by bit: a camera's sensor has noise, so two equal pictures in a row are rare and many are a frozen feed."""
    return one.image is other.image or np.array_equal(one.image, other.image)


def _is_dark(frame: Frame) -> bool:
    """Covered, unlit or blind: hardly any light, and hardly any difference, at every eighth pixel."""
    glance = frame.image[::_GLANCE_STEP_PX, ::_GLANCE_STEP_PX]
    return float(glance.mean()) < _DARK_MEAN_MAX and float(glance.std()) < _DARK_SPREAD_MAX


def _size(jpeg: bytes) -> tuple[int, int]:
    """Height and width in pixels."""
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    return (picture.shape[0], picture.shape[1]) if picture is not None else (0, 0)
