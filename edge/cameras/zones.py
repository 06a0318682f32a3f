"""Zones of a camera's picture: which hold now, what they cover, and what a cooking zone lets pass.

Functions of polygons and times, except `CookingWatch`, which remembers how large the fire in each zone usually is.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from contract.cameras import CameraZone
from contract.events import FireSign
from contract.hours import WHOLE_WEEK, in_hours
from edge.cameras.ports import Detection, Region, Strength

_GRID = 64
_OVERLAP_MIN = 0.5
_USUAL_MEMORY_S = 60.0
_USUAL_KNOWN_S = 10.0
_STEP_S_MAX = 1.0


def zones_at(zones: Sequence[CameraZone], now_unix_ms: int | None, utc_offset_minutes: int) -> tuple[CameraZone, ...]:
    """The zones that hold at a time.

    While no time is known (None), only those without hours hold: rather one alarm too many.
    """
    if now_unix_ms is None:
        return tuple(zone for zone in zones if _always(zone))
    return tuple(
        zone for zone in zones if in_hours(zone.days, zone.from_minute, zone.to_minute, now_unix_ms, utc_offset_minutes)
    )


@lru_cache(maxsize=8)
def covered(zones: tuple[CameraZone, ...], height: int, width: int) -> NDArray[np.bool_]:
    """The pixels of a picture of `height` x `width` inside any of the polygons."""
    mask = np.zeros((height, width), np.uint8)
    for zone in zones:
        corners = [(point.x * width - 0.5, point.y * height - 0.5) for point in zone.points]
        cv2.fillPoly(mask, [np.round(np.array(corners)).astype(np.int32)], 1)
    return mask > 0


def area_of(zone: CameraZone) -> float:
    """The polygon's share of the picture, by the shoelace formula."""
    points = zone.points
    twice = sum(a.x * b.y - b.x * a.y for a, b in zip(points, (*points[1:], points[0]), strict=True))
    return abs(twice) / 2.0


def zone_of(region: Region, zones: Sequence[CameraZone]) -> CameraZone | None:
    """The first zone that holds the region's centre or more than half of its rectangle."""
    for zone in zones:
        mask = covered((zone,), _GRID, _GRID)
        top, left = _cell(region.y), _cell(region.x)
        place = mask[
            top : max(top + 1, _cell(region.y + region.h) + 1), left : max(left + 1, _cell(region.x + region.w) + 1)
        ]
        if mask[_cell(region.y + region.h / 2), _cell(region.x + region.w / 2)] or place.mean() > _OVERLAP_MIN:
            return zone
    return None


@dataclass(slots=True)
class _Usual:
    """The usual size of the fire in one zone, as a share of the picture, and for how long one has burnt there."""

    size: float = 0.0
    seen_s: float = 0.0


@dataclass(slots=True)
class CookingWatch:
    """Lets the fire of a cooking zone pass while it keeps to its zone's size and does not outgrow its usual size.

    The usual size is a mean over a minute of burning; for the first ten seconds of it only `size_share_max` counts.
    One number a zone is remembered.
    """

    _usual: dict[str, _Usual] = field(default_factory=dict)
    _last_s: float | None = None

    def judged(self, detection: Detection, zones: Sequence[CameraZone], time_s: float, score_min: float) -> Detection:
        """The detection without what the cooking `zones` allow; what is beyond that says so among its signs.

        `score_min` is the score from which on a region counts as a flame of usual size.
        """
        step_s = 0.0 if self._last_s is None else min(_STEP_S_MAX, max(0.0, time_s - self._last_s))
        self._last_s = time_s
        if not zones:
            return detection
        kept: list[Region] = []
        burning: dict[str, float] = {}
        for region in detection.regions:
            zone = zone_of(region, zones)
            if zone is None:
                kept.append(region)
                continue
            size = region.w * region.h
            if region.score >= score_min:
                burning[zone.name] = burning.get(zone.name, 0.0) + size
            if self._is_beyond(zone, size):
                kept.append(replace(region, signs=(*region.signs, Strength(FireSign.BEYOND_COOKING, 1.0))))
        self._learn(burning, step_s)
        return Detection(max((region.score for region in kept), default=0.0), tuple(kept))

    def _is_beyond(self, zone: CameraZone, size: float) -> bool:
        usual = self._usual.get(zone.name, _Usual())
        outgrown = usual.seen_s >= _USUAL_KNOWN_S and size > zone.growth_ratio_max * usual.size
        return outgrown or size > zone.size_share_max * area_of(zone)

    def _learn(self, burning: Mapping[str, float], step_s: float) -> None:
        for name, size in burning.items():
            usual = self._usual.setdefault(name, _Usual(size))
            usual.size += (size - usual.size) * (1.0 - math.exp(-step_s / _USUAL_MEMORY_S))
            usual.seen_s += step_s


def _always(zone: CameraZone) -> bool:
    return zone.from_minute == zone.to_minute and set(zone.days) == set(WHOLE_WEEK)


def _cell(fraction: float) -> int:
    return min(_GRID - 1, max(0, int(fraction * _GRID)))
