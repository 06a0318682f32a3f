"""Look-alikes that shine steadily or move: lanterns, cars, beacons, heaters, dials, the low sun, glints."""

import math

import cv2
import numpy as np

from tools.fire.render.chance import happens
from tools.fire.render.light import Canvas, add_light, cover, lamp, paint
from tools.fire.render.shining import blank, brightness, lamp_colour, lit, rhythm, scaled, shine, spot
from tools.fire.render.stage import Actor, Mark, Stage


def lanterns(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Paper lanterns that glow from within and swing in the wind, in a row or alone."""
    count, size = int(chance.integers(1, 7)), float(np.exp(chance.uniform(np.log(3.0), np.log(40.0))))
    colour = scaled(lamp_colour(chance, warm=True), float(chance.uniform(0.3, 4.0)))
    tall, core = float(chance.uniform(0.8, 1.6)), float(chance.uniform(0.2, 3.0))
    places = [(*spot(chance, on), *chance.uniform((2.0, 0.8, 0.0), (18.0, 4.0, 6.0))) for _ in range(count)]

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        marks: list[Mark] = []
        for x, y, far, pace, phase in places:
            at = x + far * math.sin(pace * time_s + phase), y + 0.2 * far * math.cos(2.0 * pace * time_s + phase)
            mask = np.zeros((on.height, on.width), np.uint8)
            cv2.ellipse(
                mask,
                (round(at[0] * 8), round(at[1] * 8)),
                (round(size * 8), round(size * tall * 8)),
                0,
                0,
                360,
                255,
                -1,
                cv2.LINE_AA,
                3,
            )
            box = paint(canvas, mask, scaled(colour, 0.6))
            lamp(canvas, at, size * 0.5, scaled(colour, core), 0.2)
            if box:
                marks.append(Mark("lookalike", box))
        return marks

    return [act]


def traffic(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Cars or motorcycles that pass or come nearer, with head lamps, brake lights, a blinking indicator."""
    cars = []
    for _ in range(int(chance.integers(1, 4))):
        white = happens(chance, 0.5)
        tint = float(chance.uniform(0.3, 1.0))
        colour = (tint**2, 0.5 + 0.5 * tint, 1.0) if white else (0.01, 0.03, 1.0)
        cars.append(
            (
                spot(chance, on),
                chance.normal(0.0, 50.0),
                chance.normal(0.0, 8.0),
                float(chance.uniform(1.5, 9.0)),
                scaled(colour, brightness(chance)),
            )
        )
    growth, blink = float(chance.normal(0.0, 0.3)), rhythm(chance)
    gap = float(chance.uniform(0.0, 9.0))

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        marks: list[Mark] = []
        for (x0, y0), across, down, radius, colour in cars:
            size = radius * math.exp(growth * time_s)
            x, y = (x0 + across * time_s) % on.width, y0 + down * time_s
            body = np.zeros((on.height, on.width), np.uint8)
            cv2.rectangle(
                body, (int(x - size), int(y - 3 * size)), (int(x + (gap + 1) * size), int(y + 2 * size)), 200, -1
            )
            paint(canvas, body, (0.05 * on.ambient, 0.05 * on.ambient, 0.05 * on.ambient))
            pair = (lamp(canvas, (x + side, y), size, colour, 0.25) for side in (0.0, gap * size))
            marks.extend(Mark("lookalike", box) for box in pair)
            lamp(canvas, (x + 1.4 * gap * size, y), size * 0.6, scaled((0.02, 0.35, 1.0), 2.0 * blink(time_s)))
        return marks

    return [act]


def beacon(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A rotating or flashing beacon, and what its beam sweeps over."""
    (x, y), pace, size = spot(chance, on), float(chance.uniform(3.0, 14.0)), float(chance.uniform(1.5, 12.0))
    colour = scaled(lamp_colour(chance, warm=happens(chance, 0.8)), brightness(chance))
    reach = float(chance.uniform(20.0, 80.0))

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        toward = max(0.0, math.cos(pace * time_s)) ** 4
        swept = blank(on)
        lamp(swept, (x + reach * math.sin(pace * time_s), y), reach * 0.35, scaled(colour, 0.15))
        add_light(canvas, swept * on.albedo)
        return [Mark("lookalike", lamp(canvas, (x, y), size * (0.6 + 0.5 * toward), scaled(colour, 0.15 + toward)))]

    return [act]


def bulbs(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Bare bulbs, spots and street lamps with the warm light they throw on walls and goods."""
    light = blank(on)
    radius = float(np.exp(chance.uniform(np.log(1.5), np.log(25.0))))
    colour = scaled(lamp_colour(chance, warm=happens(chance, 0.8)), brightness(chance))
    for _ in range(int(chance.integers(1, 6))):
        lamp(
            light, spot(chance, on), radius * float(chance.uniform(0.6, 1.2)), colour, float(chance.uniform(0.02, 0.5))
        )
    return [shine(on, light, rhythm(chance), float(chance.uniform(0.0, 0.6)), 15.0)]


def heater(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Glowing bars or coils: an electric heater, a toaster, a hot plate."""
    mask = np.zeros((on.height, on.width), np.uint8)
    (x, y), long, thin = spot(chance, on, 0.2), float(chance.uniform(10, 90)), max(1, int(chance.integers(1, 7)))
    if happens(chance, 0.7):
        for bar in range(int(chance.integers(1, 6))):
            down = round(y + bar * thin * 3)
            cv2.line(mask, (round(x - long / 2), down), (round(x + long / 2), down), 255, thin, cv2.LINE_AA)
    else:
        for ring in range(int(chance.integers(2, 6))):
            axes = round(long / 2 * (ring + 1) / 5) + 1, round(long / 4 * (ring + 1) / 5) + 1
            cv2.ellipse(mask, (round(x), round(y)), axes, 0, 0, 360, 255, max(1, thin // 2), cv2.LINE_AA)
    green = float(chance.uniform(0.08, 0.4))
    light = lit(mask, scaled((0.1 * green, green, 1.0), brightness(chance)))
    return [
        shine(on, light, rhythm(chance) if happens(chance, 0.3) else lambda _: 1.0, float(chance.uniform(0.1, 0.8)))
    ]


def dial(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A lit dial or display, near: warm figures on black, a hand that turns, blurred lamps behind."""
    actors = bulbs(chance, on) if happens(chance, 0.5) else []
    size = on.height * float(chance.uniform(0.08, 0.45))
    (x, y), colour = spot(chance, on, 0.25), scaled(lamp_colour(chance, warm=True), float(chance.uniform(0.3, 3.0)))
    disc, face = np.zeros((2, on.height, on.width), np.uint8)
    cv2.circle(disc, (round(x), round(y)), round(size), 255, -1, cv2.LINE_AA)
    for tick in range(int(chance.choice((12, 24, 60)))):
        angle = 6.283 * tick / 12
        ends = [
            (round(x + size * part * math.cos(angle)), round(y + size * part * math.sin(angle))) for part in (0.8, 0.92)
        ]
        cv2.line(face, ends[0], ends[1], 255, max(1, round(size / 25)), cv2.LINE_AA)
        where = (
            round(x + size * 0.65 * math.cos(angle) - size / 12),
            round(y + size * 0.65 * math.sin(angle) + size / 20),
        )
        cv2.putText(face, str(tick % 24), where, 0, size / 150, 255, max(1, round(size / 45)), cv2.LINE_AA)
    cv2.circle(face, (round(x), round(y)), round(size), 255, max(1, round(size / 30)), cv2.LINE_AA)
    glow, turn = (
        shine(on, lit(face, colour), rhythm(chance) if happens(chance, 0.3) else lambda _: 1.0, 0.3),
        float(chance.uniform(0.1, 4.0)),
    )

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        paint(canvas, disc, (0.004, 0.004, 0.006))
        hand = np.zeros((on.height, on.width), np.uint8)
        end = round(x + 0.7 * size * math.cos(turn * time_s)), round(y + 0.7 * size * math.sin(turn * time_s))
        cv2.line(hand, (round(x), round(y)), end, 255, max(1, round(size / 18)), cv2.LINE_AA)
        marks = glow(canvas, time_s)
        paint(canvas, hand, colour)
        return marks

    return [*actors, act]


def low_sun(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A low sun and its red sky, with leaves or people moving before it."""
    (x, y), radius = (
        (on.width * float(chance.uniform(0.1, 0.9)), on.height * float(chance.uniform(0.05, 0.6))),
        float(chance.uniform(4, 35)),
    )
    green = float(chance.uniform(0.25, 0.75))
    sky = scaled((0.3 * green, green, 1.0), float(chance.uniform(0.1, 1.0)))
    rows, columns = np.ogrid[0 : on.height, 0 : on.width]
    far = np.hypot(columns - x, 2.0 * (rows - y)) / on.width
    veil = (np.exp(-4.0 * far) * chance.uniform(0.2, 1.0)).astype(np.float32)
    count, pace = int(chance.integers(0, 60)), float(chance.uniform(1.0, 5.0))
    leaves = chance.uniform((0, 0, 2, 2, 0), (1, 1, 9, 14, 6.3), (count, 5))

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        cover(canvas, veil, sky)
        box = lamp(canvas, (x, y), radius, scaled((0.4 * green, green, 1.0), 6.0), 0.2)
        mask = np.zeros((on.height, on.width), np.uint8)
        for left, top, sway, size, phase in leaves:
            at = (
                x + (left - 0.5) * 160 + sway * math.sin(pace * time_s + phase),
                y + (top - 0.5) * 120 + 0.4 * sway * math.sin(1.7 * pace * time_s + phase),
            )
            cv2.ellipse(
                mask, (round(at[0]), round(at[1])), (round(size), round(size * 0.5) + 1), phase * 60, 0, 360, 255, -1
            )
        paint(canvas, mask, (0.004, 0.01, 0.006))
        reach = 2.5 * radius + 12
        return [Mark("lookalike", (box[0] - reach, box[1] - reach, box[2] + reach, box[3] + reach))]

    return [act]


def glints(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Light on rippling water, foil, wet ground or metal: sparks that come and go."""
    high, wide = int(chance.integers(8, on.height // 2)), int(chance.integers(16, on.width // 2))
    x, y = int(chance.integers(on.width - wide)), int(chance.integers(on.height // 4, on.height - high))
    pace, fine = float(chance.uniform(2.0, 9.0)), float(chance.uniform(0.15, 0.9))
    colour = np.array(scaled(lamp_colour(chance), brightness(chance)), np.float32)
    rows, columns = np.mgrid[0:high, 0:wide].astype(np.float32)
    soft = np.sin(np.pi * (rows + 0.5) / high) * np.sin(np.pi * (columns + 0.5) / wide)
    stretch = float(chance.uniform(1.0, 5.0))

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        wave = np.sin(columns * fine + pace * time_s) * np.sin(rows * fine * stretch - 1.3 * pace * time_s)
        wave += np.sin((columns + rows * stretch) * fine * 0.61 + 0.71 * pace * time_s)
        light = np.maximum(wave - 0.9, 0.0) * soft
        canvas[y : y + high, x : x + wide] += light[:, :, None] * colour
        return [Mark("lookalike", (x, y, x + wide, y + high))]

    return [act]


def welding(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """A white-blue arc that stutters at random, lights up everything around, and sprays sparks."""
    (x, y), size, salt = spot(chance, on), float(chance.uniform(1.0, 6.0)), int(chance.integers(1 << 30))
    colour = scaled((1.0, 0.9, 0.8), float(chance.uniform(4.0, 20.0)))
    sparks = int(chance.integers(0, 14))

    def act(canvas: Canvas, time_s: float) -> list[Mark]:
        moment = np.random.default_rng((salt, int(time_s * 60.0)))
        level = float(moment.uniform(0.2, 1.0)) if happens(moment, 0.8) else 0.0
        canvas += (0.08 * level) * on.albedo
        for _ in range(sparks):
            end = np.array((x, y)) + moment.normal(0.0, 14.0, 2) + (0.0, 6.0)
            cv2.line(canvas, (int(x), int(y)), (int(end[0]), int(end[1])), scaled((0.2, 0.6, 1.0), 2.0 * level), 1)
        return [Mark("lookalike", lamp(canvas, (x, y), size, scaled(colour, level), 0.4))]

    return [act]


def tubes(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Fluorescent tubes, one of which flickers and takes the light of the place with it."""
    mask = np.zeros((on.height, on.width), np.uint8)
    for _ in range(int(chance.integers(1, 5))):
        x, y = spot(chance, on)
        end = round(x + chance.normal(0.0, 50.0)), round(y + chance.normal(0.0, 12.0))
        cv2.line(mask, (round(x), round(y)), end, 255, int(chance.integers(1, 6)), cv2.LINE_AA)
    warm = float(chance.uniform(0.6, 1.1))
    return [shine(on, lit(mask, scaled((warm**2, warm, 1.0), brightness(chance))), rhythm(chance), 0.3, 25.0)]
