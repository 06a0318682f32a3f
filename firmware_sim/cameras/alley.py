"""What stands still in the alley: arcade, walls, ground, stalls and their goods. Drawn once."""

import math
import random
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from firmware_sim.cameras.perspective import HEIGHT, WIDTH, Colour, Image, disc, fill, line, project, shade

ZOOM = 2.0
"""Drawn larger and shrunk: smooth at no cost while running."""

NEAR, FAR = 0.8, 16.0
WALL_M, COUNTER_M, LANE_M = 3.7, 2.9, 1.95
EAVES_M, RIDGE_M = 4.6, 6.6

STALL_DEPTHS = ((0.72, 1.12), (1.2, 1.72), (1.84, 2.6), (2.75, 3.9), (4.1, 5.8), (6.1, 8.8))


@dataclass(frozen=True, slots=True)
class Look:
    """The colours of a time of day."""

    roof: Colour
    roof_far: Colour
    rib: Colour
    wall: Colour
    ground: Colour
    ground_far: Colour
    light: float
    glow: float


LOOKS = {
    "night": Look((38, 26, 20), (92, 66, 50), (74, 62, 56), (48, 40, 44), (46, 42, 44), (96, 92, 104), 0.62, 1.0),
    "day": Look(
        (226, 222, 214), (244, 240, 234), (150, 146, 140), (128, 134, 142), (128, 132, 136), (176, 180, 184), 1.0, 0.25
    ),
}

AWNINGS: tuple[tuple[Colour, Colour], ...] = (
    ((62, 62, 186), (222, 228, 232)),
    ((96, 128, 48), (222, 230, 226)),
    ((150, 88, 36), (228, 228, 224)),
    ((46, 150, 214), (226, 230, 232)),
    ((112, 60, 120), (226, 226, 230)),
)

GOODS: tuple[tuple[Colour, ...], ...] = (
    ((30, 120, 232), (40, 136, 240), (24, 104, 214)),
    ((70, 150, 88), (96, 178, 120), (58, 128, 70)),
    ((48, 44, 176), (60, 58, 200), (40, 36, 150)),
    ((176, 172, 160), (200, 194, 180), (150, 146, 138)),
    ((120, 196, 220), (104, 180, 208), (140, 208, 228)),
    ((120, 70, 96), (98, 52, 74), (140, 92, 118)),
)
"""Tangerines, cabbages, peppers, fish, melons, aubergines."""


def draw_alley(seed: int, look: Look) -> Image:
    """The still picture of the alley, before any lamp is lit."""
    chance = random.Random(f"{seed}/alley")
    image = np.zeros((int(HEIGHT * ZOOM), int(WIDTH * ZOOM), 3), np.uint8)
    _roof(image, look)
    for side in (-1, 1):
        _walls(image, side, look, chance)
    _ground(image, look, chance)
    for depths in reversed(STALL_DEPTHS):
        for side in (-1, 1):
            _stall(image, side, depths, look, chance)
    return np.asarray(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def _roof(image: Image, look: Look) -> None:
    steps = np.geomspace(NEAR, FAR, 40)
    for near, far in pairwise(steps):
        share = float(np.log(near / NEAR) / np.log(FAR / NEAR))
        colour = _mix(look.roof, look.roof_far, share)
        for side in (-1, 1):
            panel = [
                (0.0, RIDGE_M, near),
                (0.0, RIDGE_M, far),
                (side * WALL_M, EAVES_M, far),
                (side * WALL_M, EAVES_M, near),
            ]
            fill(image, panel, shade(colour, 1.0 if side < 0 else 0.93), ZOOM)
    for depth in np.geomspace(1.0, FAR, 12):
        arch = [
            (WALL_M * np.cos(a), EAVES_M + (RIDGE_M - EAVES_M) * np.sin(a), depth) for a in np.linspace(0, np.pi, 25)
        ]
        line(image, arch, look.rib, 3.2 / depth, ZOOM)
    for right_m, up_m in ((-2.4, 6.0), (0.0, RIDGE_M), (2.4, 6.0)):
        line(image, [(right_m, up_m, NEAR), (right_m, up_m, FAR)], shade(look.rib, 0.9), 1.0, ZOOM)
    end = [
        (-WALL_M, 0.0, FAR),
        (-WALL_M, EAVES_M, FAR),
        (0.0, RIDGE_M, FAR),
        (WALL_M, EAVES_M, FAR),
        (WALL_M, 0.0, FAR),
    ]
    fill(image, end, shade(look.roof_far, 1.5), ZOOM)


def _walls(image: Image, side: int, look: Look, chance: random.Random) -> None:
    edges = list(np.geomspace(NEAR, FAR, 9))
    for near, far in pairwise(edges):
        tint = tuple(chance.uniform(0.75, 1.25) for _ in range(3))
        blue, green, red = (round(part * factor) for part, factor in zip(look.wall, tint, strict=True))
        wall_m = side * WALL_M
        fill(
            image,
            [(wall_m, 0, near), (wall_m, EAVES_M, near), (wall_m, EAVES_M, far), (wall_m, 0, far)],
            (blue, green, red),
            ZOOM,
        )
        depth_a, depth_b = near * (far / near) ** 0.2, near * (far / near) ** 0.8
        window = [(wall_m, 3.1, depth_a), (wall_m, 4.2, depth_a), (wall_m, 4.2, depth_b), (wall_m, 3.1, depth_b)]
        lamp = shade((110, 176, 214), chance.uniform(0.45, 0.9))
        fill(image, window, lamp if chance.choice((True, False)) else shade((blue, green, red), 0.55), ZOOM)
        middle = math.sqrt(depth_a * depth_b)
        line(image, [(wall_m, 3.1, middle), (wall_m, 4.2, middle)], shade((blue, green, red), 0.5), 1.2 / near, ZOOM)
        line(image, [*window, window[0]], shade((blue, green, red), 0.5), 1.2 / near, ZOOM)


def _ground(image: Image, look: Look, chance: random.Random) -> None:
    steps = np.geomspace(NEAR, FAR, 48)
    for near, far in pairwise(steps):
        share = float(np.log(near / NEAR) / np.log(FAR / NEAR))
        colour = shade(_mix(look.ground, look.ground_far, share), chance.uniform(0.95, 1.05))
        fill(image, [(-WALL_M, 0, near), (-WALL_M, 0, far), (WALL_M, 0, far), (WALL_M, 0, near)], colour, ZOOM)
    joint = shade(look.ground, 0.82)
    for depth in np.arange(NEAR, 7.0, 0.16):
        line(image, [(-WALL_M, 0, depth), (WALL_M, 0, depth)], joint, 0.6, ZOOM)
    for right_m in np.arange(-WALL_M, WALL_M, 0.62):
        line(image, [(right_m, 0, NEAR), (right_m, 0, FAR)], joint, 0.6, ZOOM)
    for edge_m in (-0.08, 0.08):
        line(image, [(edge_m, 0, NEAR), (edge_m, 0, FAR)], (70, 168, 196), 1.6, ZOOM)


def _stall(image: Image, side: int, depths: tuple[float, float], look: Look, chance: random.Random) -> None:
    near, far = depths
    inner, outer = side * LANE_M, side * COUNTER_M
    cloth, stripe = chance.choice(AWNINGS)
    skirt = shade(chance.choice(AWNINGS)[0], 0.55 * look.light)
    back = [(side * WALL_M, 0, near), (side * WALL_M, 2.5, near), (side * WALL_M, 2.5, far), (side * WALL_M, 0, far)]
    fill(image, back, shade((86, 118, 148), look.light), ZOOM)
    fill(image, [(inner, 0, near), (outer, 0, near), (outer, 0.85, near), (inner, 0.85, near)], shade(skirt, 0.8), ZOOM)
    fill(image, [(inner, 0, near), (inner, 0.85, near), (inner, 0.85, far), (inner, 0, far)], skirt, ZOOM)
    _goods(image, side, depths, look, chance)
    for depth in (far, near):
        post = (side * (LANE_M - 0.02), 0.0, depth), (side * (LANE_M - 0.02), 2.3, depth)
        line(image, post, shade((150, 150, 150), look.light), 1.6 / depth, ZOOM)
    _awning(image, side, depths, (shade(cloth, look.light), shade(stripe, look.light)))


def _goods(image: Image, side: int, depths: tuple[float, float], look: Look, chance: random.Random) -> None:
    near, far = depths
    edges = np.geomspace(near, far, 4)
    for crate_far, crate_near in reversed(list(zip(edges[1:], edges[:-1], strict=True))):
        corners = [
            (side * x, 0.87, depth)
            for x, depth in ((LANE_M, crate_near), (COUNTER_M, crate_near), (COUNTER_M, crate_far), (LANE_M, crate_far))
        ]
        fill(image, corners, shade((64, 92, 118), look.light), ZOOM)
        colours = chance.choice(GOODS)
        for depth in np.geomspace(crate_far * 0.985, crate_near * 1.02, 5):
            for x in np.arange(LANE_M + 0.1, COUNTER_M, 0.15):
                place = project(
                    (side * (x + chance.uniform(-0.02, 0.02)), 0.93 + chance.uniform(0, 0.04), float(depth))
                )
                size = 6.4 / depth * chance.uniform(0.85, 1.1)
                colour = shade(chance.choice(colours), look.light * chance.uniform(0.8, 1.1))
                disc(image, place, (size, size * 0.85), shade(colour, 0.6), ZOOM)
                disc(image, (place[0] - size * 0.12, place[1] - size * 0.16), (size * 0.82, size * 0.68), colour, ZOOM)


def _awning(image: Image, side: int, depths: tuple[float, float], colours: tuple[Colour, Colour]) -> None:
    edges = np.geomspace(*depths, 9)
    for number, (near, far) in enumerate(pairwise(edges)):
        colour = colours[number % 2]
        low, high = side * (LANE_M - 0.25), side * (WALL_M - 0.1)
        fill(image, [(low, 2.25, near), (high, 2.75, near), (high, 2.75, far), (low, 2.25, far)], colour, ZOOM)
        middle = (near + far) / 2
        fill(
            image,
            [(low, 2.25, near), (low, 2.05, near), (low, 1.98, middle), (low, 2.05, far), (low, 2.25, far)],
            shade(colour, 0.72),
            ZOOM,
        )


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    blue, green, red = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return blue, green, red
