"""Look-alikes that only reflect light: cloth in the wind or in hands, coats and vests, fruit, people, shadows."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.fire.render.chance import happens
from tools.fire.render.light import Box, Canvas, Light, cover, ink, paint
from tools.fire.render.shining import scaled, spot
from tools.fire.render.stage import Actor, Mark, Stage, What

_WARM_INKS = (
    (20, 80, 240),
    (10, 110, 250),
    (40, 40, 220),
    (20, 150, 250),
    (60, 200, 250),
    (30, 60, 180),
    (60, 250, 220),
)
_DULL_INKS = ((60, 52, 48), (110, 84, 60), (140, 130, 120), (30, 28, 26), (90, 100, 70), (200, 200, 205))
SKIN_INKS = ((140, 172, 214), (110, 140, 190), (70, 100, 150), (50, 70, 105))


def warm_ink(chance: np.random.Generator) -> Light:
    """The colour of something orange, red or yellow, in full light."""
    blue, green, red = _WARM_INKS[int(chance.integers(len(_WARM_INKS)))]
    jitter = np.clip(chance.normal((blue, green, red), 18.0), 0.0, 255.0)
    return ink(float(jitter[0]), float(jitter[1]), float(jitter[2]))


def _folds(chance: np.random.Generator) -> NDArray[np.float32]:
    """How light the folds of a crumpled thing are, about 0.8 on the whole."""
    cells = int(chance.integers(2, 9)), int(chance.integers(2, 9))
    coarse = chance.normal(0.8, float(chance.uniform(0.05, 0.4)), cells).astype(np.float32)
    smooth = cv2.resize(coarse, (64, 64), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(smooth, 0.08, 1.5), np.float32)


def _paint_folded(canvas: Canvas, mask: NDArray[np.uint8], colour: Light, folds: NDArray[np.float32]) -> Box | None:
    """Paint something crumpled: its folds move and stretch with it."""
    x, y, wide, high = cv2.boundingRect(mask)
    if not wide or not high:
        return None
    window = slice(y, y + high), slice(x, x + wide)
    shade = cv2.resize(folds, (wide, high), interpolation=cv2.INTER_LINEAR)
    sheet = np.asarray(shade[:, :, None] * np.array(colour, np.float32), np.float32)
    cover(canvas[window], mask[window].astype(np.float32) / 255.0, sheet)
    return float(x), float(y), float(x + wide), float(y + high)


def cloth(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Flags, awnings, curtains, plastic sheets of a warm colour whose folds run in the wind."""
    wide, high = int(chance.integers(12, on.width // 2)), int(chance.integers(12, on.height // 2))
    x, y = on.width * float(chance.uniform(0.0, 0.8)), on.height * float(chance.uniform(0.0, 0.7))
    pace, folds = float(chance.uniform(2.0, 14.0)), float(chance.uniform(4.0, 22.0))
    slap, shine = float(chance.uniform(0.02, 0.2)), float(chance.uniform(0.1, 0.5))
    rows, columns = np.mgrid[0:high, 0:wide].astype(np.float32)
    across, down = columns / wide, rows / high
    paints = np.empty((high, wide, 3), np.float32)
    paints[:] = warm_ink(chance)
    if happens(chance, 0.5):
        stripe = int(chance.integers(4, 30))
        paints[:, (np.arange(wide) // stripe) % 2 == 0] = warm_ink(chance) if happens(chance, 0.4) else (0.8, 0.85, 0.9)
    lean = float(chance.uniform(-0.4, 0.4))

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        wave = np.sin(folds * (across + lean * down) - pace * time_s) + 0.5 * np.sin(
            1.7 * folds * across + 3.0 * down - 1.3 * pace * time_s
        )
        sway = slap * across * wave
        shade = 1.0 - shine + shine * 0.7 * wave
        light = paints * np.maximum(shade, 0.05)[:, :, None] * np.float32(on.ambient)
        box = _warped(canvas, light, (x, y), np.float32(high) * sway)
        return [Mark("lookalike", box)] if box else []

    return [act]


def _warped(canvas: Canvas, light: Canvas, corner: tuple[float, float], lifted: NDArray[np.float32]) -> Box | None:
    """Lay a sheet over the canvas, each of its points lifted by so many pixels."""
    high, wide = light.shape[:2]
    border = int(np.abs(lifted).max()) + 1
    rows, columns = np.mgrid[-border : high + border, 0:wide].astype(np.float32)
    row = np.clip(rows, 0, high - 1).astype(np.intp)
    from_y = rows + lifted[row, columns.astype(np.intp)]
    sheet = cv2.remap(light, columns, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    moved = np.asarray(sheet, np.float32)
    share = ((from_y >= 0) & (from_y <= high - 1)).astype(np.float32)
    left, top = round(corner[0]), round(corner[1]) - border
    x0, y0, x1, y1 = max(0, left), max(0, top), min(canvas.shape[1], left + wide), min(canvas.shape[0], top + len(rows))
    if x0 >= x1 or y0 >= y1:
        return None
    window = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    cover(canvas[y0:y1, x0:x1], share[window], moved[window])
    return float(x0), float(y0), float(x1), float(y1)


def waved(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A cloth, a bag, a balloon that somebody waves about quickly, near the camera: blurred and crumpled."""
    (x, y), size = spot(chance, on, 0.25), on.height * float(chance.uniform(0.06, 0.4))
    reach, pace = on.height * float(chance.uniform(0.02, 0.4)), float(chance.uniform(2.0, 12.0))
    colour, corners = warm_ink(chance), chance.uniform(0.5, 1.2, 9)
    folds, creases = chance.uniform(0.3, 1.0, int(chance.integers(0, 4))), _folds(chance)
    hand = SKIN_INKS[int(chance.integers(len(SKIN_INKS)))]

    def outline(time_s: float, scale: float) -> NDArray[np.int32]:
        angle = np.arange(9) / 9 * 6.283 + 0.7 * math.sin(pace * time_s)
        long = size * scale * (corners + 0.25 * np.sin(pace * time_s + 3.0 * np.arange(9)))
        centre = x + reach * math.sin(pace * time_s), y + 0.6 * reach * math.sin(0.8 * pace * time_s + 1.0)
        return np.asarray(
            np.stack([centre[0] + long * np.cos(angle), centre[1] + 1.3 * long * np.sin(angle)], axis=1) * 8, np.int32
        )

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        mask, inner = np.zeros((2, on.height, on.width), np.uint8)
        for moment in range(3):
            inner[:] = 0
            cv2.fillPoly(inner, [outline(time_s + moment * on.shutter_s / 3, 1.0)], 85, cv2.LINE_AA, 3)
            mask += inner
        crumpled = np.roll(creases, int(20 * math.sin(pace * time_s)), axis=int(time_s * pace) % 2)
        box = _paint_folded(canvas, mask, scaled(colour, on.ambient), crumpled)
        for index, fold in enumerate(folds):
            inner[:] = 0
            cv2.fillPoly(inner, [outline(time_s + 0.05 * index, 0.25 + 0.12 * index)], 120, cv2.LINE_AA, 3)
            paint(canvas, inner, scaled(colour, on.ambient * float(fold)))
        top = outline(time_s, 1.0).min(axis=0) // 8
        cv2.circle(
            inner, (int(top[0]) + round(size), int(top[1]) + round(size * 0.3)), max(2, round(size * 0.3)), 255, -1
        )
        paint(canvas, inner, scaled(ink(*hand), on.ambient))
        return [Mark("lookalike", box)] if box else []

    return [act]


def people(chance: np.random.Generator, on: Stage, *, warm: bool = False, what: What = "occluder") -> list[Actor]:
    """One to four people who walk or stand; `warm` puts them into orange coats, hi-vis vests, red caps, helmets."""
    return [_person(chance, on, warm=warm, what=what) for _ in range(int(chance.integers(1, 5)))]


def _person(chance: np.random.Generator, on: Stage, *, warm: bool, what: What) -> Actor:
    tall = on.height * float(np.exp(chance.uniform(np.log(0.15), np.log(1.1))))
    x0, ground = on.width * float(chance.uniform(0.0, 1.0)), on.height * float(chance.uniform(0.6, 1.1))
    speed = tall * float(chance.normal(0.0, 0.5)) * (happens(chance, 0.7))
    pace, phase = float(chance.uniform(4.0, 8.0)), float(chance.uniform(0.0, 6.0))
    dull = [ink(*_DULL_INKS[int(chance.integers(len(_DULL_INKS)))]) for _ in range(3)]
    coat, head = (
        (warm_ink(chance) if warm else dull[0]),
        (warm_ink(chance) if warm and happens(chance, 0.4) else dull[1]),
    )
    skin = ink(*SKIN_INKS[int(chance.integers(len(SKIN_INKS)))])
    creases, stripes = _folds(chance), warm and happens(chance, 0.4)

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        x, step = x0 + speed * time_s, math.sin(pace * time_s + phase) * (0.2 + min(1.0, abs(speed) / tall))
        top = ground - tall - 0.01 * tall * abs(step)
        mask = np.zeros((on.height, on.width), np.uint8)

        def body(colour: Light, *shapes: tuple[tuple[float, float], tuple[float, float]]) -> Box | None:
            mask[:] = 0
            for (cx, cy), (rx, ry) in shapes:
                cv2.ellipse(
                    mask,
                    (round(cx * 8), round(cy * 8)),
                    (round(rx * 8), round(ry * 8)),
                    0,
                    0,
                    360,
                    255,
                    -1,
                    cv2.LINE_AA,
                    3,
                )
            return _paint_folded(canvas, mask, scaled(colour, on.ambient), creases)

        legs = [
            ((x + side * (0.05 + 0.08 * step) * tall, ground - 0.24 * tall), (0.06 * tall, 0.25 * tall))
            for side in (-1, 1)
        ]
        body(dull[2], *legs)
        arms = [
            ((x + side * 0.15 * tall, ground - (0.58 + 0.03 * side * step) * tall), (0.045 * tall, 0.17 * tall))
            for side in (-1, 1)
        ]
        box = body(coat, ((x, ground - 0.62 * tall), (0.14 * tall, 0.22 * tall)), *arms)
        if stripes:
            body((0.9, 1.0, 0.9), *[((x, ground - part * tall), (0.13 * tall, 0.012 * tall)) for part in (0.55, 0.66)])
        body(skin, ((x, top + 0.09 * tall), (0.06 * tall, 0.085 * tall)))
        body(head, ((x, top + 0.05 * tall), (0.065 * tall, 0.06 * tall)))
        return [Mark(what, box)] if box else []

    return act


def warm_people(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """People in orange, red or yellow."""
    return people(chance, on, warm=True, what="lookalike")


def fruit(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A heap of tangerines, peppers, kimchi under a lamp, and hands that reach into it."""
    (x, y), size = spot(chance, on, 0.2), float(chance.uniform(2.0, 14.0))
    wide, high = on.width * float(chance.uniform(0.08, 0.4)), on.height * float(chance.uniform(0.05, 0.3))
    colours = [warm_ink(chance) for _ in range(3)]
    long = float(chance.uniform(1.0, 2.5))
    sheet = np.zeros((on.height, on.width, 3), np.float32)
    mask = np.zeros((on.height, on.width), np.uint8)
    for _ in range(int(chance.integers(20, 160))):
        at = round(x + chance.uniform(-wide, wide)), round(y + chance.uniform(-high, high))
        axes, turn = (max(1, round(size)), max(1, round(size / long))), float(chance.uniform(0, 180))
        colour = scaled(colours[int(chance.integers(3))], float(chance.uniform(0.4, 1.1)))
        cv2.ellipse(sheet, at, axes, turn, 0, 360, colour, -1)
        cv2.ellipse(mask, at, axes, turn, 0, 360, 255, -1)
        cv2.circle(
            sheet, (at[0] - axes[1] // 3, at[1] - axes[1] // 3), max(1, axes[1] // 4), scaled((0.7, 0.9, 1.0), 0.9), -1
        )
    lamp_level = float(chance.uniform(0.8, 4.0))
    pace, skin = float(chance.uniform(1.0, 5.0)), ink(*SKIN_INKS[int(chance.integers(len(SKIN_INKS)))])
    share = mask.astype(np.float32) / 255.0

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        cover(canvas, share, sheet * np.float32(on.ambient * lamp_level))
        hand = np.zeros((on.height, on.width), np.uint8)
        at = x + wide * math.sin(pace * time_s), y + 0.5 * high * math.sin(1.7 * pace * time_s)
        cv2.line(
            hand,
            (round(at[0]), round(at[1])),
            (round(at[0] + 2 * wide), round(at[1] - 2 * high)),
            255,
            max(2, round(size)),
            cv2.LINE_AA,
        )
        paint(canvas, hand, scaled(skin, on.ambient * lamp_level * 0.7))
        return [Mark("lookalike", (x - wide, y - high, x + wide, y + high))]

    return [act]


def warm_goods(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Something large and warm-coloured that people who pass hide and show again: a stall, a door, a car."""
    wide, high = on.width * float(chance.uniform(0.1, 0.5)), on.height * float(chance.uniform(0.1, 0.5))
    x, y = float(chance.uniform(0, on.width - wide)), float(chance.uniform(0, on.height - high))
    colour, level = warm_ink(chance), float(chance.uniform(0.6, 3.0))
    mask = np.zeros((on.height, on.width), np.uint8)
    cv2.rectangle(mask, (round(x), round(y)), (round(x + wide), round(y + high)), 255, -1)
    grid = int(chance.integers(6, 60))
    mask[:, ::grid] //= 2
    if happens(chance, 0.5):
        mask[::grid] //= 2

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        del time_s
        paint(canvas, mask, scaled(colour, on.ambient * level))
        return [Mark("lookalike", (x, y, x + wide, y + high))]

    return [act, *people(chance, on)]


def hands(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A hand or a face close to the camera, moving: skin is warm too."""
    (x, y), size = spot(chance, on, 0.1), on.height * float(chance.uniform(0.08, 0.45))
    skin, pace = ink(*SKIN_INKS[int(chance.integers(len(SKIN_INKS)))]), float(chance.uniform(0.5, 6.0))
    reach = size * float(chance.uniform(0.1, 1.0))
    fingers = chance.uniform((-0.9, 0.5, 0.1), (0.9, 1.4, 0.22), (5, 3))

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        at = x + reach * math.sin(pace * time_s), y + reach * math.cos(0.7 * pace * time_s)
        mask = np.zeros((on.height, on.width), np.uint8)
        cv2.ellipse(
            mask, (round(at[0]), round(at[1])), (round(size * 0.6), round(size * 0.8)), 0, 0, 360, 255, -1, cv2.LINE_AA
        )
        for aside, long, thick in fingers:
            end = round(at[0] + aside * size), round(at[1] - long * size)
            cv2.line(
                mask,
                (round(at[0] + 0.4 * aside * size), round(at[1])),
                end,
                255,
                max(1, round(thick * size)),
                cv2.LINE_AA,
            )
        shade = cv2.GaussianBlur(mask, (0, 0), max(1.0, size / 6)).astype(np.float32) / 255.0
        cover(
            canvas,
            mask.astype(np.float32) / 255.0,
            (shade * np.float32(on.ambient))[:, :, None] * np.array(skin, np.float32),
        )
        return [Mark("lookalike", (at[0] - size, at[1] - size, at[0] + size, at[1] + size))]

    return [act]
