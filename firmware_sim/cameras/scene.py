"""A market alley as a camera sees it at any time: stalls, lanterns, neon, people, noise, and a flame if lit."""

import cv2
import numpy as np
from numpy.typing import NDArray

from firmware_sim.cameras.alley import LOOKS, draw_alley
from firmware_sim.cameras.flame import Fire, FlameArtist
from firmware_sim.cameras.lamps import diode_sign, draw_lanterns, neon, steady_light
from firmware_sim.cameras.people import crowd, draw_crowd
from firmware_sim.cameras.perspective import HEIGHT, WIDTH, Image, Point

FLAME_PLACES: tuple[Point, ...] = ((2.35, 0.9, 1.42), (-2.35, 0.9, 1.42), (-2.3, 0.9, 2.2), (2.3, 0.9, 2.2))
NOISE_LEVELS = {"night": 3.2, "day": 1.8}
"""Standard deviation of the sensor's noise, in grey levels."""

_NOISE_ROWS = 3 * HEIGHT


class MarketScene:
    """Renders the alley of `seed` by `light` (`night` or `day`): the same seed and time give the same picture.

    `fire` is the flame that burns, or None. A frame costs a few milliseconds; making the scene about half a second.

    Raises:
        ValueError: `light` is neither.
    """

    def __init__(self, seed: int, light: str = "night") -> None:
        if light not in LOOKS:
            raise ValueError(f"light {light!r} is not known: use {' or '.join(LOOKS)}")
        self._seed = seed
        self._look = LOOKS[light]
        self._still = self._draw_still()
        self._lamps = (
            neon("국수", (-3.2, 4.35, 1.62), 0.5, (200, 70, 255), f"{seed}/noodles"),
            neon("시장", (3.12, 4.5, 2.0), 0.55, (255, 190, 60), f"{seed}/market"),
            neon("떡", (-3.2, 4.4, 3.1), 0.7, (80, 230, 120), f"{seed}/cake"),
            *diode_sign((2.62, 3.62, 1.55), 30, f"{seed}/sign"),
        )
        self._people = crowd(seed)
        self._artist = FlameArtist(seed)
        self._noise = self._make_noise(NOISE_LEVELS[light])
        self.fire: Fire | None = None

    def light_fire(self, time_s: float, *, smoke: bool = True) -> None:
        """Light a flame at `time_s`, on the stall that the seed chooses; one that burns already goes on burning."""
        if self.fire is None:
            self.fire = Fire(time_s, FLAME_PLACES[self._seed % len(FLAME_PLACES)], smoke)

    def put_out(self) -> None:
        """Put the flame out."""
        self.fire = None

    def frame(self, time_s: float) -> Image:
        """The picture at `time_s` of the scene's own time."""
        image = self._still.copy()
        for lamp in self._lamps:
            lamp.shine(image, time_s)
        draw_crowd(image, self._people, time_s, self._look.light)
        if self.fire is not None:
            self._artist.draw(image, self.fire, time_s)
        chance = np.random.default_rng((self._seed, int(time_s * 1000.0) & 0xFFFFFFFF))
        return self._with_noise(image, chance)

    def _draw_still(self) -> Image:
        image = draw_alley(self._seed, self._look)
        draw_lanterns(image, self._seed, 0.6 + 0.4 * self._look.light)
        image = np.asarray(cv2.add(image, steady_light(self._seed, self._look.glow)), np.uint8)
        y, x = np.ogrid[-1.0 : 1.0 : HEIGHT * 1j, -1.0 : 1.0 : WIDTH * 1j]
        vignette = 1.0 - 0.24 * (x**2 + y**2) / 2.0
        return np.asarray(image * vignette[:, :, None], np.uint8)

    def _make_noise(self, levels: float) -> NDArray[np.int16]:
        chance = np.random.default_rng((self._seed, 0x0153))
        return np.asarray(chance.normal(0.0, levels, (_NOISE_ROWS, WIDTH, 3)), np.int16)

    def _with_noise(self, image: Image, chance: np.random.Generator) -> Image:
        """A sensor's noise: a window of one tall field, chosen at random, so that no two pictures are equal."""
        top = int(chance.integers(_NOISE_ROWS - HEIGHT))
        field = self._noise[top : top + HEIGHT, :: int(chance.choice((-1, 1)))]
        return np.asarray(cv2.add(image, np.ascontiguousarray(field), dtype=cv2.CV_8U), np.uint8)
