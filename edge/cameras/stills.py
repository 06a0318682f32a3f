"""The pictures that leave a camera: stills of a fire, and the live view. Drawn, made small, and private where asked."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from contract.cameras import CameraZone
from edge.cameras.explain import MomentStill
from edge.cameras.lines import STILL_BYTES_MAX, VIEW_BYTES_MAX, Fire, StillLine, ViewLine
from edge.cameras.picture import encode_still, shrink
from edge.cameras.ports import Picture, Region

VIEW_SIDE_PX = 320
VIEW_QUALITIES = (50, 30, 15)

_Colour = tuple[int, int, int]
_FLAME: _Colour = (0, 0, 255)
_IGNORED: _Colour = (160, 160, 160)
_COOKING: _Colour = (255, 160, 0)
_LINE_PX = 2
_LABEL: _Colour = (255, 255, 255)
_PIXELATED_CELLS = 24
_KEPT_AROUND = 0.15


def still_lines(stills: Sequence[MomentStill], *, private: bool) -> tuple[StillLine, ...]:
    """The stills of a fire, its region drawn, each small enough for an event; with `private`, private copies too."""
    made = [_still_line(one, one.image, private=False) for one in stills]
    if private:
        made += [_still_line(one, pixelated_outside(one.image, one.region), private=True) for one in stills]
    return tuple(made)


def pixelated_outside(image: Picture, region: Region) -> Picture:
    """The picture in coarse squares, 24 along its longer side, except around the fire: nobody can be known in it."""
    height, width = image.shape[:2]
    cell_px = max(1, max(height, width) // _PIXELATED_CELLS)
    size = max(1, width // cell_px), max(1, height // cell_px)
    coarse = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    private = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    left, top, right, bottom = _corners(image, region, around=_KEPT_AROUND)
    private[top:bottom, left:right] = image[top:bottom, left:right]
    return private


def view_line(
    image: Picture, *, regions: Sequence[Region], zones: Sequence[CameraZone], score: float, fire: Fire, drill: bool
) -> ViewLine | None:
    """A picture of the live view; None when it does not get small enough."""
    drawn = np.array(shrink(image, VIEW_SIDE_PX))
    _draw_zones(drawn, zones)
    for region in regions:
        _draw_region(drawn, region)
    words = f"{fire} {score:.2f}{' DRILL' if drill else ''}"
    cv2.putText(drawn, words, (4, drawn.shape[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 3)
    cv2.putText(drawn, words, (4, drawn.shape[0] - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.4, _LABEL, 1)
    for quality in VIEW_QUALITIES:
        jpeg = cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
        if len(jpeg) <= VIEW_BYTES_MAX:
            height_px, width_px = drawn.shape[:2]
            text = base64.b64encode(jpeg).decode()
            return ViewLine(score=score, fire=fire, jpeg_base64=text, width_px=width_px, height_px=height_px)
    return None


def _still_line(still: MomentStill, image: Picture, *, private: bool) -> StillLine:
    drawn = np.array(image)
    _draw_region(drawn, still.region)
    jpeg = encode_still(drawn, STILL_BYTES_MAX)
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_GRAYSCALE)
    height_px, width_px = (0, 0) if decoded is None else decoded.shape[:2]
    return StillLine(
        moment=still.moment.value,
        jpeg_base64=base64.b64encode(jpeg).decode(),
        width_px=width_px,
        height_px=height_px,
        private=private,
    )


def _draw_region(image: Picture, region: Region) -> None:
    left, top, right, bottom = _corners(image, region, around=0.0)
    cv2.rectangle(image, (left, top), (max(left, right - 1), max(top, bottom - 1)), _FLAME, _LINE_PX)


def _draw_zones(image: Picture, zones: Sequence[CameraZone]) -> None:
    height, width = image.shape[:2]
    for zone in zones:
        corners = np.array([(round(point.x * width), round(point.y * height)) for point in zone.points], np.int32)
        cv2.polylines(image, [corners], True, _COOKING if zone.kind == "cooking" else _IGNORED, 1)  # noqa: FBT003 - OpenCV's


def _corners(image: Picture, region: Region, *, around: float) -> tuple[int, int, int, int]:
    """Left, top, right and bottom in pixels, with a margin of `around` times the region's size, inside the picture."""
    height, width = image.shape[:2]
    left = int(max(0.0, region.x - around * region.w) * width)
    top = int(max(0.0, region.y - around * region.h) * height)
    right = int(np.ceil(min(1.0, region.x + (1 + around) * region.w) * width))
    bottom = int(np.ceil(min(1.0, region.y + (1 + around) * region.h) * height))
    return left, top, right, bottom
