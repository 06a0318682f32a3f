"""Look-alikes that are switched: neon, diodes, running text, chains of bulbs, screens."""

import cv2
import numpy as np

from firmware_sim.cameras.letters import strokes
from tools.fire.render.chance import happens
from tools.fire.render.light import Canvas, Light, lamp
from tools.fire.render.shining import Mask, Rhythm, blank, brightness, lamp_colour, lit, rhythm, scaled, shine, spot
from tools.fire.render.stage import Actor, Mark, Stage

_WORDS = ("시장", "국수", "떡", "수시", "장국", "시국수")
_LATIN = "OPEN SALE 24H BBQ HOT CAFE PIZZA BEER BAR EXIT 365 50% "
_TEXT_PX = 48
_LETTERED, _LATIN_TOO = 0.5, 0.75
"""Shares of the tubes: up to the first Korean, up to the second Latin, rings above."""


def neon_sign(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Tubes bent to Korean or Latin letters, rings and arrows, some with a pale core."""
    actors: list[Actor] = []
    for _ in range(int(chance.integers(1, 4))):
        mask = _tubes(chance, on)
        colour = scaled(lamp_colour(chance), brightness(chance))
        light = lit(mask, colour)
        if happens(chance, 0.6):
            core = np.asarray(cv2.erode(mask, np.ones((2, 2), np.uint8)), np.uint8)
            light += lit(core, (0.5 * max(colour), 0.6 * max(colour), 0.7 * max(colour)))
        actors.append(shine(on, light, rhythm(chance), float(chance.uniform(0.05, 0.8)), float(chance.uniform(3, 14))))
    return actors


def _tubes(chance: np.random.Generator, on: Stage) -> Mask:
    mask = np.zeros((on.height, on.width), np.uint8)
    x, y = spot(chance, on)
    unit = float(np.exp(chance.uniform(np.log(10.0), np.log(90.0))))
    wide = max(1, round(unit * float(chance.uniform(0.04, 0.16))))
    kind = chance.random()
    if kind < _LETTERED:
        for tube in strokes(_WORDS[int(chance.integers(len(_WORDS)))]):
            points = np.array([(x + a * unit, y + (b - 0.5) * unit) for a, b in tube])
            cv2.polylines(mask, [np.asarray(np.round(points * 16), np.int32)], False, 255, wide, cv2.LINE_AA, 4)  # noqa: FBT003 - positional in OpenCV
    elif kind < _LATIN_TOO:
        words = _LATIN.split()
        font, size = int(chance.choice((0, 2, 3, 4, 6))), unit / 22.0
        cv2.putText(
            mask,
            words[int(chance.integers(len(words)))],
            (round(x - unit), round(y)),
            font,
            size,
            255,
            wide,
            cv2.LINE_AA,
        )
    else:
        axes = round(unit), round(unit * float(chance.uniform(0.3, 1.0)))
        cv2.ellipse(mask, (round(x), round(y)), axes, float(chance.uniform(0, 180)), 0, 360, 255, wide, cv2.LINE_AA)
        if happens(chance, 0.5):
            cv2.ellipse(mask, (round(x), round(y)), (axes[0] // 2, axes[1] // 2), 0, 0, 360, 255, wide, cv2.LINE_AA)
    return mask


def running_text(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A board of diodes across which text runs, or jumps."""
    text = _text_strip(chance)
    grain = int(chance.integers(1, 4))
    high, wide = int(chance.integers(8, 60)), int(chance.integers(40, on.width - 20))
    x, y = int(chance.integers(0, on.width - wide)), int(chance.integers(10, on.height - high - 10))
    strip = cv2.resize(text, (max(wide, text.shape[1] * high // text.shape[0]), high), interpolation=cv2.INTER_AREA)
    strip = np.hstack([strip, strip])
    half, speed = strip.shape[1] // 2, float(chance.uniform(8.0, 140.0)) * float(chance.choice((-1.0, 1.0)))
    jump_s = float(chance.choice((0.0, 0.0, 0.3, 1.0)))
    colours = [scaled(lamp_colour(chance), brightness(chance)) for _ in range(int(chance.integers(1, 3)))]
    dark = float(chance.uniform(0.0, 0.4))
    dots = np.ones((high, wide), np.float32)
    for skip in range(1, grain):
        dots[skip::grain], dots[:, skip::grain] = 0.2, 0.2
    paint = np.array([colours[row * len(colours) // high] for row in range(high)], np.float32)[:, None, :]

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        moment = time_s - time_s % jump_s if jump_s else time_s
        left = min(int(speed * moment) % half, strip.shape[1] - wide)
        level = strip[:, left : left + wide].astype(np.float32) / 255.0 * dots
        part = canvas[y : y + high, x : x + wide]
        part *= np.float32(dark)
        part += level[:, :, None] * paint
        return [Mark("lookalike", (x, y, x + wide, y + high))]

    return [act]


def _text_strip(chance: np.random.Generator) -> Mask:
    strip = np.zeros((_TEXT_PX, 1200), np.uint8)
    if happens(chance, 0.5):
        letters = "".join(chance.choice(list(_LATIN + "ABCDEFGHKLMNORSTUWXYZ0123456789")) for _ in range(40))
        cv2.putText(strip, letters, (4, 38), int(chance.choice((0, 2, 3))), float(chance.uniform(0.9, 1.3)), 255, 3)
        return strip
    x = 6
    while x < strip.shape[1] - _TEXT_PX:
        for tube in strokes(str(chance.choice(list("시장국수떡")))):
            points = np.array([(x + a * 38, 5 + b * 38) for a, b in tube])
            cv2.polylines(strip, [np.asarray(np.round(points), np.int32)], False, 255, 4)  # noqa: FBT003 - positional in OpenCV
        x += _TEXT_PX + int(chance.integers(0, 20))
    return strip


def chain(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A chain of bulbs: steady, one of several lit in turn, or each at random."""
    every, step_s = int(chance.choice((1, 1, 2, 3, 4))), float(chance.uniform(0.08, 0.6))
    radius = float(chance.uniform(0.8, 5.0))
    pitch, rows = radius * float(chance.uniform(2.2, 7.0)), int(chance.choice((1, 1, 1, 2, 4)))
    x0, y0 = on.width * float(chance.uniform(0.0, 0.4)), on.height * float(chance.uniform(0.1, 0.8))
    long, sag, tilt = (
        on.width * float(chance.uniform(0.2, 1.0)),
        float(chance.uniform(0, 30)),
        float(chance.normal(0, 0.2)),
    )
    colours = [scaled(lamp_colour(chance), brightness(chance)) for _ in range(int(chance.integers(1, 4)))]
    lights = [blank(on) for _ in range(every)]
    count = min(90, int(long / pitch))
    for row in range(rows):
        for index in range(count):
            share = index / max(1, count)
            centre = x0 + share * long, y0 + row * pitch + tilt * share * long + sag * 4.0 * share * (1.0 - share)
            lamp(lights[(index + row) % every], centre, radius, colours[index % len(colours)])
    if every == 1:
        return [shine(on, lights[0], rhythm(chance), 0.1)]
    return [shine(on, light, _in_turn(number, every, step_s), 0.1) for number, light in enumerate(lights)]


def _in_turn(number: int, every: int, step_s: float) -> Rhythm:
    return lambda time_s: float(int(time_s / step_s) % every == number)


def panel(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Fields of light each of which goes on and off, or changes its colour, at its own moments."""
    size, columns, rows = int(chance.integers(2, 22)), int(chance.integers(1, 12)), int(chance.integers(1, 8))
    columns, rows = min(columns, (on.width - 4) // size), min(rows, (on.height - 4) // size)
    left, top = int(chance.integers(on.width - size * columns)), int(chance.integers(on.height - size * rows))
    bright = brightness(chance)
    colours = [scaled(lamp_colour(chance), bright) for _ in range(4)] + [(0.0, 0.0, 0.0)] * int(chance.integers(1, 4))
    holds = chance.uniform(0.1, 1.2, (rows, columns))
    shifts, salt = chance.random((rows, columns)), int(chance.integers(1 << 30))
    smooth = happens(chance, 0.3)

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        small = np.zeros((rows, columns, 3), np.float32)
        for row in range(rows):
            for column in range(columns):
                moment = int(time_s / holds[row, column] + shifts[row, column])
                small[row, column] = colours[
                    (salt + 7919 * row + 104729 * column + 15485863 * moment) % 9973 % len(colours)
                ]
        how = cv2.INTER_CUBIC if smooth else cv2.INTER_NEAREST
        light = cv2.resize(small, (size * columns, size * rows), interpolation=how)
        canvas[top : top + size * rows, left : left + size * columns] += np.maximum(light, 0.0)
        return [Mark("lookalike", (left, top, left + size * columns, top + size * rows))]

    return [act]


def screen(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A television, a telephone or an advertising screen with a colourful film that drifts and cuts."""
    wide = int(chance.integers(24, max(30, on.width // 2)))
    high = min(int(wide * float(chance.choice((0.56, 0.75, 1.7)))), on.height - 8)
    x, y = int(chance.integers(0, on.width - wide)), int(chance.integers(0, on.height - high))
    bright, hold_s = float(chance.uniform(0.5, 2.5)), float(chance.uniform(0.4, 3.0))
    salt, drift = int(chance.integers(1 << 30)), chance.normal(0.0, 14.0, 2)

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        shot = np.random.default_rng((salt, int(time_s / hold_s)))
        film = np.zeros((high, wide, 3), np.float32) + np.float32(shot.uniform(0.0, 0.4))
        for _ in range(7):
            colour: Light = scaled(lamp_colour(shot), float(shot.uniform(0.2, 1.0)))
            centre = shot.uniform((0, 0), (wide, high)) + drift * (time_s % hold_s)
            axes = (int(shot.integers(2, wide)), int(shot.integers(2, high + 2)))
            cv2.ellipse(
                film, (int(centre[0]), int(centre[1])), (axes[0] // 2 + 1, axes[1] // 2 + 1), 0, 0, 360, colour, -1
            )
        canvas[y : y + high, x : x + wide] = film * np.float32(bright)
        return [Mark("lookalike", (x, y, x + wide, y + high))]

    return [act]
