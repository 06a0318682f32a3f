"""Pictures: known by their bytes, measured by their headers, refused with a sentence."""

import contextlib

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.console.pictures import PICTURE_BYTES_MAX, BadPictureError, inspect_picture


def encoded(extension: str, width: int = 37, height: int = 21, options: tuple[int, ...] = ()) -> bytes:
    _, data = cv2.imencode(extension, np.full((height, width, 3), 90, np.uint8), list(options))
    return bytes(data)


KINDS = {
    "png": (encoded(".png"), "image/png"),
    "jpeg": (encoded(".jpg"), "image/jpeg"),
    "progressive": (encoded(".jpg", options=(cv2.IMWRITE_JPEG_PROGRESSIVE, 1)), "image/jpeg"),
    "webp": (encoded(".webp", options=(cv2.IMWRITE_WEBP_QUALITY, 50)), "image/webp"),
    "webp-lossless": (encoded(".webp", options=(cv2.IMWRITE_WEBP_QUALITY, 101)), "image/webp"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_real_encoder_writes_is_measured(kind: str) -> None:
    data, media_type = KINDS[kind]
    seen = inspect_picture(data)
    assert (seen.media_type, seen.width_px, seen.height_px) == (media_type, 37, 21)


def test_an_extended_webp_is_measured() -> None:
    head = b"RIFF\x00\x00\x00\x00WEBPVP8X" + (10).to_bytes(4, "little") + b"\x00" * 4
    assert inspect_picture(head + (799).to_bytes(3, "little") + (599).to_bytes(3, "little")).width_px == 800


@pytest.mark.parametrize("kind", KINDS)
@given(cut=st.integers(0, 15))
def test_a_cut_header_is_refused(kind: str, cut: int) -> None:
    with pytest.raises(BadPictureError):
        inspect_picture(KINDS[kind][0][:cut])


@given(st.binary(max_size=300), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF0000WEBPVP8 "]))
def test_no_bytes_raise_anything_but_the_sentence(body: bytes, head: bytes) -> None:
    with contextlib.suppress(BadPictureError):
        assert inspect_picture(head + body).width_px > 0


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"GIF89a" + b"\x00" * 50, "PNG, JPEG or WebP"),
        (b"<svg onload='alert(1)'/>", "PNG, JPEG or WebP"),
        (b"", "PNG, JPEG or WebP"),
        (b"\x89PNG" + b"\x00" * PICTURE_BYTES_MAX, "at most 5 MB"),
        (encoded(".png", 9000, 1), "8192 on a side"),
        (encoded(".png", 7000, 7000), "40 million"),
    ],
)
def test_what_no_screen_shall_get_is_refused_with_the_remedy(data: bytes, says: str) -> None:
    with pytest.raises(BadPictureError, match=says):
        inspect_picture(data)
