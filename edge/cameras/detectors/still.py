"""The detector for a single picture: networks, colour and shape, but no flicker, so weaker than the one for clips."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.crops import crop_of
from edge.cameras.flame_colour import flame_colour
from edge.cameras.network import FireNetworks
from edge.cameras.picture import check_picture, shrink, without_areas
from edge.cameras.ports import Detection, Frame, Picture, Region
from edge.cameras.ramp import Ramp
from edge.cameras.settings import FireSettings

_REGIONS_MAX = 6
_REGION_PX_MIN = 20
_HOT_RED_MIN = 200
_WHOLE_WEIGHT, _CROP_WEIGHT, _SHAPE_WEIGHT = 0.55, 0.25, 0.2
"""What each judge's word counts: the network on the whole picture, the one on a region, and its colour and shape."""

_JOIN = np.ones((5, 5), np.uint8)
_RING = np.ones((9, 9), np.uint8)


@dataclass(frozen=True, slots=True)
class StillEvidence:
    """What was measured of one flame-coloured region of a single picture."""

    red_high: float
    """90th percentile of red, 0..255."""
    saturation_high: float
    """90th percentile of red minus blue, 0..255."""
    hue_spread: float
    """90th minus 10th percentile of green / red."""
    hue: float
    """Mean of green / red: 1 is yellow or white, 0 is red."""
    hot_share: float
    """Share of its pixels with red over 200, 0..1."""
    roughness: float
    """Perimeter squared over that of a disc of the same area: 1 for a disc; large for leaves, bricks and crowds."""
    over_surroundings: float
    """Mean red over that of a rim four pixels wide around it, in grey levels: flames shine, painted things do not."""
    size: float
    """Decimal logarithm of its number of pixels: in specks, colour and shape say little."""
    red_spread: float
    """Standard deviation of red, in grey levels: a flame runs from dark red to burnt out."""
    brighter_within: float
    """Correlation of red with the distance from the region's edge, -1..1: a flame is brightest inside."""


STILL_NECESSARY: tuple[Ramp[StillEvidence], ...] = (
    Ramp("bright", lambda e: e.red_high, none_at=180, full_at=230),
    Ramp("saturated", lambda e: e.saturation_high, none_at=65, full_at=140),
    Ramp("many_hues", lambda e: e.hue_spread, none_at=0.05, full_at=0.28),
    Ramp("not_yellow", lambda e: e.hue, none_at=0.95, full_at=0.7),
    Ramp("hot", lambda e: e.hot_share, none_at=0.05, full_at=0.35),
    Ramp("compact", lambda e: e.roughness, none_at=20, full_at=5),
    Ramp("shines", lambda e: e.over_surroundings, none_at=20, full_at=60),
    Ramp("not_a_speck", lambda e: e.size, none_at=1.8, full_at=2.9),
    Ramp("many_levels", lambda e: e.red_spread, none_at=20, full_at=34),
    Ramp("brightest_within", lambda e: e.brighter_within, none_at=-0.1, full_at=0.3),
)


def still_score(evidence: StillEvidence) -> float:
    """0..1: the root of the product, since without flicker each kind of evidence is weak and several have to agree."""
    return math.sqrt(math.prod(ramp(evidence) for ramp in STILL_NECESSARY))


class StillDetector:
    """Looks at each frame by itself: every flame-coloured region, and the whole picture."""

    def __init__(self, settings: FireSettings, networks: FireNetworks) -> None:
        self._settings = settings
        self._networks = networks

    def reset(self) -> None:
        """Nothing to forget: frames are independent."""

    def analyse(self, frame: Frame) -> Detection:
        """The flames in `frame`. Raises `ValueError` for an image that is not height x width x 3 of uint8."""
        check_picture(frame.image)
        image = shrink(frame.image, self._settings.picture_side_px)
        image = np.asarray(cv2.GaussianBlur(image, (3, 3), 0), np.uint8)
        colour = flame_colour(image)
        flame = without_areas(colour.flame, self._settings.ignored_areas)
        regions = _regions(image, flame)
        if not regions:
            return Detection(score=0.0)
        whole = self._networks.look_at_whole(frame.image).flame
        looks = self._networks.look_at([crop_of(frame.image, region) for region in regions])
        flames = [
            replace(region, score=_WHOLE_WEIGHT * whole + _CROP_WEIGHT * look.flame + _SHAPE_WEIGHT * region.score)
            for region, look in zip(regions, looks, strict=True)
        ]
        flames.sort(key=lambda region: region.score, reverse=True)
        return Detection(score=flames[0].score, regions=tuple(flames))


def _regions(image: Picture, flame: NDArray[np.bool_]) -> list[Region]:
    height, width = flame.shape
    joined = cv2.morphologyEx(flame.view(np.uint8), cv2.MORPH_CLOSE, _JOIN)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    regions = []
    for label in (np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind="stable") + 1)[:_REGIONS_MAX]:
        x, y, w, h = (int(v) for v in boxes[label][:4])
        window = slice(y, y + h), slice(x, x + w)
        area = (labels[window] == label) & flame[window]
        if int(area.sum()) >= _REGION_PX_MIN:
            score = still_score(_evidence(image[window], area))
            regions.append(Region(x / width, y / height, w / width, h / height, score))
    return regions


def _evidence(image: Picture, area: NDArray[np.bool_]) -> StillEvidence:
    blue, green, red = image[area].astype(np.float32).T
    hue = green / np.maximum(red, 1.0)
    hue_low, hue_high = np.percentile(hue, (10, 90))
    outlines, _ = cv2.findContours(area.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    perimeter_px = sum(cv2.arcLength(outline, closed=True) for outline in outlines)
    rim = (cv2.dilate(area.view(np.uint8), _RING) > 0) & ~area
    red_around = float(image[:, :, 2][rim].mean()) if rim.any() else 0.0
    return StillEvidence(
        red_high=float(np.percentile(red, 90)),
        saturation_high=float(np.percentile(red - blue, 90)),
        hue_spread=float(hue_high - hue_low),
        hue=float(hue.mean()),
        hot_share=float((red >= _HOT_RED_MIN).mean()),
        roughness=perimeter_px**2 / (4.0 * np.pi * len(red)),
        over_surroundings=float(red.mean()) - red_around,
        size=math.log10(len(red)),
        red_spread=float(red.std()),
        brighter_within=_correlation(red, _depth(area)),
    )


def _depth(area: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each of the region's pixels' distance from its edge, the rectangle's own edge included, in pixels."""
    framed = cv2.copyMakeBorder(area.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    return np.asarray(cv2.distanceTransform(framed, cv2.DIST_L2, 3)[1:-1, 1:-1][area], np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Pearson's, -1..1; 0 where either does not vary."""
    a, b = one - one.mean(dtype=np.float64), other - other.mean(dtype=np.float64)
    scale = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / scale if scale > 0.0 else 0.0
