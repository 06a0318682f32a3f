"""What has a flame's colours and is none, put into real pictures: lamps, lit windows and signs, painted things."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from edge.cameras.ports import Picture

Mask = NDArray[np.uint8]
Levels = NDArray[np.float32]

_WHITE = 255.0
_CHANCE_BURNT_OUT = 0.6
_LAMP_COLOURS = ((20, 90, 255), (30, 150, 255), (90, 205, 255), (10, 40, 245), (60, 220, 255), (20, 60, 160))
_PAINTS = ((20, 90, 235), (20, 30, 200), (30, 190, 245), (10, 130, 250), (60, 90, 200), (40, 60, 150), (90, 170, 230))
_LETTERS = list("ABEFHKLOPRSTUXZ02358+")


def with_a_lamp(picture: Picture, rng: Generator) -> Picture:
    """The picture with lamps that are no flames, burnt out within and coloured around, and their glow."""
    height, width = picture.shape[:2]
    core = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(1, 4))):
        _LAMPS[int(rng.integers(len(_LAMPS)))](core, rng)
    soft = cv2.GaussianBlur(core, (0, 0), float(rng.uniform(0.5, 1.6))).astype(np.float32)[:, :, None] / _WHITE
    glow = cv2.GaussianBlur(core, (0, 0), float(rng.uniform(0.03, 0.18) * width)).astype(np.float32) / _WHITE
    colour = np.array(_LAMP_COLOURS[int(rng.integers(len(_LAMP_COLOURS)))], np.float32)
    burnt_out = rng.random() < _CHANCE_BURNT_OUT
    inside = np.array([200, 235, 255], np.float32) if burnt_out else colour * np.float32(rng.uniform(0.8, 1.3))
    levels = picture.astype(np.float32) * np.float32(rng.uniform(0.2, 1.0))
    levels += glow[:, :, None] * colour * np.float32(rng.uniform(0.3, 2.0))
    levels = levels * (1.0 - soft) + soft * inside * _gradient(height, width, rng, 0.4)
    return _bytes(levels)


def with_a_painted_thing(picture: Picture, rng: Generator) -> Picture:
    """The picture with something red, orange or yellow that shines no light: a sign, a coat, a box, a stripe."""
    height, width = picture.shape[:2]
    levels = picture.astype(np.float32)
    for _ in range(int(rng.integers(1, 4))):
        shape = np.zeros((height, width), np.uint8)
        _THINGS[int(rng.integers(len(_THINGS)))](shape, rng)
        soft = cv2.GaussianBlur(shape, (0, 0), float(rng.uniform(0.4, 1.4))).astype(np.float32)[:, :, None] / _WHITE
        paint = np.array(_PAINTS[int(rng.integers(len(_PAINTS)))], np.float32) * rng.uniform(0.8, 1.15, 3)
        relief = 0.6 + 0.8 * levels.mean(axis=2, keepdims=True) / _WHITE if rng.random() < _CHANCE_RELIEF else 1.0
        painted = paint * relief * _gradient(height, width, rng, 0.6) * rng.uniform(0.5, 1.1)
        levels = (levels * (1.0 - soft) + soft * painted).astype(np.float32)
    return _bytes(levels)


_CHANCE_RELIEF = 0.6


def _bytes(levels: Levels) -> Picture:
    return np.asarray(np.clip(levels, 0.0, _WHITE), np.float32).astype(np.uint8)


def _gradient(height: int, width: int, rng: Generator, depth: float) -> Levels:
    """Light from one side: 1 there, down to `1 - depth` at most on the other."""
    angle, deep = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, depth)
    rows, columns = np.mgrid[0:height, 0:width]
    along = np.cos(angle) * columns / width + np.sin(angle) * rows / height
    along = (along - along.min()) / max(1e-6, float(np.ptp(along)))
    return np.asarray((1.0 - deep * along)[:, :, None], np.float32)


def _place(mask: Mask, rng: Generator) -> tuple[int, int]:
    height, width = mask.shape
    return int(rng.uniform(0.1, 0.9) * width), int(rng.uniform(0.1, 0.9) * height)


def _disc(mask: Mask, rng: Generator) -> None:
    cv2.circle(mask, _place(mask, rng), int(rng.uniform(0.04, 0.3) * mask.shape[1]), 255, -1)


def _ellipse(mask: Mask, rng: Generator) -> None:
    axes = int(rng.uniform(0.05, 0.35) * mask.shape[1]), int(rng.uniform(0.03, 0.2) * mask.shape[0])
    cv2.ellipse(mask, _place(mask, rng), axes, float(rng.uniform(0, 180)), 0, 360, 255, -1)


def _tube(mask: Mask, rng: Generator) -> None:
    x, y = _place(mask, rng)
    end = x + int(rng.normal(0, 0.5) * mask.shape[1]), y + int(rng.normal(0, 0.5) * mask.shape[0])
    cv2.line(mask, (x, y), end, 255, int(rng.integers(1, 8)))


def _word(mask: Mask, rng: Generator) -> None:
    x, y = _place(mask, rng)
    word = "".join(rng.choice(_LETTERS, int(rng.integers(1, 5))))
    size, thick = float(rng.uniform(0.5, 2.2)), int(rng.integers(1, 6))
    cv2.putText(mask, word, (x // 2, y), cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick)


def _chain(mask: Mask, rng: Generator) -> None:
    x, y = _place(mask, rng)
    step, radius, sag = int(rng.integers(5, 14)), int(rng.integers(1, 4)), float(rng.uniform(-0.2, 0.2))
    for place in range(x % step, mask.shape[1], step):
        cv2.circle(mask, (place, y + int(sag * abs(place - x))), radius, 255, -1)


def _shade(mask: Mask, rng: Generator) -> None:
    """A lamp shade: narrower above."""
    x, y = _place(mask, rng)
    below, high = rng.uniform(0.08, 0.3) * mask.shape[1], rng.uniform(0.1, 0.4) * mask.shape[0]
    above = below * rng.uniform(0.4, 1.0)
    corners = [
        (x - above, y - high / 2),
        (x + above, y - high / 2),
        (x + below, y + high / 2),
        (x - below, y + high / 2),
    ]
    cv2.fillPoly(mask, [np.array(corners, np.int32)], 255)


def _windows(mask: Mask, rng: Generator) -> None:
    """One window or sign, or several in rows."""
    height, width = mask.shape
    x, y = _place(mask, rng)
    w, h = max(2, int(rng.uniform(0.05, 0.4) * width)), max(2, int(rng.uniform(0.05, 0.4) * height))
    gap = int(rng.integers(1, 8))
    for row in range(int(rng.integers(1, 3))):
        for column in range(int(rng.integers(1, 4))):
            left, top = x - w // 2 + column * (w + gap), y - h // 2 + row * (h + gap)
            cv2.rectangle(mask, (left, top), (left + w, top + h), 255, -1)


def _patch(mask: Mask, rng: Generator) -> None:
    """A shape with corners: cloth, roofs, boxes, peppers in a heap."""
    x, y = _place(mask, rng)
    count, size = int(rng.integers(3, 9)), rng.uniform(0.1, 0.5)
    angles = np.sort(rng.uniform(0, 2 * np.pi, count))
    far = rng.uniform(0.4, 1.0, count) * size
    corners = np.stack([x + far * np.cos(angles) * mask.shape[1], y + far * np.sin(angles) * mask.shape[0]], axis=1)
    cv2.fillPoly(mask, [corners.astype(np.int32)], 255)


def _heap(mask: Mask, rng: Generator) -> None:
    """Many round things close together: fruit, helmets, bulbs that are off."""
    x, y = _place(mask, rng)
    radius = int(rng.integers(2, 8))
    for _ in range(int(rng.integers(3, 16))):
        dx, dy = (int(v) for v in rng.normal(0, 2.5 * radius, 2))
        cv2.circle(mask, (x + dx, y + dy), radius, int(rng.integers(120, 256)), -1)


_LAMPS: tuple[Callable[[Mask, Generator], None], ...] = (_disc, _ellipse, _tube, _word, _chain, _shade, _windows)
_THINGS: tuple[Callable[[Mask, Generator], None], ...] = (_ellipse, _tube, _word, _windows, _patch, _patch, _heap)
