"""Rendered scenes for the fire tests: a flame, and the look-alikes of a market. Seeded; blue, green, red; 320 x 240."""

from collections.abc import Callable, Iterator
from itertools import count

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Frame, Picture

Canvas = NDArray[np.float32]
Draw = Callable[[Canvas, float], None]

WIDTH, HEIGHT, FPS = 320, 240, 12.5


def stall(seed: int = 7) -> Canvas:
    """A dim stall front: grey-brown blocks with some texture."""
    rng = np.random.default_rng(seed)
    blocks = rng.uniform(40, 110, (6, 8, 1)) * np.array([0.95, 1.0, 1.05])
    wall = cv2.resize(blocks.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return np.asarray(wall + rng.normal(0, 4, (HEIGHT, WIDTH, 1)), np.float32)


def scene(draw: Draw, seconds: float, *, fps: float = FPS, start_s: float = 0.0, seed: int = 1) -> Iterator[Frame]:
    """Frames of `draw` over the stall, with a camera's noise."""
    rng = np.random.default_rng(seed)
    wall = stall()
    for index in count():
        time_s = index / fps
        if time_s >= seconds:
            return
        canvas = wall.copy()
        draw(canvas, time_s)
        canvas += rng.normal(0, 2.5, canvas.shape).astype(np.float32)
        yield Frame(picture(canvas), start_s + time_s, index)


def picture(canvas: Canvas) -> Picture:
    return np.clip(canvas, 0, 255).astype(np.uint8)


class Flame:
    """A flame that grows in tongues: smooth noise renewed several times a second under a pointed profile."""

    def __init__(self, *, x: int = 140, y: int = 90, w: int = 50, h: int = 80, seed: int = 3) -> None:
        self._rng = np.random.default_rng(seed)
        self._box = x, y, w, h
        rows, columns = np.mgrid[0:h, 0:w].astype(np.float32)
        across = np.abs(columns / w - 0.5) * 2
        self._profile = np.clip(1.25 * (rows / h) ** 0.6 - across**1.5, 0, 1)
        self._noise = np.ones((h, w), np.float32) * 0.5

    def __call__(self, canvas: Canvas, _time_s: float) -> None:
        x, y, w, h = self._box
        grain = self._rng.uniform(0, 1, (max(3, h // 8), max(3, w // 8))).astype(np.float32)
        self._noise = 0.3 * self._noise + 0.7 * cv2.resize(grain, (w, h), interpolation=cv2.INTER_CUBIC)
        heat = np.clip(self._profile * (0.25 + 1.3 * self._noise), 0, 1)
        colour = np.stack([2 * heat - 1.3, 1.6 * heat - 0.35, 2.4 * heat], axis=2).clip(0, 1) * 255
        place = canvas[y : y + h, x : x + w]
        place += (colour - place) * np.clip(heat * 3, 0, 1)[:, :, None]


def nothing(_canvas: Canvas, _time_s: float) -> None:
    """The stall alone."""


def orange_cloth(canvas: Canvas, time_s: float) -> None:
    """A bright orange cloth carried to and fro."""
    left = round(110 + 70 * np.sin(2 * time_s))
    shade = 0.8 + 0.2 * np.sin(np.arange(60) / 9)
    canvas[80:170, left : left + 60] = np.array([30, 120, 235]) * shade[None, :, None]


def blinking_sign(canvas: Canvas, time_s: float) -> None:
    """A red and amber sign, on and off two and a half times a second."""
    level = 1.0 if int(time_s * 5) % 2 else 0.15
    cv2.ellipse(canvas, (160, 80), (60, 28), 0, 0, 360, (60 * level, 130 * level, 255 * level), 9)
    cv2.ellipse(canvas, (160, 80), (45, 18), 0, 0, 360, (200 * level, 240 * level, 255 * level), 4)


def running_text(canvas: Canvas, time_s: float) -> None:
    """Amber light-emitting diodes: text that runs to the left a whole number of dots per frame."""
    text = np.zeros((36, 1000), np.uint8)
    cv2.putText(text, "SALE TODAY WELCOME FRESH FISH " * 2, (5, 28), cv2.FONT_HERSHEY_DUPLEX, 1.0, 255, 2)
    left = 2 * round(time_s * FPS * 2)
    dots = (text[:, left % 400 : left % 400 + 180] > 90).astype(np.float32)
    dots[1::2] = dots[:, 1::2] = 0
    glow = np.minimum(cv2.GaussianBlur(dots * 4, (0, 0), 0.8), 1.5)[:, :, None]
    canvas[60:96, 70:250] = canvas[60:96, 70:250] * 0.1 + glow * np.array([20, 150, 255])


def headlights(canvas: Canvas, time_s: float) -> None:
    """A car that passes: burnt-out lamps with a warm rim."""
    centre = -30 + 95 * time_s
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    for lamp in (centre, centre + 32):
        far = (columns - lamp) ** 2 + (rows - 150) ** 2
        canvas += np.exp(-far / 72)[:, :, None] * np.array([200, 240, 340])
        canvas += np.exp(-far / 500)[:, :, None] * np.array([20, 60, 140])


def lantern(canvas: Canvas, time_s: float) -> None:
    """A paper lantern that swings in the wind."""
    centre = 160 + 16 * np.sin(2.2 * time_s)
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    far = (columns - centre) ** 2 + (rows - 90) ** 2
    canvas += np.exp(-far / 500)[:, :, None] * np.array([30, 110, 260])
    canvas += np.exp(-far / 90)[:, :, None] * np.array([120, 140, 0])


def stepping_sign(canvas: Canvas, time_s: float) -> None:
    """Red and amber diodes whose chevrons step along every 0.35 s: four patterns in turn, with a glow."""
    phase = int(time_s / 0.35) % 4
    rows, columns = np.mgrid[0:7, 0:30]
    lit = ((columns - np.abs(rows - 3) - 2 * phase) % 8 < 3).astype(np.float32)
    dots = np.zeros((21, 90), np.float32)
    dots[1::3, 1::3] = lit
    light = cv2.GaussianBlur(np.pad(dots, 12), (0, 0), 1.1) * 9
    halo = cv2.GaussianBlur(np.pad(dots, 12), (0, 0), 4.0) * 5
    colour = np.array([40, 140, 255], np.float32)
    canvas[60:105, 100:214] += (np.minimum(light, 1.3) + halo)[:, :, None] * colour


def toggling_panel(canvas: Canvas, time_s: float) -> None:
    """A panel of warm fields, each of which goes on and off by a rhythm of its own."""
    for index in range(24):
        rhythm_s = 0.2 + 0.37 * (index * 0.618 % 1)
        if int(time_s / rhythm_s + index * 0.37) % 2:
            y, x = 70 + index // 6 * 10, 120 + index % 6 * 10
            canvas[y : y + 9, x : x + 9] = ((30, 150, 255), (20, 90, 255), (90, 205, 255))[index % 3]
