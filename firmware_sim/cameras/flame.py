"""A flame: rising, folding, puffing, with a white-hot core, a red rim and smoke. A function of its age and the time."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_sim.cameras.perspective import HEIGHT, WIDTH, Image, Point, project

GRID_HEIGHT, GRID_WIDTH = 96, 64
TEXTURE_PX = 256
GROWTH_S = 9.0
"""Within this time a flame reaches 63 % of its full size."""

SHARE_AT_IGNITION = 0.18
HEIGHT_M, WIDTH_M = 1.7, 1.0
SMOKE_HEIGHT = 2.2
"""Smoke reaches so many flame heights up."""

_OCTAVES = ((6, 0.8, 0.9), (12, 0.66, 1.5), (22, 0.44, 2.3), (40, 0.24, 3.4))
"""Cells across the texture, weight, and how many flame heights a second the folds of this size rise."""

_HEAT = np.array([0.0, 0.18, 0.36, 0.55, 0.75, 1.0])
_COLOURS = np.array(
    [(0, 0, 40), (4, 18, 130), (10, 70, 226), (20, 138, 255), (84, 206, 255), (206, 246, 255)], dtype=np.float64
)


def _lookup() -> NDArray[np.float32]:
    heat = np.linspace(0.0, 1.0, 256)
    return np.stack([np.interp(heat, _HEAT, _COLOURS[:, channel]) for channel in range(3)], axis=1).astype(np.float32)


_COLOUR_OF = _lookup()


@dataclass(frozen=True, slots=True)
class Fire:
    """A flame that was lit at `lit_s` at `place`, by the scene's time."""

    lit_s: float
    place: Point
    smoke: bool = True


class FlameArtist:
    """Draws flames from one seeded texture of noise that repeats without a seam."""

    def __init__(self, seed: int) -> None:
        chance = np.random.default_rng((seed, 0xF1A))
        self._octaves = [_tileable(chance, cells) for cells, _, _ in _OCTAVES]
        up = np.linspace(1.0, 0.0, GRID_HEIGHT)[:, None]
        across = np.linspace(-1.0, 1.0, GRID_WIDTH)[None, :]
        self._up, self._across = up, across

    def draw(self, image: Image, fire: Fire, time_s: float) -> None:
        """Burn it into the picture: smoke, the light it throws, the flame."""
        age_s = time_s - fire.lit_s
        if age_s < 0.0:
            return
        size = SHARE_AT_IGNITION + (1.0 - SHARE_AT_IGNITION) * (1.0 - math.exp(-age_s / GROWTH_S))
        puff = _puff(size * WIDTH_M, time_s)
        x, ground = project(fire.place)
        metre = project((fire.place[0], fire.place[1] - 1.0, fire.place[2]))[1] - ground
        high, wide = HEIGHT_M * size * metre * puff, WIDTH_M * size * metre
        if fire.smoke:
            self._smoke(image, (x, ground - high * 0.7), (wide * 1.5, high * SMOKE_HEIGHT), time_s, size)
        _throw_light(image, (x, ground - high * 0.4), wide * 2.6, 0.1 * size * puff)
        heat = self._heat(time_s)
        alpha = np.clip((heat - 0.1) / 0.22, 0.0, 1.0)
        _blend(image, _COLOUR_OF[np.asarray(heat * 255, np.uint8)], alpha, (x, ground), (wide, high))

    def _heat(self, time_s: float) -> NDArray[np.float64]:
        """How hot each point of the flame's grid is, 0..1."""
        fold = self._noise(time_s, 1.0)
        sway = 0.22 * self._up**1.2 * (math.sin(5.1 * time_s) + 0.7 * math.sin(8.3 * time_s + 1.0))
        across = self._across + sway + 0.75 * self._up * self._noise(time_s + 40.0, 0.7)
        # A drop: broadest at a quarter of its height, drawn in at the foot, torn into tongues at the top.
        half_width = 1.25 * (self._up + 0.03) ** 0.3 * np.clip(1.0 - self._up, 0.0, 1.0) ** 0.75 + 0.02
        body = 1.0 - np.abs(across) / (half_width * (1.0 + 0.5 * fold))
        heat = 1.05 * body - 0.3 * self._up + 1.25 * fold * (0.2 + 1.2 * self._up) + 0.04
        return np.clip(heat, 0.0, 1.0) * np.clip(0.35 + self._up / 0.06, 0.0, 1.0)

    def _noise(self, time_s: float, stretch: float) -> NDArray[np.float32]:
        """Folds about zero, risen by `time_s`."""
        total = np.zeros((GRID_HEIGHT, GRID_WIDTH), np.float32)
        for texture, (cells, weight, heights_per_s) in zip(self._octaves, _OCTAVES, strict=True):
            risen = int(heights_per_s * time_s * GRID_HEIGHT * stretch)
            drift = int(9.0 * math.sin(0.7 * time_s + cells))
            rows = (np.arange(GRID_HEIGHT) + risen) % TEXTURE_PX
            columns = (np.arange(GRID_WIDTH) + drift + 7 * cells) % TEXTURE_PX
            total += np.float32(weight) * texture[rows][:, columns]
        return total

    def _smoke(
        self, image: Image, foot: tuple[float, float], size: tuple[float, float], time_s: float, strength: float
    ) -> None:
        fold = self._noise(0.35 * time_s + 90.0, 0.6)
        lean = self._across + 0.5 * self._up * math.sin(0.5 * time_s) + 0.3 * fold * self._up
        body = 1.0 - np.abs(lean) / (0.3 + 0.65 * self._up)
        alpha = np.clip(body + 0.5 * fold, 0.0, 1.0) * np.sin(np.pi * np.clip(self._up, 0.0, 1.0)) * 0.42 * strength
        grey = np.full((GRID_HEIGHT, GRID_WIDTH, 3), (74, 72, 72), np.float32)
        _blend(image, grey, alpha, foot, size)


def _puff(diameter_m: float, time_s: float) -> float:
    """How high the flame stands against its mean: buoyant flames shed at about 1.5 / sqrt(D) Hz.

    Source: Cetegen and Ahmed, "Experiments on the periodic instability of buoyant plumes and pool fires", Combustion
    and Flame 93 (1993).
    """
    pulse_hz = 1.5 / math.sqrt(max(diameter_m, 0.1))
    phase = 2.0 * math.pi * pulse_hz * time_s
    return 1.0 + 0.13 * math.sin(phase) + 0.07 * math.sin(2.7 * phase + 0.8)


def _tileable(chance: np.random.Generator, cells: int) -> NDArray[np.float32]:
    """Smooth noise about zero whose edges meet, `TEXTURE_PX` on a side."""
    coarse = chance.uniform(-0.5, 0.5, (cells, cells)).astype(np.float32)
    tiled = cv2.resize(np.tile(coarse, (3, 3)), (3 * TEXTURE_PX, 3 * TEXTURE_PX), interpolation=cv2.INTER_CUBIC)
    return np.asarray(tiled[TEXTURE_PX : 2 * TEXTURE_PX, TEXTURE_PX : 2 * TEXTURE_PX], np.float32)


def _throw_light(image: Image, centre: tuple[float, float], radius: float, strength: float) -> None:
    left, top = max(0, int(centre[0] - radius)), max(0, int(centre[1] - radius))
    right, bottom = min(WIDTH, int(centre[0] + radius)), min(HEIGHT, int(centre[1] + radius))
    part = image[top:bottom, left:right]
    if not part.size:
        return
    y, x = np.ogrid[top:bottom, left:right]
    near = np.clip(1.0 - ((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / radius**2, 0.0, 1.0) ** 2
    light = (near * strength)[:, :, None] * np.array((40.0, 130.0, 255.0))
    part[:] = cv2.add(part, np.asarray(light, np.uint8))


def _blend(
    image: Image,
    colour: NDArray[np.float32],
    alpha: NDArray[np.float64],
    foot: tuple[float, float],
    size: tuple[float, float],
) -> None:
    """Lay a grid of colours over the picture: `size` wide and high, standing on `foot`."""
    wide, high = max(3, round(size[0] * 1.6)), max(4, round(size[1] * 1.15))
    left, top = round(foot[0] - wide / 2), round(foot[1] - high)
    x0, y0, x1, y1 = max(0, left), max(0, top), min(WIDTH, left + wide), min(HEIGHT, top + high)
    if x0 >= x1 or y0 >= y1:
        return
    window = slice(y0 - top, y1 - top), slice(x0 - left, x1 - left)
    how = cv2.INTER_AREA if wide < GRID_WIDTH else cv2.INTER_LINEAR
    paint = cv2.resize(colour, (wide, high), interpolation=how)[window]
    cover = cv2.resize(alpha.astype(np.float32), (wide, high), interpolation=how)[window][:, :, None]
    part = image[y0:y1, x0:x1]
    part[:] = np.asarray(part * (1.0 - cover) + paint * cover, np.uint8)
