"""Regions of a still that have the colour of flame: where the product's gate might look, and what people judged."""

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.flame_colour import flame_colour
from edge.cameras.ports import Picture, Region

PROPOSALS_MAX = 6

_PER_MASK_MAX = 4
_PX_MIN = 12
_BRIGHT_RED_MIN, _BRIGHT_GREEN_MIN = 215, 110
_SAME_MIN = 0.6
_GROW, _JOIN = np.ones((3, 3), np.uint8), np.ones((5, 5), np.uint8)

_Box = tuple[int, int, int, int]


def proposals(image: Picture) -> list[Region]:
    """Connected parts of the bright flame-coloured pixels, then of all flame-coloured ones; six at most."""
    smooth = np.asarray(cv2.GaussianBlur(image, (3, 3), 0), np.uint8)
    colour = flame_colour(smooth)
    bright = (smooth[:, :, 2] >= _BRIGHT_RED_MIN) & (smooth[:, :, 1] >= _BRIGHT_GREEN_MIN)
    found: list[_Box] = []
    for mask in ((colour.warm & bright) | colour.core, colour.flame):
        found += [box for box in _parts(mask) if all(_overlap(box, other) <= _SAME_MIN for other in found)]
    height, width = image.shape[:2]
    return [Region(x / width, y / height, w / width, h / height, 1.0) for x, y, w, h in found[:PROPOSALS_MAX]]


def _parts(mask: NDArray[np.bool_]) -> list[_Box]:
    joined = cv2.morphologyEx(cv2.dilate(mask.view(np.uint8), _GROW), cv2.MORPH_CLOSE, _JOIN)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    parts = []
    for label in (np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind="stable") + 1)[:_PER_MASK_MAX]:
        x, y, w, h = (int(value) for value in boxes[label][:4])
        window = slice(y, y + h), slice(x, x + w)
        if int((mask[window] & (labels[window] == label)).sum()) >= _PX_MIN:
            parts.append((x, y, w, h))
    return parts


def _overlap(one: _Box, other: _Box) -> float:
    across = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    down = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    common = max(0, across) * max(0, down)
    return common / (one[2] * one[3] + other[2] * other[3] - common)
