"""Real pictures for training: read, shrunk, marked, grouped by scene, and their parts without fire."""

import hashlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np

from edge.cameras.flame_colour import flame_colour
from edge.cameras.picture import shrink
from edge.cameras.ports import Picture
from runtime.errors import FatalError
from tools.fire.folder import Folder, Row
from tools.fire.marked import Mark, Marked
from tools.fire.proposals import proposals
from tools.fire.regions import DIGITS, marked_regions

SIDE_PX_MAX = 480
"""Pictures are kept at this size: what a camera shows of one stall is smaller."""

PART_PX_MIN = 72
"""The shorter side of a part without fire."""

_BRIGHT_RED_MIN, _BRIGHT_GREEN_MIN, _BRIGHT_SHARE_MAX = 215, 110, 0.005
_HASH_SIDE = 8
_SAME_BITS_MAX = 6
_SMOKY_TAG = "open_fire"


def read_pictures(folder: Folder) -> list[Marked]:
    """Every picture of the folder with its marks; near copies of one another share a scene.

    A picture of fire takes its marks from regions.csv (without any it only shows fire as a whole); in a picture
    without fire every proposal is an "other". Raises `FatalError` for a file that is no picture.
    """
    marks = marked_regions()
    images = [_image(folder, row) for row in folder.rows]
    alike = scenes(images)
    return [
        _marked(folder, row, image, row.scene or scene, marks)
        for row, image, scene in zip(folder.rows, images, alike, strict=True)
    ]


def clear_parts(picture: Marked) -> list[Marked]:
    """The parts of a picture of fire beside its flames, as pictures of their own without fire.

    Beside, below and (unless smoke may be there) above everything marked flame, unsure or smoke; a part
    narrower than 72 pixels is left out, and so is one that may burn all the same.
    """
    keep_off = picture.of("flame", "unsure", "smoke")
    if not keep_off:
        return []
    height, width = picture.image.shape[:2]
    left, top = min(r.x for r in keep_off), min(r.y for r in keep_off)
    right, bottom = max(r.x + r.w for r in keep_off), max(r.y + r.h for r in keep_off)
    parts = [(0.0, 0.0, left, 1.0), (right, 0.0, 1.0, 1.0), (0.0, bottom, 1.0, 1.0)]
    if not picture.smoky:
        parts.append((0.0, 0.0, 1.0, top))
    found = []
    for x0, y0, x1, y1 in parts:
        cut = picture.image[round(y0 * height) : round(y1 * height), round(x0 * width) : round(x1 * width)]
        if min(cut.shape[:2]) >= PART_PX_MIN and not may_burn(cut):
            found.append(_without_fire(cut, picture.scene, picture.source))
    return found


def may_burn(image: Picture) -> bool:
    """Whether more than half a hundredth of a picture is bright and flame-coloured: a flame that nobody marked."""
    return bright_share(image) > _BRIGHT_SHARE_MAX


def bright_share(image: Picture) -> float:
    """The share of a picture that is bright and flame-coloured."""
    bright = (image[:, :, 2] >= _BRIGHT_RED_MIN) & (image[:, :, 1] >= _BRIGHT_GREEN_MIN)
    return float((flame_colour(image).warm & bright).mean())


def scenes(images: Sequence[Picture]) -> list[str]:
    """A name for each picture, the same for near copies: their difference hashes (Krawetz 2013) differ by few bits."""
    names: list[str] = []
    hashes: list[int] = []
    for image in images:
        mine = _difference_hash(image)
        like = next((i for i, other in enumerate(hashes) if (mine ^ other).bit_count() <= _SAME_BITS_MAX), None)
        names.append(f"alike-{mine:016x}" if like is None else names[like])
        hashes.append(mine)
    return names


def _difference_hash(image: Picture) -> int:
    grey = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (_HASH_SIDE + 1, _HASH_SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int("".join("1" if bit else "0" for bit in (small[:, 1:] > small[:, :-1]).ravel()), 2)


def _image(folder: Folder, row: Row) -> Picture:
    image = cv2.imread(str(folder.root / row.file), cv2.IMREAD_COLOR)
    if image is None:
        raise FatalError(f"{folder.root / row.file} is no picture that OpenCV reads; replace it or remove its row")
    return shrink(np.asarray(image, np.uint8), SIDE_PX_MAX)


def _marked(folder: Folder, row: Row, image: Picture, scene: str, marks: Mapping[str, tuple[Mark, ...]]) -> Marked:
    if not row.is_fire:
        return _without_fire(image, scene, row.source)
    digits = hashlib.sha256((folder.root / row.file).read_bytes()).hexdigest()[:DIGITS]
    return Marked(image, marks.get(digits, ()), "flame", scene, "real", row.source, smoky=_SMOKY_TAG in row.tags)


def _without_fire(image: Picture, scene: str, source: str) -> Marked:
    others = tuple(Mark(region, "other") for region in proposals(image))
    return Marked(image, others, "other", scene, "real", source)
