"""Rendered scenes without fire that ought to raise no alarm: a market's lamps, signs, cloths, people; each by seed."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Frame, Picture
from firmware_sim.cameras.lamps import Lamp, diode_sign
from firmware_sim.cameras.people import Stroller, draw_crowd
from firmware_sim.cameras.scene import MarketScene

Canvas = NDArray[np.float32]
Draw = Callable[[Canvas, float], None]
Colour = tuple[float, float, float]

WIDTH, HEIGHT = 320, 240
FPS = 8.0
SIGN_STEP_S, SIGN_STEP_FAST_S = 0.6, 0.35
ORANGE_COAT = (40, 96, 226)

_ROWS, _COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
_WARM: tuple[Colour, ...] = ((30, 150, 255), (20, 90, 255), (90, 205, 255), (10, 40, 245), (150, 225, 255))


def chasing_bulbs(chance: random.Random) -> Draw:
    """A chain of bulbs with white cores, one of three or four lit in turn."""
    colour, every = chance.choice(_WARM), chance.choice((2, 3, 4))
    step_s, radius = chance.uniform(0.1, 0.45), chance.uniform(1.5, 4.0)
    pitch, top, sag = radius * chance.uniform(2.0, 4.5), chance.uniform(30, 120), chance.uniform(0, 30)
    rows = chance.choice((1, 1, 2, 4))
    halos = [np.zeros((HEIGHT, WIDTH, 3), np.float32) for _ in range(every)]
    for row in range(rows):
        for index, x in enumerate(np.arange(60, WIDTH - 60, pitch)):
            centre = float(x), top + row * pitch + sag * math.sin(x / 60)
            _lamp(halos[(index + row) % every], centre, radius, colour)

    def draw(canvas: Canvas, time_s: float) -> None:
        canvas += halos[int(time_s / step_s) % every]

    return draw


def blinking_sign(chance: random.Random) -> Draw:
    """A sign whose two halves go on and off, together or in turn."""
    x, y = chance.randint(90, 230), chance.randint(60, 160)
    outer, inner, period_s = chance.choice(_WARM), chance.choice(_WARM), chance.uniform(0.25, 1.2)
    turned, wide = chance.choice((0.0, 0.5)), chance.randint(20, 70)

    def draw(canvas: Canvas, time_s: float) -> None:
        phase = time_s / period_s
        for shift, colour, size in ((0.0, outer, 1.0), (turned, inner, 0.7)):
            level = 1.0 if (phase + shift) % 1.0 < 0.5 else 0.15
            axes = (round(wide * size), round(wide * size * 0.5))
            cv2.ellipse(canvas, (x, y), axes, 0, 0, 360, tuple(part * level for part in colour), 6)

    return draw


def random_sign(chance: random.Random) -> Draw:
    """A sign of several fields, each of which goes on and off at random moments."""
    left, top, size = chance.randint(40, 180), chance.randint(40, 120), chance.randint(6, 14)
    fields = [(chance.choice(_WARM), chance.uniform(0.15, 0.6), chance.random()) for _ in range(24)]

    def draw(canvas: Canvas, time_s: float) -> None:
        for index, (colour, hold_s, shift) in enumerate(fields):
            if random.Random(f"{index}/{int(time_s / hold_s + shift)}").random() < 0.5:  # noqa: S311 - a fair, repeatable coin
                y, x = top + index // 6 * size, left + index % 6 * size
                canvas[y : y + size - 1, x : x + size - 1] = colour

    return draw


def running_text(chance: random.Random) -> Draw:
    """Diodes in red or amber: text that runs across, at any speed."""
    words = "".join(chance.choice("ABCDEFGHKLMNORSTUWXYZ0123456789 ") for _ in range(60))
    text = np.zeros((40, 1400), np.uint8)
    cv2.putText(text, words, (5, 30), cv2.FONT_HERSHEY_DUPLEX, chance.uniform(0.6, 1.1), 255, 2)
    speed, colour, top = chance.uniform(15, 120), chance.choice(_WARM[:4]), chance.randint(30, 150)
    grain = chance.choice((1, 2, 3))

    def draw(canvas: Canvas, time_s: float) -> None:
        left = grain * round(time_s * speed / grain) % 900
        dots = (text[:, left : left + 200] > 90).astype(np.float32)
        for skip in range(1, grain):
            dots[skip::grain] = dots[:, skip::grain] = 0
        glow = np.minimum(cv2.GaussianBlur(dots * (1 + grain), (0, 0), 0.8), 1.5)[:, :, None]
        place = canvas[top : top + 40, 60:260]
        place *= 0.2
        place += glow * np.array(colour, np.float32)

    return draw


def lanterns(chance: random.Random) -> Draw:
    """Paper lanterns that swing in the wind, one before the other."""
    hung = [(chance.uniform(40, 280), chance.uniform(50, 140), chance.uniform(8, 26)) for _ in range(4)]
    swings = [(chance.uniform(4, 20), chance.uniform(1.0, 4.0), chance.uniform(0, 6)) for _ in hung]

    def draw(canvas: Canvas, time_s: float) -> None:
        for (x, y, size), (far, pace, shift) in zip(hung, swings, strict=True):
            _lamp(canvas, (x + far * math.sin(pace * time_s + shift), y), size, (30, 110, 255), core=0.35)

    return draw


def cloth(chance: random.Random) -> Draw:
    """An orange or red awning or curtain that flutters, its folds shaded."""
    colour = np.array(chance.choice(((30, 120, 240), (30, 60, 230), (60, 170, 250))), np.float32)
    x, y, w, h = chance.randint(20, 120), chance.randint(20, 80), chance.randint(60, 160), chance.randint(40, 120)
    pace, folds, depth = chance.uniform(2, 9), chance.uniform(0.05, 0.3), chance.uniform(0.1, 0.45)

    def draw(canvas: Canvas, time_s: float) -> None:
        rows, columns = _ROWS[y : y + h, x : x + w], _COLUMNS[y : y + h, x : x + w]
        wave = np.sin(columns * folds - pace * time_s + 2 * np.sin(rows * 0.03 + 0.7 * time_s))
        lower = y + h - 8 + 6 * np.sin(columns * folds * 0.7 - pace * 0.8 * time_s)
        shade = (1 - depth / 2 + depth / 2 * wave)[:, :, None] * colour
        place = canvas[y : y + h, x : x + w]
        place[:] = np.where((rows < lower)[:, :, None], shade, place)

    return draw


def beacon(chance: random.Random) -> Draw:
    """A rotating amber beacon, and what its beam sweeps over."""
    x, y, pace = chance.uniform(60, 260), chance.uniform(40, 150), chance.uniform(3, 14)
    size, reach = chance.uniform(3, 9), chance.uniform(20, 60)

    def draw(canvas: Canvas, time_s: float) -> None:
        toward = max(0.0, math.cos(pace * time_s)) ** 4
        _lamp(canvas, (x, y), size * (0.6 + 0.6 * toward), (40, 150, 255 * (0.4 + 0.8 * toward)))
        swept = np.exp(-((_COLUMNS - x - reach * math.sin(pace * time_s)) ** 2 + (_ROWS - y) ** 2) / reach**2)
        canvas += swept[:, :, None] * np.array((10, 60, 130), np.float32)

    return draw


def traffic(chance: random.Random) -> Draw:
    """Cars that pass with burnt-out lamps, brake lights and a blinker."""
    cars = [(chance.uniform(60, 190), chance.choice((-1, 1)) * chance.uniform(25, 130)) for _ in range(3)]
    blink_s = chance.uniform(0.3, 0.5)

    def draw(canvas: Canvas, time_s: float) -> None:
        for number, (y, speed) in enumerate(cars):
            x = (speed * time_s + 130 * number) % 460 - 70
            for lamp in (x, x + 30):
                _lamp(canvas, (lamp, y), 6, (200, 235, 255) if speed > 0 else (10, 20, 255))
            if int(time_s / blink_s) % 2:
                _lamp(canvas, (x + 40, y), 3, (20, 140, 255))

    return draw


def behind_people(chance: random.Random) -> Draw:
    """A bright orange shop front that people keep passing."""
    x, y = chance.randint(40, 140), chance.randint(40, 100)
    walkers = [(chance.uniform(20, 70), chance.uniform(6, 22), chance.uniform(0, 300)) for _ in range(6)]

    def draw(canvas: Canvas, time_s: float) -> None:
        glow = 0.75 + 0.25 * np.sin(_COLUMNS[y : y + 90, x : x + 120] / 17)
        canvas[y : y + 90, x : x + 120] = glow[:, :, None] * np.array((60, 165, 262), np.float32)
        for index, (speed, wide, start) in enumerate(walkers):
            at = round((start + speed * time_s * (-1) ** index) % 420 - 50)
            cv2.rectangle(canvas, (at, 60 + 7 * index), (at + round(wide), HEIGHT), (50 + 8 * index, 52, 60), -1)

    return draw


def screen(chance: random.Random) -> Draw:
    """A television with a warm film: plane colours that cut every second or so and drift."""
    x, y = chance.randint(40, 160), chance.randint(30, 110)
    salt, hold_s = chance.random(), chance.uniform(0.4, 2.0)

    def draw(canvas: Canvas, time_s: float) -> None:
        shot = random.Random(f"{salt}/{int(time_s / hold_s)}")  # noqa: S311 - repeatable, no secret
        for index in range(6):
            colour = np.array(shot.choice(_WARM), np.float32) * shot.uniform(0.3, 1.0)
            left = x + index % 3 * 40 + round(6 * math.sin(time_s + index))
            top = y + index // 3 * 40
            canvas[top : top + 40, left : left + 40] = colour

    return draw


def glints(chance: random.Random) -> Draw:
    """Low sun on rippling plastic or water: sparks that come and go."""
    x, y, w, h = chance.randint(20, 120), chance.randint(90, 140), chance.randint(60, 160), chance.randint(30, 80)
    pace, fine = chance.uniform(2, 8), chance.uniform(0.2, 0.6)

    def draw(canvas: Canvas, time_s: float) -> None:
        rows, columns = _ROWS[y : y + h, x : x + w], _COLUMNS[y : y + h, x : x + w]
        wave = np.sin(columns * fine + pace * time_s) * np.sin(rows * fine * 1.7 - pace * 1.3 * time_s)
        wave += np.sin((columns + rows) * fine * 0.61 + pace * 0.71 * time_s)
        canvas[y : y + h, x : x + w] += np.clip(wave - 1.0, 0, 1)[:, :, None] * np.array((140, 220, 330), np.float32)

    return draw


def goods_under_mains(chance: random.Random) -> Draw:
    """Tangerines under lamps that beat with the camera's shutter: bands roll down the picture."""
    rolls, depth = chance.uniform(1, 25), chance.uniform(0.1, 0.4)
    heap = [(chance.randint(60, 260), chance.randint(90, 190), chance.randint(5, 9)) for _ in range(90)]

    def draw(canvas: Canvas, time_s: float) -> None:
        for x, y, size in heap:
            cv2.circle(canvas, (x, y), size, (30, 125, 245), -1)
            cv2.circle(canvas, (x - 2, y - 2), 2, (150, 215, 255), -1)
        canvas *= (1 - depth / 2 + depth / 2 * np.sin(_ROWS / 38 + rolls * time_s))[:, :, None]

    return draw


NUISANCES: tuple[Callable[[random.Random], Draw], ...] = (
    chasing_bulbs,
    blinking_sign,
    random_sign,
    running_text,
    lanterns,
    cloth,
    beacon,
    traffic,
    behind_people,
    screen,
    glints,
    goods_under_mains,
)


def nuisance(make: Callable[[random.Random], Draw], seed: int, seconds: float) -> Iterator[Frame]:
    """One look-alike of `seed` over a dim, a middling or a bright wall, with a camera's noise."""
    chance = random.Random(f"{make.__name__}/{seed}")  # noqa: S311 - repeatable, no secret
    draw, wall = make(chance), _wall(seed, chance.choice((0.5, 1.0, 2.0, 2.6)))
    noise = np.random.default_rng(seed)
    for index in range(round(seconds * FPS)):
        canvas = wall.copy()
        draw(canvas, index / FPS)
        yield Frame(_noisy(canvas, noise, 2.5), index / FPS, index)


def alley(seed: int, light: str, seconds: float, *, nasty: bool) -> Iterator[Frame]:
    """The simulator's alley; `nasty` adds a sign that steps every 0.35 s and two strollers in bright orange."""
    scene = MarketScene(seed, light)
    chance = random.Random(f"alley/{seed}")  # noqa: S311 - repeatable, no secret
    noise = np.random.default_rng(seed)
    lamps = _fast_sign(chance, seed) if nasty else ()
    strollers = _orange_coats(chance) if nasty else ()
    for index in range(round(seconds * FPS)):
        time_s = index / FPS
        image = scene.frame(time_s)
        if nasty:
            for lamp in lamps:
                lamp.shine(image, time_s * SIGN_STEP_S / SIGN_STEP_FAST_S)
            draw_crowd(image, strollers, time_s, 1.0 if light == "day" else 0.62)
            image = _noisy(image.astype(np.float32), noise, 1.5)
        yield Frame(np.asarray(image, np.uint8), time_s, index)


def _fast_sign(chance: random.Random, seed: int) -> tuple[Lamp, ...]:
    place = chance.choice((-1, 1)) * 2.62, 3.62, chance.uniform(1.3, 2.2)
    return diode_sign((place[0] - (1.0 if place[0] < 0 else 0.0), place[1], place[2]), 30, f"{seed}/fast")


def _orange_coats(chance: random.Random) -> tuple[Stroller, ...]:
    plain = Stroller(0.0, 0.02, 0.0, 1.7, ORANGE_COAT, (26, 24, 28), None, 0.0)
    return tuple(
        replace(
            plain,
            start=chance.uniform(0.0, 2.0),
            speed_per_s=chance.uniform(0.014, 0.03) * side,
            right_m=chance.uniform(-1.3, 1.3),
            stride=chance.uniform(0.0, 6.0),
        )
        for side in (-1, 1)
    )


def _wall(seed: int, light: float) -> Canvas:
    noise = np.random.default_rng(seed)
    blocks = noise.uniform(40, 110, (6, 8, 1)) * np.array([0.95, 1.0, 1.05]) * light
    wall = cv2.resize(blocks.astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_NEAREST)
    return np.asarray(wall + noise.normal(0, 4, (HEIGHT, WIDTH, 1)), np.float32)


def _lamp(canvas: Canvas, centre: tuple[float, float], radius: float, colour: Colour, core: float = 0.8) -> None:
    far = (_COLUMNS - centre[0]) ** 2 + (_ROWS - centre[1]) ** 2
    canvas += np.exp(-far / (2 * radius**2))[:, :, None] * np.array(colour, np.float32)
    canvas += core * np.exp(-far / (0.5 * radius**2))[:, :, None] * np.array((230, 200, 120), np.float32)


def _noisy(canvas: Canvas, noise: np.random.Generator, levels: float) -> Picture:
    field = noise.standard_normal(canvas.shape, np.float32)
    return np.clip(canvas + levels * field, 0, 255).astype(np.uint8)
