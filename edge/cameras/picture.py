"""Pictures: check, shrink, leave areas out, encode a still."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Picture
from edge.cameras.settings import IgnoredArea

_STILL_SIDES_PX = (1280, 960, 640, 480, 320, 240, 160, 96)
_STILL_QUALITIES = (80, 65, 50, 35)
_COLOUR_AXES = 3


def check_picture(image: Picture) -> None:
    """Raises `ValueError` for anything but height x width x 3 of uint8 with at least one pixel."""
    if image.ndim != _COLOUR_AXES or image.shape[2] != _COLOUR_AXES or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"a picture is height x width x 3 of uint8, this one is {image.shape} of {image.dtype}")


def shrink(image: Picture, side_px_max: int) -> Picture:
    """The picture with its longer side at most `side_px_max`; a smaller picture comes back as it is."""
    height, width = image.shape[:2]
    scale = side_px_max / max(height, width)
    if scale >= 1.0:
        return image
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return made_smaller(image, size)


def made_smaller(image: Picture, size: tuple[int, int]) -> Picture:
    """The picture at `size` (width, height, not larger than it is): each pixel is the mean of what it covers.

    Halved as often as possible first, which OpenCV does ten times as fast as any other step.
    """
    while image.shape[1] >= 2 * size[0] and image.shape[0] >= 2 * size[1]:
        height, width = image.shape[0] // 2, image.shape[1] // 2
        whole = image[: 2 * height, : 2 * width]
        image = np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
    if (image.shape[1], image.shape[0]) == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def without_areas(mask: NDArray[np.bool_], areas: Sequence[IgnoredArea]) -> NDArray[np.bool_]:
    """`mask`, changed in place, with everything inside `areas` set to False."""
    height, width = mask.shape
    for area in areas:
        rows = slice(int(area.y * height), int(np.ceil((area.y + area.h) * height)))
        columns = slice(int(area.x * width), int(np.ceil((area.x + area.w) * width)))
        mask[rows, columns] = False
    return mask


def encode_still(image: Picture, bytes_max: int) -> bytes:
    """The picture as JPEG of at most `bytes_max` bytes, as large and as sharp as fits.

    The side shrinks only when the lowest useful quality does not fit. Raises `ValueError` when even 96 pixels do not.
    """
    check_picture(image)
    for side_px in _STILL_SIDES_PX:
        small = shrink(image, side_px)
        for quality in _STILL_QUALITIES:
            encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
            if len(encoded) <= bytes_max:
                return encoded
    raise ValueError(f"a still of {bytes_max} bytes is too small for any picture; allow at least 4000")
