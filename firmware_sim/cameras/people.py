"""People who stroll along the alley, some with something red or orange: all a function of the time."""

import math
import random
from dataclasses import dataclass

import cv2

from firmware_sim.cameras.perspective import PX_PER_M, Colour, Image, disc, project, shade

NEAREST, FARTHEST = 0.95, 11.0
_COATS: tuple[Colour, ...] = (
    (110, 84, 60),
    (60, 52, 48),
    (48, 92, 182),
    (52, 46, 172),
    (140, 130, 120),
    (92, 120, 70),
    (150, 150, 196),
    (70, 70, 96),
)
_SKIN: Colour = (140, 172, 214)
_HAIR: tuple[Colour, ...] = ((26, 24, 28), (30, 34, 46), (130, 132, 136))


@dataclass(frozen=True, slots=True)
class Stroller:
    """One person, who walks from one end to the other and is then somebody else's twin on the way back."""

    start: float
    speed_per_s: float
    right_m: float
    tall_m: float
    coat: Colour
    hair: Colour
    bag: Colour | None
    stride: float

    def depth(self, time_s: float) -> float:
        """Where along the alley, on a scale of steps that look even in the picture."""
        way = (self.start + time_s * self.speed_per_s) % 2.0
        share = way if way < 1.0 else 2.0 - way
        return NEAREST * math.exp(share * math.log(FARTHEST / NEAREST))


def crowd(seed: int, count: int = 9) -> tuple[Stroller, ...]:
    """`count` people."""
    chance = random.Random(f"{seed}/crowd")
    return tuple(
        Stroller(
            start=2.0 * number / count + chance.uniform(-0.08, 0.08),
            speed_per_s=chance.uniform(0.014, 0.03) * chance.choice((-1, 1)),
            right_m=chance.uniform(-1.35, 1.35),
            tall_m=chance.uniform(1.5, 1.8),
            coat=_COATS[number % len(_COATS)],
            hair=chance.choice(_HAIR),
            bag=chance.choice((None, (50, 44, 200), (190, 180, 170))),
            stride=chance.uniform(0.0, 6.0),
        )
        for number in range(count)
    )


def draw_crowd(image: Image, people: tuple[Stroller, ...], time_s: float, light: float) -> None:
    """Draw all of them, the farthest first."""
    for person in sorted(people, key=lambda one: -one.depth(time_s)):
        _draw(image, person, time_s, light)


def _draw(image: Image, person: Stroller, time_s: float, light: float) -> None:
    depth = person.depth(time_s)
    metre = PX_PER_M / depth
    step = math.sin(person.stride + 5.6 * time_s)
    sway_m = person.right_m + 0.12 * math.sin(person.stride + 0.4 * time_s)
    x, ground = project((sway_m, 0.0, depth))
    tall = person.tall_m * metre
    bob = abs(step) * 0.02 * metre
    top = ground - tall - bob
    coat, legs = shade(person.coat, light), shade((52, 46, 44), light)
    _shadow(image, (x, ground), metre)
    for side in (-1, 1):
        foot = x + side * step * 0.16 * metre, ground - max(side * step, 0.0) * 0.05 * metre
        _limb(image, (x + side * 0.07 * metre, ground - 0.48 * tall), foot, 0.13 * metre, legs)
    for side in (-1, 1):
        hand = x + side * 0.24 * metre - side * step * 0.1 * metre, ground - 0.44 * tall
        _limb(image, (x + side * 0.17 * metre, ground - 0.78 * tall), hand, 0.1 * metre, shade(coat, 0.85))
    disc(image, (x, ground - 0.62 * tall), (0.2 * metre, 0.23 * tall), coat)
    disc(image, (x - 0.05 * metre, ground - 0.68 * tall), (0.1 * metre, 0.13 * tall), shade(coat, 1.12))
    if person.bag is not None:
        disc(image, (x + 0.28 * metre, ground - 0.36 * tall), (0.1 * metre, 0.13 * metre), shade(person.bag, light))
    head = 0.115 * metre
    disc(image, (x, top + head * 1.1), (head * 0.86, head * 1.1), shade(_SKIN, light))
    disc(image, (x, top + head * 0.75), (head * 0.92, head * 0.8), shade(person.hair, light))


def _shadow(image: Image, foot: tuple[float, float], metre: float) -> None:
    left, right = max(0, int(foot[0] - 0.4 * metre)), int(foot[0] + 0.4 * metre)
    top, bottom = max(0, int(foot[1] - 0.1 * metre)), int(foot[1] + 0.1 * metre)
    part = image[top:bottom, left:right]
    if part.size:
        dark = part.copy()
        disc(dark, (foot[0] - left, foot[1] - top), (0.32 * metre, 0.07 * metre), (16, 14, 16))
        cv2.addWeighted(part, 0.45, dark, 0.55, 0.0, part)


def _limb(image: Image, start: tuple[float, float], end: tuple[float, float], wide: float, colour: Colour) -> None:
    points = [(round(x * 16), round(y * 16)) for x, y in (start, end)]
    cv2.line(image, points[0], points[1], colour, max(1, round(wide)), cv2.LINE_AA, 4)
