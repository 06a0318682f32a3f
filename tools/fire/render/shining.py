"""What the shining look-alikes have in common: colours, rhythms, and a patch of light that comes and goes."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.fire.render.chance import happens
from tools.fire.render.light import Box, Canvas, Light, spread
from tools.fire.render.stage import Mark, Stage

Rhythm = Callable[[float], float]
"""Brightness 0..1 at a time in seconds."""

Mask = NDArray[np.uint8]

WARM_SHARE = 0.75
_SEEN_LIGHT, _FELT_LIGHT = 0.02, 0.002


def lamp_colour(chance: np.random.Generator, *, warm: bool | None = None) -> Light:
    """The colour of a lamp, its strongest channel 1: red to pale yellow mostly, any colour otherwise."""
    if warm if warm is not None else happens(chance, WARM_SHARE):
        green = float(chance.uniform(0.02, 0.75))
        return green * float(chance.uniform(0.0, 0.7)), green, 1.0
    blue, green, red = (float(part) for part in chance.uniform(0.0, 1.0, 3) ** 2)
    top = max(blue, green, red, 1e-3)
    return blue / top, green / top, red / top


def brightness(chance: np.random.Generator) -> float:
    """How strong a light is: as strong as flames are, from a dim dial to burnt out."""
    return float(np.exp(chance.uniform(np.log(0.4), np.log(12.0))))


def scaled(colour: Light, by: float) -> Light:
    """The colour, stronger or weaker."""
    return colour[0] * by, colour[1] * by, colour[2] * by


def rhythm(chance: np.random.Generator) -> Rhythm:
    """Steady, blinking, stuttering, breathing or trembling."""
    pace, phase = float(chance.uniform(0.5, 6.0)), float(chance.uniform(0.0, 10.0))
    low, share = float(chance.choice((0.0, 0.0, 0.2, 0.5))), float(chance.uniform(0.3, 0.8))
    salt = int(chance.integers(1 << 30))

    def stutter(time_s: float) -> float:
        moment = np.random.default_rng((salt, int((time_s + phase) * 12.0)))
        return 1.0 if moment.random() < share else low

    kinds: tuple[Rhythm, ...] = (
        lambda _: 1.0,
        lambda time_s: 1.0 if ((time_s + phase) * pace) % 1.0 < share else low,
        stutter,
        lambda time_s: low + (1.0 - low) * (0.5 + 0.5 * math.sin(6.28 * pace * 0.5 * (time_s + phase))),
        lambda time_s: 0.9 + 0.1 * math.sin(47.0 * time_s + phase),
    )
    return kinds[int(chance.choice(5, p=(0.3, 0.3, 0.1, 0.15, 0.15)))]


@dataclass(frozen=True, slots=True, eq=False)
class Shine:
    """A still patch of light that a rhythm dims; an actor of the stage."""

    light: Canvas
    corner: tuple[int, int]
    box: Box
    at: Rhythm

    def __call__(self, canvas: Canvas, time_s: float) -> list[Mark]:
        """Add it."""
        level = self.at(time_s)
        if level > 0.0:
            x, y = self.corner
            part = canvas[y : y + self.light.shape[0], x : x + self.light.shape[1]]
            part += np.float32(level) * self.light
        return [Mark("lookalike", self.box)]


def shine(on: Stage, light: Canvas, at: Rhythm, halo: float = 0.3, reach_px: float = 10.0) -> Shine:
    """`light`, of the stage's size, with a halo and what it throws on its surroundings."""
    seen = cv2.boundingRect((light.max(axis=2) > _SEEN_LIGHT).astype(np.uint8))
    box = float(seen[0]), float(seen[1]), float(seen[0] + seen[2]), float(seen[1] + seen[3])
    full = light + np.float32(halo) * spread(light, reach_px) + spread(light, 5.0 * reach_px) * on.albedo
    x, y, w, h = cv2.boundingRect((full.max(axis=2) > _FELT_LIGHT).astype(np.uint8))
    return Shine(np.ascontiguousarray(full[y : y + h, x : x + w]), (x, y), box, at)


def blank(on: Stage) -> Canvas:
    """No light, of the stage's size."""
    return np.zeros((on.height, on.width, 3), np.float32)


def lit(mask: Mask, colour: Light) -> Canvas:
    """Light of one colour where the mask (0..255) is."""
    return np.asarray((mask.astype(np.float32) / 255.0)[:, :, None] * np.array(colour, np.float32), np.float32)


def spot(chance: np.random.Generator, on: Stage, margin: float = 0.12) -> tuple[float, float]:
    """Some point of the stage, not at its edge."""
    return on.width * float(chance.uniform(margin, 1 - margin)), on.height * float(chance.uniform(margin, 1 - margin))
