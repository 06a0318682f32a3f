"""From a camera's frames to a state: choose the frames, detect, confirm."""

from dataclasses import dataclass, replace

from edge.cameras.confirmation import Confirmation, FireState
from edge.cameras.detectors.colour_flicker import ColourFlickerDetector
from edge.cameras.picture import encode_still
from edge.cameras.ports import Detector, Frame, Region
from edge.cameras.settings import FireSettings

__all__ = ["FirePipeline", "FireState", "PipelineResult", "encode_still", "fire_pipeline"]

_HALF_TICK_S = 1e-4


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """What the camera shows after a frame.

    `changed` is true on exactly the frame whose analysis changed `state`. A frame between two analysed ones repeats the
    last result with `changed` and `analysed` false.
    """

    score: float
    state: FireState
    first_seen_time_s: float | None
    regions: tuple[Region, ...]
    changed: bool
    analysed: bool


class FirePipeline:
    """Analyses at most `analysed_fps` frames of a second of media time and confirms what they show."""

    def __init__(self, detector: Detector, confirmation: Confirmation, analysed_fps: float = 8.0) -> None:
        self._detector = detector
        self._confirmation = confirmation
        self._interval_s = 1.0 / analysed_fps
        self._last_time_s: float | None = None
        self._due_s = 0.0
        self._result = PipelineResult(0.0, FireState.QUIET, None, (), changed=False, analysed=False)

    def process(self, frame: Frame) -> PipelineResult:
        """Take the next frame. Media time that runs backwards is a source that began anew."""
        if self._last_time_s is None or frame.time_s < self._last_time_s:
            self._restart(frame.time_s)
        self._last_time_s = frame.time_s
        if frame.time_s + _HALF_TICK_S < self._due_s:
            self._result = replace(self._result, changed=False, analysed=False)
            return self._result
        # From the due time, not from the frame's, so that 10 frames a second still give 8 analysed ones.
        self._due_s = max(self._due_s + self._interval_s, frame.time_s)
        self._result = self._analyse(frame)
        return self._result

    def _restart(self, time_s: float) -> None:
        if self._last_time_s is not None:
            self._detector.reset()
            self._confirmation.restart(time_s)
        self._due_s = time_s

    def _analyse(self, frame: Frame) -> PipelineResult:
        before = self._confirmation.state
        detection = self._detector.analyse(frame)
        state = self._confirmation.update(detection, frame.time_s)
        first_seen_s = self._confirmation.first_seen_time_s
        return PipelineResult(
            detection.score, state, first_seen_s, detection.regions, state is not before, analysed=True
        )


def fire_pipeline(settings: FireSettings) -> FirePipeline:
    """The pipeline as it ships: colour and flicker, confirmed over time."""
    return FirePipeline(ColourFlickerDetector(settings), Confirmation(settings), settings.analysed_fps)
