"""From a camera's frames to a state: choose the frames, detect, confirm."""

from dataclasses import dataclass, replace

from contract.cameras import CameraZone
from edge.cameras.confirmation import Confirmation, FireState
from edge.cameras.detectors.flame import FlameDetector
from edge.cameras.explain import AlarmReasons, Memory
from edge.cameras.network import shipped_networks
from edge.cameras.picture import encode_still
from edge.cameras.ports import Detection, Detector, Frame, Region
from edge.cameras.settings import FireSettings
from edge.cameras.zones import CookingWatch, zones_at

__all__ = ["AlarmReasons", "FirePipeline", "FireState", "PipelineResult", "encode_still", "fire_pipeline"]

_HALF_TICK_S = 1e-4


@dataclass(frozen=True, slots=True)
class PipelineResult:
    """What the camera shows after a frame.

    `changed` is true on exactly the frame whose analysis changed `state`. A frame between two analysed ones repeats the
    last result with `changed` and `analysed` false. `reasons` is there on exactly the frame that confirmed a fire.
    """

    score: float
    state: FireState
    first_seen_time_s: float | None
    regions: tuple[Region, ...]
    changed: bool
    analysed: bool
    reasons: AlarmReasons | None = None


class FirePipeline:
    """Analyses at most `analysed_fps` frames of a second of media time and confirms what they show.

    `zones` hold by the hours of the market's day. With zones that are ignored the detector never looks at their
    pixels; what burns in a cooking zone counts only beyond its size or growth.
    """

    def __init__(
        self,
        detector: Detector,
        confirmation: Confirmation,
        analysed_fps: float = 8.0,
        *,
        zones: tuple[CameraZone, ...] = (),
        utc_offset_minutes: int = 540,
        score_min: float = 0.5,
    ) -> None:
        self._detector = detector
        self._confirmation = confirmation
        self._interval_s = 1.0 / analysed_fps
        self._zones, self._utc_offset_minutes = zones, utc_offset_minutes
        self._score_min = score_min
        self._cooking = CookingWatch()
        self._memory = Memory()
        self._last_time_s: float | None = None
        self._due_s = 0.0
        self._result = PipelineResult(0.0, FireState.QUIET, None, (), changed=False, analysed=False)

    def set_zones(self, zones: tuple[CameraZone, ...], utc_offset_minutes: int) -> None:
        """From the next frame on these zones hold. What is remembered of a zone's usual fire goes by its name."""
        self._zones, self._utc_offset_minutes = zones, utc_offset_minutes

    def process(self, frame: Frame, wall_unix_ms: int | None = None) -> PipelineResult:
        """Take the next frame. Media time that runs backwards is a source that began anew.

        `wall_unix_ms` is the time of day, which zones with hours need; None while the clock is not set.
        """
        if self._last_time_s is None or frame.time_s < self._last_time_s:
            self._restart(frame.time_s)
        self._last_time_s = frame.time_s
        if frame.time_s + _HALF_TICK_S < self._due_s:
            self._result = replace(self._result, changed=False, analysed=False, reasons=None)
            return self._result
        # From the due time, not from the frame's, so that 10 frames a second still give 8 analysed ones.
        self._due_s = max(self._due_s + self._interval_s, frame.time_s)
        self._result = self._analyse(frame, wall_unix_ms)
        return self._result

    def _restart(self, time_s: float) -> None:
        if self._last_time_s is not None:
            self._detector.reset()
            self._confirmation.restart(time_s)
            self._memory.restart()
        self._due_s = time_s

    def _analyse(self, frame: Frame, wall_unix_ms: int | None) -> PipelineResult:
        before = self._confirmation.state
        detection = self._detect(frame, wall_unix_ms)
        state = self._confirmation.update(detection, frame.time_s)
        first_seen_s = self._confirmation.first_seen_time_s
        self._memory.take(frame.image, frame.time_s, detection.score, first_seen_s)
        region = self._confirmation.region
        confirms = state is FireState.CONFIRMED and before is not state and region is not None
        return PipelineResult(
            score=detection.score,
            state=state,
            first_seen_time_s=first_seen_s,
            regions=detection.regions,
            changed=state is not before,
            analysed=True,
            reasons=self._memory.reasons(frame.image, frame.time_s, region) if confirms and region else None,
        )

    def _detect(self, frame: Frame, wall_unix_ms: int | None) -> Detection:
        if not self._zones:
            return self._detector.analyse(frame)
        holding = zones_at(self._zones, wall_unix_ms, self._utc_offset_minutes)
        masks = tuple(zone for zone in holding if zone.kind == "ignored")
        cooking = [zone for zone in holding if zone.kind == "cooking"]
        detection = self._detector.analyse(replace(frame, masks=masks))
        return self._cooking.judged(detection, cooking, frame.time_s, self._score_min)


def fire_pipeline(settings: FireSettings) -> FirePipeline:
    """The pipeline as it ships: colour, flicker and networks, confirmed over time.

    Raises `FatalError` when a model file is missing or is not the one that was shipped.
    """
    return FirePipeline(
        FlameDetector(settings, shipped_networks()),
        Confirmation(settings),
        settings.analysed_fps,
        zones=settings.zones,
        utc_offset_minutes=settings.utc_offset_minutes,
        score_min=settings.score_min,
    )
