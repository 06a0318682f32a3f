"""Candidate regions: the connected parts of a picture that flicker in the colour of flame."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

CANDIDATES_MAX = 4
CANDIDATE_PX_MIN = 10

_GROW = np.ones((3, 3), np.uint8)
_JOIN = np.ones((5, 5), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A rectangle of the shrunk picture in pixels, the region's pixels within it, and those of them that flicker."""

    x: int
    y: int
    w: int
    h: int
    area: NDArray[np.bool_]
    flickering: NDArray[np.bool_]

    @property
    def window(self) -> tuple[slice, slice]:
        """The rectangle as indices of the picture's arrays."""
        return slice(self.y, self.y + self.h), slice(self.x, self.x + self.w)


def candidates(flickering: NDArray[np.bool_]) -> list[Candidate]:
    """The largest connected regions of the mask, four at most; gaps of a few pixels do not part a region.

    Regions with fewer than ten flickering pixels are left out. A picture with more than four keeps the largest.
    """
    joined = cv2.morphologyEx(cv2.dilate(flickering.view(np.uint8), _GROW), cv2.MORPH_CLOSE, _JOIN)
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(joined)
    found = []
    for label in (np.argsort(-boxes[1:, cv2.CC_STAT_AREA], kind="stable") + 1)[:CANDIDATES_MAX]:
        x, y, w, h = (int(v) for v in boxes[label][:4])
        window = slice(y, y + h), slice(x, x + w)
        area = labels[window] == label
        inner = area & flickering[window]
        if int(inner.sum()) >= CANDIDATE_PX_MIN:
            found.append(Candidate(x, y, w, h, area, inner))
    return found
