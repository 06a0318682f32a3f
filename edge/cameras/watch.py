"""Watching one camera: pictures in, lines out. No threads, no processes; time comes with the pictures."""

import zlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from contract.cameras import CameraZone
from contract.events import FIRE_REASONS_MAX, SCORE_STEP_MS, SCORES_MAX, FireReason
from contract.telemetry import Reason
from edge.cameras.explain import AlarmReasons, PastScore
from edge.cameras.glance import glance_at
from edge.cameras.lines import (
    AcceptViewOrder,
    CannotSee,
    ClockOrder,
    DrillOrder,
    Fire,
    FireLine,
    Order,
    Picture,
    StatusLine,
    StillLine,
    ViewLine,
    ViewOrder,
    WatchSettings,
    ZonesOrder,
)
from edge.cameras.live_view import LiveView
from edge.cameras.looping import LoopWatch
from edge.cameras.pipeline import FirePipeline, FireState, PipelineResult
from edge.cameras.ports import Frame, Region, Strength
from edge.cameras.seeing import Finding, Seeing
from edge.cameras.sources.port import Captured
from edge.cameras.stills import still_lines, view_line

WITHHELD_AFTER_S = 1.5
"""Pictures identical for longer than this show nothing new: they are no evidence that a fire is over."""

UNSEEN_S_MAX = 1.5
"""After a longer pause the scene was not watched: the pipeline begins anew and a confirmed fire stays."""

LOOPING = Finding(
    Reason.LOOPING, "the same stretch comes again and again to the bit: a recording, not what the camera sees now"
)

_LOOK_EVERY_S = 0.2
_GLANCE_EVERY_S = 0.5
_STEP_BACK_S = 1e-3
_ORDERS_MAX = 16

Emit = Callable[[FireLine | ViewLine], None]


@dataclass(slots=True)
class _Sight:
    """What is known of the last picture; not the picture itself, which may be large."""

    arrived_s: float
    position_s: float | None
    looked_mark: int
    looked_s: float
    changed_s: float


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
    """Takes pictures, runs the fire pipeline on them, and knows how the camera does and whether it can see.

    Every picture is looked at for flames, clear or not. But while the camera is blind a confirmed fire is left as it
    is: pictures in which a flame could not be seen are no evidence that it is out.
    """

    def __init__(
        self, settings: WatchSettings, pipeline: FirePipeline, *, is_still_picture: bool, emit: Emit, seeing: Seeing
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._is_still_picture = is_still_picture
        self._emit = emit
        self._seeing = seeing
        self._glanced_s = float("-inf")
        self._loop_watch = LoopWatch()
        self._looping = False
        self._view = LiveView()
        self._drill_until_s = float("-inf")
        self._zones: Sequence[CameraZone] = settings.fire.zones
        self._clock_offset_ms: int | None = None
        self._orders: deque[Order] = deque(maxlen=_ORDERS_MAX)
        self._seen_time = SeenTime()
        self._sight: _Sight | None = None
        self._fire: Fire = "quiet"
        self._score_max = 0.0

    def order(self, order: Order) -> None:
        """Take an order, from any thread; obeyed at the next picture. Of more than 16 the oldest are dropped."""
        self._orders.append(order)

    def take(self, captured: Captured, now_s: Callable[[], float]) -> None:
        """Look at a picture; a fire that is decided by it is emitted before this returns."""
        while self._orders:
            self._obey(self._orders.popleft(), captured.arrived_s)
        sight = self._look(captured)
        self._judge(captured)
        if captured.arrived_s - sight.changed_s > WITHHELD_AFTER_S:
            return
        if self._fire == "confirmed" and (self._looping or self._seeing.is_blind):
            self._show(captured, ())
            return
        result = self._analyse(captured, now_s)
        self._show(captured, result.regions)

    def status(self, now_s: float, fps: float) -> StatusLine:
        """How the camera does now; the score is the highest since the last status."""
        score, self._score_max = self._score_max, 0.0
        sight, finding = self._sight, LOOPING if self._looping else self._seeing.finding
        return StatusLine(
            frame_age_s=None if sight is None else max(0.0, now_s - sight.arrived_s),
            fps=fps,
            score=score,
            fire=self._fire,
            picture=self._picture(),
            cannot_see=None if finding is None else CannotSee(reason=finding.reason, detail=finding.detail),
            position_s=None if sight is None else sight.position_s,
        )

    def _analyse(self, captured: Captured, now_s: Callable[[], float]) -> PipelineResult:
        frame = captured.frame
        seen_s = self._seen_time(frame.time_s)
        result = self._pipeline.process(Frame(frame.image, seen_s, frame.index), self._unix_ms(captured.arrived_s))
        self._score_max = max(self._score_max, result.score)
        before, self._fire = self._fire, result.state.value
        if result.changed and "confirmed" in {before, self._fire}:
            lasted_s = 0.0 if result.first_seen_time_s is None else max(0.0, seen_s - result.first_seen_time_s)
            self._emit(self._fire_line(captured, result, lasted_s + now_s() - captured.arrived_s))
        return result

    def _obey(self, order: Order, now_s: float) -> None:
        match order:
            case ViewOrder():
                self._view.order(order, now_s)
            case DrillOrder():
                self._drill_until_s = now_s + order.lasts_s
            case AcceptViewOrder():
                self._seeing.accept_view()
            case ZonesOrder():
                self._zones = order.zones
                self._pipeline.set_zones(order.zones, order.utc_offset_minutes)
            case ClockOrder():
                self._clock_offset_ms = order.offset_ms

    def _unix_ms(self, now_s: float) -> int | None:
        return None if self._clock_offset_ms is None else self._clock_offset_ms + round(now_s * 1000)

    def _look(self, captured: Captured) -> _Sight:
        """Compare with an earlier picture, a few times a second: every frame would cost more than detecting."""
        sight, now_s = self._sight, captured.arrived_s
        if sight is not None and now_s - sight.looked_s < _LOOK_EVERY_S:
            sight.arrived_s, sight.position_s = now_s, captured.position_s
            return sight
        mark = _mark(captured.frame)
        changed_s = sight.changed_s if sight is not None and sight.looked_mark == mark else now_s
        self._sight = _Sight(now_s, captured.position_s, mark, now_s, changed_s)
        return self._sight

    def _judge(self, captured: Captured) -> None:
        """Whether the camera sees. A picture file is judged by nobody, and a file may repeat itself."""
        if self._is_still_picture:
            return
        now_s = captured.arrived_s
        if captured.position_s is None:
            self._looping = self._loop_watch.take(captured.frame.image, now_s)
        if now_s - self._glanced_s >= _GLANCE_EVERY_S:
            self._glanced_s = now_s
            self._seeing.take(glance_at(captured.frame.image), now_s)

    def _show(self, captured: Captured, regions: Sequence[Region]) -> None:
        """A picture of the live view, if one is due."""
        now_s = captured.arrived_s
        if not self._view.is_due(now_s):
            return
        line = view_line(
            captured.frame.image,
            regions=regions,
            zones=self._zones,
            score=self._score_max,
            fire=self._fire,
            drill=now_s < self._drill_until_s,
        )
        if line is not None:
            self._emit(line)

    def _picture(self) -> Picture:
        if self._is_still_picture:
            return "still"
        sight = self._sight
        frozen = sight is not None and sight.arrived_s - sight.changed_s >= self._settings.frozen_after_s
        return "frozen" if frozen else "moving"

    def _fire_line(self, captured: Captured, result: PipelineResult, first_seen_age_s: float) -> FireLine:
        why = result.reasons if result.state is FireState.CONFIRMED else None
        return FireLine(
            fire=self._fire,
            score=result.score,
            first_seen_age_s=max(0.0, first_seen_age_s),
            position_s=captured.position_s,
            reasons=() if why is None else fire_reasons(why.signs),
            scores=() if why is None else past_scores(why.history),
            stills=() if why is None else self._stills(why),
        )

    def _stills(self, why: AlarmReasons) -> tuple[StillLine, ...]:
        return still_lines(why.stills, private=self._settings.private_stills)


def fire_reasons(signs: Sequence[Strength]) -> tuple[FireReason, ...]:
    """What spoke for flame, strongest first."""
    strongest = sorted(signs, key=lambda one: -one.strength)[:FIRE_REASONS_MAX]
    return tuple(FireReason(sign=one.sign, strength=min(1.0, max(0.0, one.strength))) for one in strongest)


def past_scores(history: Sequence[PastScore]) -> tuple[float, ...]:
    """The best score of each `SCORE_STEP_MS`, newest last; where nothing was analysed, the one before."""
    if not history:
        return ()
    step_s = SCORE_STEP_MS / 1000
    count = min(SCORES_MAX, int(max(one.age_s for one in history) / step_s) + 1)
    best: list[float | None] = [None] * count
    for one in history:
        place = int(one.age_s / step_s)
        if place < count:
            best[place] = max(best[place] or 0.0, min(1.0, max(0.0, one.score)))
    scores: list[float] = []
    for score in reversed(best):
        scores.append(score if score is not None else scores[-1])
    return tuple(round(score, 3) for score in scores)


def _mark(frame: Frame) -> int:
    """Of the whole picture: a sensor has noise, so two equal ones in a row are rare, and many are a frozen feed."""
    return zlib.crc32(np.ascontiguousarray(frame.image).data)
