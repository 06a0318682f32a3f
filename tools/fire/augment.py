"""What cameras do to pictures, by chance: light, colour, noise, blur, compression and warm light."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.cameras.ports import Picture

Levels = NDArray[np.float32]
"""Height x width x 3, blue, green, red, 0 to 255."""

_CHANCE_TONE, _CHANCE_COLOUR, _CHANCE_SOFT, _CHANCE_NOISE, _CHANCE_JPEG, _CHANCE_RANGE = 0.7, 0.7, 0.4, 0.3, 0.5, 0.12
_CHANCE_GREYISH = 0.06
_WHITE = 255.0


def as_a_camera_shows(picture: Picture, rng: Generator, *, tint: float) -> Picture:
    """The picture mirrored, lit, coloured, softened, noised and compressed by chance.

    `tint` is how far each channel's gain may go either way: little for flames, whose colour tells them.
    """
    if rng.random() < 0.5:  # noqa: PLR2004 — a coin
        picture = np.ascontiguousarray(picture[:, ::-1])
    picture = _toned_and_tinted(_softened(picture, rng), rng, tint)
    if rng.random() < _CHANCE_COLOUR:
        picture = _coloured(picture, rng)
    if rng.random() < _CHANCE_NOISE:
        picture = _noised(picture, rng)
    return _compressed(picture, rng)


def _softened(picture: Picture, rng: Generator) -> Picture:
    if rng.random() >= _CHANCE_SOFT:
        return picture
    side = picture.shape[0]
    if rng.random() < 0.25:  # noqa: PLR2004 — one in four is out of focus rather than small
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.6, 1.8))), np.uint8)
    small = int(rng.integers(side // 3, side))
    shrunk = np.asarray(cv2.resize(picture, (small, small), interpolation=cv2.INTER_AREA), np.uint8)
    if rng.random() < 0.5:  # noqa: PLR2004 — a coin
        shrunk = _jpeg(shrunk, int(rng.integers(30, 85)))
    return np.asarray(cv2.resize(shrunk, (side, side), interpolation=cv2.INTER_LINEAR), np.uint8)


def _toned_and_tinted(picture: Picture, rng: Generator, tint: float) -> Picture:
    """Exposure, gamma, each channel's gain, and a narrower range of levels, all by one table per channel."""
    levels = np.arange(256, dtype=np.float64) / _WHITE
    if rng.random() < _CHANCE_TONE:
        levels = np.clip(levels * rng.uniform(0.65, 1.45), 0.0, 1.0) ** rng.uniform(0.65, 1.6)
    gains = rng.uniform(1.0 - tint, 1.0 + tint, 3) if rng.random() < _CHANCE_COLOUR else np.ones(3)
    table = levels[:, None] * gains
    if rng.random() < _CHANCE_RANGE:
        table = rng.uniform(0.0, 0.14) + table * rng.uniform(0.7, 0.95)
    bytes_table = np.clip(_WHITE * table, 0.0, _WHITE).astype(np.uint8)[None]
    return np.asarray(cv2.LUT(picture, bytes_table), np.uint8)


def _coloured(picture: Picture, rng: Generator) -> Picture:
    """More or less saturated."""
    colourful = rng.uniform(0.1, 0.4) if rng.random() < _CHANCE_GREYISH else rng.uniform(0.6, 1.35)
    mixing = np.full((3, 3), (1.0 - colourful) / 3.0) + colourful * np.eye(3)
    return np.asarray(cv2.transform(picture, mixing), np.uint8)


_NOISE_SIDE = 256
_NOISE = np.random.default_rng(0).standard_normal((_NOISE_SIDE, _NOISE_SIDE, 3)).astype(np.float32)


def _noised(picture: Picture, rng: Generator) -> Picture:
    side = picture.shape[0]
    y, x = (int(v) for v in rng.integers(0, _NOISE_SIDE - side, 2))
    noise = _NOISE[y : y + side, x : x + side] * np.float32(rng.uniform(2.0, 12.0))
    return np.asarray(cv2.add(picture, noise, dtype=cv2.CV_8U), np.uint8)


def _compressed(picture: Picture, rng: Generator) -> Picture:
    return _jpeg(picture, int(rng.integers(25, 92))) if rng.random() < _CHANCE_JPEG else picture


def _jpeg(picture: Picture, quality: int) -> Picture:
    encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)


def added_light(picture: Picture, light: Picture) -> Picture:
    """The picture with the light of another one added, saturating as a sensor does (both 8-bit, the same size)."""
    rest = (255.0 - picture.astype(np.float32)) * (255.0 - light.astype(np.float32)) / _WHITE
    return np.asarray(_WHITE - rest, np.float32).astype(np.uint8)


def warmed(picture: Picture, rng: Generator) -> Picture:
    """What is no flame, in the colours of one: lit by a lamp or a sunset, glowing, or overexposed with a warm rim."""
    levels = picture.astype(np.float32)
    how = _WARMINGS[int(rng.integers(len(_WARMINGS)))]
    return np.asarray(np.clip(how(levels, rng), 0.0, _WHITE), np.float32).astype(np.uint8)


def _sunset(levels: Levels, rng: Generator) -> Levels:
    red, green, blue = rng.uniform(1.1, 1.9), rng.uniform(0.5, 1.05), rng.uniform(0.05, 0.6)
    return np.asarray(levels * np.array([blue, green, red], np.float32), np.float32)


def _burnt_out(levels: Levels, rng: Generator) -> Levels:
    bright = _sunset(levels, rng) * rng.uniform(1.3, 2.6)
    over = np.maximum(bright[:, :, 2:] - _WHITE, 0.0)
    return np.asarray(bright + over * rng.uniform(0.2, 0.9), np.float32)


def _toned(levels: Levels, rng: Generator) -> Levels:
    """Brightness alone, in a ramp from dark red over orange to pale yellow: the colours of flame on any shape."""
    grey = np.clip(levels.mean(axis=2) / _WHITE * rng.uniform(0.8, 1.6), 0.0, 1.0) ** rng.uniform(0.7, 1.8)
    stops = np.linspace(0.0, 1.0, 4)
    ramp = np.array([[0, 0, 0], [0, 20, 150], [20, 120, 250], [170, 235, 255]], np.float32)
    ramp[1:] += rng.uniform(-25, 25, (3, 3)).astype(np.float32)
    toned = np.stack([np.interp(grey, stops, ramp[:, channel]) for channel in range(3)], axis=2)
    mixed = rng.uniform(0.4, 1.0)
    return np.asarray(mixed * toned + (1.0 - mixed) * levels, np.float32)


def _lit_from_a_side(levels: Levels, rng: Generator) -> Levels:
    height, width = levels.shape[:2]
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = rng.uniform(-0.3, 1.3) * width, rng.uniform(-0.3, 1.3) * height
    near = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * (rng.uniform(0.25, 0.9) * width) ** 2))
    colour = np.array([rng.uniform(0.0, 0.4), rng.uniform(0.4, 1.1), rng.uniform(1.2, 3.0)], np.float32)
    return np.asarray(levels * (rng.uniform(0.2, 0.8) + near[:, :, None] * colour), np.float32)


def in_warm_light(picture: Picture, rng: Generator) -> Picture:
    """The picture as a wrong white balance or a lamp beside it shows it, reddish to violet, with a warm haze."""
    gains = np.array([rng.uniform(0.3, 1.2), rng.uniform(0.55, 1.0), rng.uniform(1.0, 1.35)], np.float32)
    haze = np.float32(rng.uniform(0.0, 0.35)) * np.array([30.0, 80.0, 170.0], np.float32)
    levels = picture.astype(np.float32) * gains
    return np.asarray(np.clip(levels + haze * (1.0 - levels / _WHITE), 0.0, _WHITE), np.float32).astype(np.uint8)


_WARMINGS: tuple[Callable[[Levels, Generator], Levels], ...] = (_sunset, _burnt_out, _toned, _lit_from_a_side)
