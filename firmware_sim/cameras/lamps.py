"""What shines in the alley: bulbs, lanterns, neon tubes and a sign of diodes, each a look-alike of fire."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_sim.cameras.alley import COUNTER_M, LANE_M, STALL_DEPTHS, WALL_M, ZOOM
from firmware_sim.cameras.letters import strokes
from firmware_sim.cameras.perspective import HEIGHT, WIDTH, Colour, Image, Point, disc, line, project, shade

Brightness = Callable[[float], float]
"""0..1 at a time in seconds."""


@dataclass(frozen=True, slots=True, eq=False)
class Lamp:
    """Light to add to a part of the picture, times its brightness of the moment."""

    x: int
    y: int
    light: Image
    brightness: Brightness

    def shine(self, image: Image, time_s: float) -> None:
        """Add it."""
        height, width = self.light.shape[:2]
        part = image[self.y : self.y + height, self.x : self.x + width]
        level = self.brightness(time_s)
        if level > 0.0:
            cv2.addWeighted(part, 1.0, self.light, level, 0.0, part)


def steady_light(seed: int, glow: float) -> Image:
    """All light that does not change: bulbs under the awnings, what they shine on, and their streaks on the ground."""
    chance = random.Random(f"{seed}/lamps")
    bulbs, pools = _canvas(), np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for near, far in STALL_DEPTHS:
        for side in (-1, 1):
            depth = math.sqrt(near * far)
            x, y = project((side * (LANE_M + COUNTER_M) / 2, 1.98, depth))
            disc(bulbs, (x, y), (4.2 / depth, 5.0 / depth), (150, 214, 250), ZOOM)
            _pool(pools, (x, y + 16 / depth), (62 / depth, 52 / depth), (26, 62, 92))
            ground_x, ground_y = project((side * chance.uniform(0.7, 1.2), 0.0, depth))
            _pool(pools, (ground_x, ground_y), (20 / depth, 26 / depth), (14, 30, 42))
    lit = np.asarray(np.clip(pools * glow, 0.0, 255.0), np.uint8)
    return np.asarray(cv2.add(_glowing(bulbs, glow), lit), np.uint8)


def lanterns(seed: int) -> tuple[tuple[Point, Colour], ...]:
    """Where paper lanterns hang, and their colours; the farthest first."""
    chance = random.Random(f"{seed}/lanterns")
    places = []
    for depth in (8.0, 5.4, 3.8, 2.7, 1.95, 1.4):
        for right_m in (-1.5, -0.75, 0.0, 0.75, 1.5):
            sag_m = 0.22 * (1.0 - (right_m / 1.9) ** 2)
            colour: Colour = (44, 52, 226) if (round(right_m / 0.75) + round(depth * 2)) % 2 else (196, 92, 40)
            places.append(((right_m, 4.1 - sag_m + chance.uniform(-0.03, 0.03), depth), colour))
    return tuple(places)


def draw_lanterns(image: Image, seed: int, light: float) -> None:
    """Red and blue lanterns on their strings, drawn into the still picture."""
    hung = lanterns(seed)
    for depth in sorted({place[2] for place, _ in hung}, reverse=True):
        row = [place for place, _ in hung if place[2] == depth]
        string = [(-WALL_M, 4.5, depth), *((x, y + 0.17, z) for x, y, z in row), (WALL_M, 4.5, depth)]
        line(image, string, (60, 60, 60), 1.0)
        for place, colour in hung:
            if place[2] == depth:
                _lantern(image, place, colour, light)


def neon(word: str, place: Point, height_m: float, colour: Colour, seed: str) -> Lamp:
    """A neon sign: `word` from the top at `place`, buzzing, with short dropouts a few times a minute."""
    canvas = _canvas()
    left, top = project(place)
    unit = project((place[0], place[1] - height_m, place[2]))[1] - top
    for tube in strokes(word):
        corners = np.array([(left + x * unit, top + y * unit) for x, y in tube]) * ZOOM
        points = np.asarray(np.round(corners * 16), np.int32)
        for width, factor in ((unit * 0.13, 0.75), (unit * 0.05, 1.0)):
            paint = shade(colour, factor) if factor < 1.0 else _pale(colour)
            cv2.polylines(canvas, [points], False, paint, max(1, round(width * ZOOM)), cv2.LINE_AA, 4)  # noqa: FBT003 - positional in OpenCV
    return _cropped(_glowing(canvas, 0.9), _buzz(seed))


def diode_sign(place: Point, columns: int, seed: str) -> tuple[Lamp, ...]:
    """A sign of red and amber diodes whose chevrons run, and which blinks as a whole: four lamps in turn."""
    return tuple(_cropped(_glowing(_diodes(place, columns, phase), 0.5), _turn(phase, seed)) for phase in range(4))


def _diodes(place: Point, columns: int, phase: int) -> Image:
    canvas = _canvas()
    left, top = project(place)
    pitch = 3.1
    for row in range(7):
        for column in range(columns):
            if (column - abs(row - 3) - 2 * phase) % 8 < 3:  # noqa: PLR2004 - three of eight are lit
                colour = (40, 60, 255) if row in (0, 6) else (30, 150, 255)
                disc(canvas, (left + column * pitch, top + row * pitch), (1.15, 1.15), colour, ZOOM)
    return canvas


def _turn(phase: int, seed: str) -> Brightness:
    offset_s = random.Random(f"{seed}/turn").uniform(0.0, 4.0)

    def brightness(time_s: float) -> float:
        step = int((time_s + offset_s) / 0.6)
        dark = step % 16 in (12, 14)
        return 1.0 if step % 4 == phase and not dark else 0.0

    return brightness


def _buzz(seed: str) -> Brightness:
    chance = random.Random(f"{seed}/buzz")
    period_s, offset_s = chance.uniform(11.0, 19.0), chance.uniform(0.0, 11.0)

    def brightness(time_s: float) -> float:
        moment_s = (time_s + offset_s) % period_s
        dropout = moment_s < 0.5 and int(moment_s / 0.12) % 2 == 0  # noqa: PLR2004 - half a second of stutter
        return 0.25 if dropout else 0.96 + 0.04 * math.sin(47.0 * time_s)

    return brightness


def _lantern(image: Image, place: Point, colour: Colour, light: float) -> None:
    x, y = project(place)
    half = 0.17 * (project((place[0], place[1] - 1.0, place[2]))[1] - y)
    disc(image, (x, y), (half * 0.86, half), shade(colour, light))
    disc(image, (x, y + half * 0.1), (half * 0.5, half * 0.62), shade(_pale(colour, 0.35), light))
    for end in (-1, 1):
        disc(image, (x, y + end * half * 0.95), (half * 0.4, max(half * 0.14, 0.6)), (30, 40, 44))


def _pool(light: NDArray[np.float32], centre: tuple[float, float], spread: tuple[float, float], colour: Colour) -> None:
    """Add a soft pool of light whose halves are `spread` pixels wide and high."""
    y, x = np.ogrid[0:HEIGHT, 0:WIDTH]
    far = ((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2
    light += np.exp(-far).astype(np.float32)[:, :, None] * np.array(colour, np.float32)


def _canvas() -> Image:
    return np.zeros((int(HEIGHT * ZOOM), int(WIDTH * ZOOM), 3), np.uint8)


def _glowing(canvas: Image, glow: float) -> Image:
    """`canvas` shrunk to the picture's size, with a halo."""
    small = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    near = cv2.GaussianBlur(small, (0, 0), 3.0)
    wide = cv2.GaussianBlur(small, (0, 0), 14.0)
    halo = cv2.addWeighted(near, 0.8 * glow, wide, 1.1 * glow, 0.0)
    return np.asarray(cv2.add(small, halo), np.uint8)


def _cropped(light: Image, brightness: Brightness) -> Lamp:
    x, y, width, height = cv2.boundingRect((light.max(axis=2) > 1).astype(np.uint8))
    return Lamp(x, y, light[y : y + height, x : x + width].copy(), brightness)


def _pale(colour: Colour, share: float = 0.6) -> Colour:
    blue, green, red = (round(part + (255 - part) * share) for part in colour)
    return blue, green, red
