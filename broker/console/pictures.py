"""Pictures handed in: what they are is read from their first bytes, never from their name."""

import struct
from dataclasses import dataclass

from broker.console.problems import ExplainedError
from contract.signage import MediaType

MILLION = 1_000_000
PICTURE_BYTES_MAX = 5 * MILLION
PICTURE_SIDE_PX_MAX = 8192
PICTURE_PIXELS_MAX = 40_000_000  # what a Pi's browser can still decode beside its other pages

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
JPEG_SIZE_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0…SOF15 without DHT, JPG, DAC (ITU T.81)
JPEG_BARE_MARKERS = frozenset({0x01, *range(0xD0, 0xD9)})
VP8_START_CODE = b"\x9d\x01\x2a"
VP8L_SIGNATURE = 0x2F
DIMENSION_MASK_14_BITS = 0x3FFF


class BadPictureError(ExplainedError, ValueError):
    """A picture that no screen shall get; the sentence says what would be right."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A checked picture."""

    media_type: MediaType
    width_px: int
    height_px: int


def inspect_picture(data: bytes) -> Picture:
    """What `data` is, from its header (PNG 3rd edition 11.2.1, ITU T.81 B.2, RFC 9649).

    Raises:
        BadPictureError: too large, not PNG, JPEG or WebP, or with a header that is cut or impossible.
    """
    if len(data) > PICTURE_BYTES_MAX:
        raise BadPictureError("picture_bytes", n=len(data), limit_mb=PICTURE_BYTES_MAX // MILLION)
    try:
        picture = _read(data)
    except (struct.error, IndexError) as error:
        raise BadPictureError("picture_cut") from error
    if picture is None:
        raise BadPictureError("picture_type")
    sides = (picture.width_px, picture.height_px)
    if min(sides) < 1 or max(sides) > PICTURE_SIDE_PX_MAX or sides[0] * sides[1] > PICTURE_PIXELS_MAX:
        raise BadPictureError(
            "picture_sides",
            width=picture.width_px,
            height=picture.height_px,
            side_max=PICTURE_SIDE_PX_MAX,
            million_max=PICTURE_PIXELS_MAX // MILLION,
        )
    return picture


def _read(data: bytes) -> Picture | None:
    if data.startswith(PNG_MAGIC):
        return _png(data)
    if data.startswith(JPEG_MAGIC):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    return None


def _png(data: bytes) -> Picture | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return Picture("image/png", width, height)


def _jpeg(data: bytes) -> Picture | None:
    at = 2
    while data[at] == 0xFF:  # noqa: PLR2004 — every JPEG marker begins with this byte
        marker = data[at + 1]
        if marker == 0xFF or marker in JPEG_BARE_MARKERS:  # noqa: PLR2004 — fill bytes may precede a marker
            at += 1 if marker == 0xFF else 2  # noqa: PLR2004 — the same
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in JPEG_SIZE_MARKERS:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return Picture("image/jpeg", width, height)
        at += 2 + max(2, length)
    return None


def _webp(data: bytes) -> Picture | None:
    form = data[12:16]
    if form == b"VP8X":
        width = int.from_bytes(data[24:27], "little") + 1
        height = int.from_bytes(data[27:30], "little") + 1
        return Picture("image/webp", width, height) if len(data) >= 30 else None  # noqa: PLR2004 — the header's end
    if form == b"VP8 " and data[23:26] == VP8_START_CODE:
        width, height = struct.unpack_from("<HH", data, 26)
        return Picture("image/webp", width & DIMENSION_MASK_14_BITS, height & DIMENSION_MASK_14_BITS)
    if form == b"VP8L" and data[20] == VP8L_SIGNATURE:
        (bits,) = struct.unpack_from("<I", data, 21)
        return Picture("image/webp", (bits & DIMENSION_MASK_14_BITS) + 1, (bits >> 14 & DIMENSION_MASK_14_BITS) + 1)
    return None
