"""What the networks are shown: squares cut from the original picture, and the whole picture, always the same way.

Training cuts its samples with these functions too, so that both sides agree on size, channel order and scale.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.picture import made_smaller
from edge.cameras.ports import Picture, Region

CROP_PX = 64
FRAME_PX = 96

_CONTEXT = 1.5
"""The square's side over the region's longer side: what a flame stands on and shines on tells it from a lamp."""

_SIDE_PX_MIN = 32
_MIDDLE_LEVEL = 0.5


def crop_of(image: Picture, region: Region) -> Picture:
    """The surroundings of `region` as a square of 64 x 64, cut from the picture before it is shrunk.

    The square's side is one and a half times the region's longer side, 32 pixels at least. It is moved inside the
    picture; where the picture is smaller than the square, its edge is repeated.
    """
    height, width = image.shape[:2]
    side = max(_SIDE_PX_MIN, round(_CONTEXT * max(region.w * width, region.h * height)))
    left = _moved_inside(round((region.x + region.w / 2) * width - side / 2), side, width)
    top = _moved_inside(round((region.y + region.h / 2) * height - side / 2), side, height)
    inner = image[max(0, top) : top + side, max(0, left) : left + side]
    if inner.shape[0] == inner.shape[1] == side:
        return _resized(inner, CROP_PX, CROP_PX)
    # Made small before its edge is repeated: a large square around a small picture would be mostly edge.
    high, wide = (max(1, round(length * CROP_PX / side)) for length in inner.shape[:2])
    above, before = (round(max(0, -begin) * CROP_PX / side) for begin in (top, left))
    above, before = min(above, CROP_PX - high), min(before, CROP_PX - wide)
    below, after = CROP_PX - high - above, CROP_PX - wide - before
    small = _resized(inner, wide, high)
    return np.asarray(cv2.copyMakeBorder(small, above, below, before, after, cv2.BORDER_REPLICATE), np.uint8)


def whole_of(image: Picture) -> Picture:
    """The whole picture squeezed to 96 x 96."""
    return _resized(image, FRAME_PX, FRAME_PX)


def blob_of(pictures: Sequence[Picture]) -> NDArray[np.float32]:
    """A network's input: pictures x 3 (blue, green, red) x height x width, levels from -0.5 to 0.5."""
    levels = np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32)
    return np.ascontiguousarray(levels / np.float32(255.0) - np.float32(_MIDDLE_LEVEL))


def _moved_inside(begin: int, side: int, length: int) -> int:
    """Where the square begins along one axis; centred (and so partly outside) where it is longer than the picture."""
    if side >= length:
        return (length - side) // 2
    return min(max(begin, 0), length - side)


def _resized(image: Picture, width: int, height: int) -> Picture:
    if image.shape[0] > height and image.shape[1] > width:
        return made_smaller(image, (width, height))
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR), np.uint8)
