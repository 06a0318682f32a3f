"""Flames on a stage: what burns, its light and its glow on all around, smoke above it, sparks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.fire.render.blaze import Layer, Place, boxes, layer, placed
from tools.fire.render.burning import FOOT
from tools.fire.render.chance import happens
from tools.fire.render.fluid import Field
from tools.fire.render.library import densities
from tools.fire.render.light import Canvas, Light, add_light, cover, paint, spread
from tools.fire.render.stage import Actor, Mark, Stage

VISIBLE_CHANGE = 0.25
"""Light, of all three channels together, by which a flame must change a pixel to be seen there."""

_VISIBLE_LIGHT = 0.1
_THIN = 0.01
_THICK_LEVEL, _MOSTLY = 90, 0.3
_THICK_MAX, _TABLE_STEPS = 1.3, 512
_SHEET_AT, _SHEET_WIDE = 0.45, 0.2

_HIGH_M = {"lighter": 0.06, "candle": 0.06, "paper": 0.3, "pan": 0.6, "wood": 0.8, "cloth": 1.0, "wall": 4.0}
_HIGH_M |= {"windy": 1.0, "licks": 0.6}


@dataclass(frozen=True, slots=True)
class Flame:
    """How one flame looks, apart from where it burns.

    `strength` is the light of its thickest part, `steep` how much darker its thin parts are, `rim` and `core` the
    colours of thin and thick parts (red being 1), `soot` how much of what is behind it the thick part hides.
    """

    layers: tuple[Layer, ...]
    strength: float
    steep: float
    rim: Light
    core: Light
    soot: float
    glow: float
    crisp: float
    sheets: float

    def crisped(self, thickness: Field) -> Field:
        """Thin parts thinner: the simulated grid, enlarged, has softer edges than a flame has."""
        if self.crisp <= 0.0:
            return thickness
        level = np.clip((thickness - np.float32(0.5 * self.crisp)) / np.float32(1.0 - 0.5 * self.crisp), 0.0, 1.3)
        return np.asarray(level, np.float32)

    def thickness(self, time_s: float, shutter_s: float) -> Field:
        """0 to about 1.3: the layers behind one another."""
        first = self.layers[0].density(time_s, shutter_s)
        if len(self.layers) == 1:
            return first
        behind = sum(one.density(time_s, shutter_s) for one in self.layers[1:])
        return np.asarray(0.65 * first + 0.65 / (len(self.layers) - 1) * behind, np.float32)

    def light(self, thickness: Field) -> Canvas:
        """What a flame of that thickness sends out."""
        table = self._table()
        return table[np.asarray(np.minimum(thickness, _THICK_MAX) * (_TABLE_STEPS / _THICK_MAX), np.int32)]

    def _table(self) -> Canvas:
        """Light by thickness: soot glows most in the sheets where fuel meets air, and less in the fuel behind them."""
        thickness = np.linspace(0.0, _THICK_MAX, _TABLE_STEPS + 1)
        sheet = np.exp(-(((thickness - _SHEET_AT) / _SHEET_WIDE) ** 2))
        level = self.strength * thickness**self.steep * (1.0 - self.sheets) + self.strength * self.sheets * 0.6 * sheet
        share = np.minimum(thickness, 1.0)[:, None]
        colour = np.array(self.rim) + share * (np.array(self.core) - np.array(self.rim))
        level *= np.minimum(thickness / _SHEET_WIDE, 1.0)
        return np.asarray(colour * level[:, None], np.float32)


def flame(chance: np.random.Generator, name: str) -> Flame:
    """Some flame of that kind (see `burning.FLAMES`)."""
    high_m = _HIGH_M[name] * float(np.exp(chance.normal(0.0, 0.4)))
    calm = name in {"lighter", "candle"}
    count = 1 if calm else int(chance.integers(2, 5))
    green, blue = float(chance.uniform(0.16, 0.42)), float(chance.uniform(0.01, 0.12))
    redder = float(chance.uniform(0.2, 0.75))
    return Flame(
        layers=tuple(layer(chance, name, high_m) for _ in range(count)),
        strength=float(np.exp(chance.uniform(np.log(0.5), np.log(6.0)))) * (2.0 if calm else 1.0),
        steep=float(chance.uniform(1.2, 3.0)),
        rim=(blue * redder**2, green * redder, 1.0),
        core=(blue, green, 1.0),
        soot=float(chance.uniform(0.0, 0.9)) if not calm else 0.0,
        glow=float(np.exp(chance.uniform(np.log(0.05), np.log(0.8)))),
        sheets=float(chance.uniform(0.0, 0.6)) if not calm else 0.0,
        crisp=float(chance.uniform(0.0, 0.5)) if not calm else 0.0,
    )


@dataclass(slots=True)
class Fire:
    """A flame at a place, which may grow and be carried along a way (time to pixels); an actor of the stage."""

    on: Stage
    flame: Flame
    place: Place
    growth_per_s: float = 0.0
    sparks: int = 0
    seed: int = 0
    unrest: float = 0.0
    way: Callable[[float], tuple[float, float]] | None = None

    def __call__(self, canvas: Canvas, time_s: float) -> list[Mark]:
        """Burn on the canvas; marks the parts that can be seen."""
        place = self._swayed(time_s)
        thickness = placed(self.flame.thickness(time_s, self.on.shutter_s), place, (self.on.width, self.on.height))
        thickness = self.flame.crisped(thickness)
        x, y, w, h = cv2.boundingRect((thickness > _THIN).astype(np.uint8))
        if not w or not h:
            return []
        window = slice(y, y + h), slice(x, x + w)
        light = self.flame.light(thickness[window])
        self._shine(canvas, light, window, 0.35 * place.height + 6.0)
        part = canvas[window]
        before = _exposed(part, self.on.gain)
        if self.flame.soot:
            cover(part, np.minimum(np.float32(self.flame.soot) * thickness[window], 1.0), (0.0, 0.0, 0.0))
        add_light(part, light)
        changed = np.abs(_exposed(part, self.on.gain) - before) > VISIBLE_CHANGE
        seen = changed & (light[:, :, 2] * np.float32(self.on.gain) > _VISIBLE_LIGHT)
        if self.sparks:
            self._spark(canvas, place, time_s)
        gap = max(3, round(place.height / 12.0))
        return [Mark("flame", (x + a, y + b, x + a + c, y + b + d)) for a, b, c, d in boxes(seen, gap, 4, 4)]

    def _swayed(self, time_s: float) -> Place:
        """Where the flame stands now: it grows, and draughts lean and flatten it slowly."""
        size = 1.0 + self.growth_per_s * time_s
        phase, pace = self.seed % 63 / 10.0, 0.8 + self.seed % 17 / 8.0
        tall = 1.0 + self.unrest * math.sin(pace * time_s + phase)
        lean = self.place.lean_px + self.unrest * 0.5 * self.place.height * math.sin(0.7 * pace * time_s + 2.0 * phase)
        wide, high = self.place.width * size**0.7 / tall**0.5, self.place.height * size * tall
        across, down = self.way(time_s) if self.way else (0.0, 0.0)
        return Place(self.place.x + across, self.place.y + down, wide, high, lean)

    def _shine(self, canvas: Canvas, light: Canvas, window: tuple[slice, slice], reach_px: float) -> None:
        """Light up the surroundings, which send back what they send back of any light."""
        whole = np.zeros_like(canvas)
        whole[window] = light
        glow = spread(whole, reach_px)
        glow += np.float32(0.5) * spread(glow, 3.0 * reach_px)
        glow *= self.on.albedo + np.float32(0.03)
        canvas += np.float32(self.flame.glow) * glow

    def _spark(self, canvas: Canvas, place: Place, time_s: float) -> None:
        """Glowing bits that fly up and aside for about a second, each on a curve of its own."""
        chance = np.random.default_rng(self.seed)
        for _ in range(self.sparks):
            born, life = chance.uniform(-1.0, 3.0), chance.uniform(0.3, 1.2)
            aside, drift, wobble = chance.uniform(-0.2, 0.2), chance.normal(0.0, 0.4), chance.uniform(2.0, 9.0)
            age = (time_s - born) / life
            if 0.0 <= age < 1.0:
                x = place.x + place.width * (aside + drift * age + 0.03 * np.sin(wobble * age))
                y = place.y - place.height * (0.3 + 0.8 * age)
                if 0 <= x < canvas.shape[1] and 0 <= y < canvas.shape[0]:
                    canvas[int(y), int(x)] += np.array((0.1, 0.8, 2.5), np.float32) * (1.0 - age)


def _exposed(light: Canvas, gain: float) -> Field:
    """Of each pixel all that a sensor with this gain takes, up to 3."""
    taken = np.minimum(light * np.float32(gain), 1.0)
    return np.asarray(taken[:, :, 0] + taken[:, :, 1] + taken[:, :, 2], np.float32)


def extent(name: str, seed: int) -> tuple[float, float]:
    """Which shares of the grid's width and height a simulated flame fills most of the time."""
    thick = densities(name, seed)[::8] > _THICK_LEVEL
    columns, rows = thick.any(axis=1).mean(axis=0), thick.any(axis=2).mean(axis=0)
    across, down = np.flatnonzero(columns > _MOSTLY), np.flatnonzero(rows > _MOSTLY)
    if not across.size or not down.size:
        return 0.2, 0.2
    high = max(0.12, FOOT - float(down[0]) / len(rows))
    return max(0.06, float(across[-1] - across[0] + 1) / len(columns)), high


def fire_at(
    chance: np.random.Generator, on: Stage, name: str, foot: tuple[float, float], high_px: float
) -> list[Actor]:
    """What burns at `foot`, `high_px` high, with what lies under it, and smoke above it at times."""
    burns = flame(chance, name)
    _, high = extent(name, burns.layers[0].seed)
    grid_high = high_px / high
    wide = grid_high / 1.5 * float(chance.uniform(0.7, 1.4)) * (1.5 if name in {"lighter", "candle"} else 1.0)
    place = Place(foot[0], foot[1], wide, grid_high, float(chance.normal(0.0, 0.12)) * high_px)
    growth = float(chance.uniform(0.0, 0.5)) if happens(chance, 0.4) else 0.0
    sparks = int(chance.integers(3, 40)) if happens(chance, 0.15) else 0
    unrest = float(chance.uniform(0.0, 0.3))
    actors: list[Actor] = []
    if happens(chance, 0.7):
        actors.append(Fuel(on, _fuel_mask(chance, on, name, place), _dark(chance)))
    actors.append(Fire(on, burns, place, growth, sparks, int(chance.integers(1 << 30)), unrest))
    if happens(chance, 0.3):
        actors.append(
            Fuel(on, _fuel_mask(chance, on, "wood", Place(foot[0], foot[1], wide, grid_high * 0.5)), _dark(chance))
        )
    if happens(chance, 0.12):
        actors.append(Fuel(on, _bars(chance, on, place), _dark(chance)))
    return actors


@dataclass(frozen=True, slots=True)
class Fuel:
    """What burns, or stands before it: dark against the flame."""

    on: Stage
    mask: NDArray[np.uint8]
    colour: Light

    def __call__(self, canvas: Canvas, time_s: float) -> list[Mark]:
        """Paint it; it is nothing to be found."""
        del time_s
        paint(canvas, self.mask, self.colour)
        return []


def debris(chance: np.random.Generator, on: Stage) -> list[Actor]:
    """Dark pieces that do not burn: what lies under flames also lies about elsewhere."""
    size = float(np.exp(chance.uniform(np.log(15.0), np.log(on.height))))
    place = Place(on.width * float(chance.random()), on.height * float(chance.uniform(0.3, 1.0)), size, size * 1.5)
    mask = _bars(chance, on, place) if happens(chance, 0.3) else _fuel_mask(chance, on, "wood", place)
    return [Fuel(on, mask, _dark(chance))]


def _bars(chance: np.random.Generator, on: Stage, place: Place) -> NDArray[np.uint8]:
    """Posts, trunks or rails through which the flame is seen."""
    mask = np.zeros((on.height, on.width), np.uint8)
    x = place.x - place.width
    while x < place.x + place.width:
        thin = max(1, round(place.width * float(chance.uniform(0.01, 0.08))))
        top = round(place.y - place.height * float(chance.uniform(0.2, 1.2)))
        cv2.line(
            mask, (round(x), top), (round(x + chance.normal(0.0, thin)), round(place.y + thin)), 255, thin, cv2.LINE_AA
        )
        x += max(4.0, place.width * float(chance.uniform(0.06, 0.4)))
    return mask


def _dark(chance: np.random.Generator) -> Light:
    level = float(chance.uniform(0.0, 0.06))
    return level * 0.7, level * 0.85, level


def _fuel_mask(chance: np.random.Generator, on: Stage, name: str, place: Place) -> NDArray[np.uint8]:
    mask = np.zeros((on.height, on.width), np.uint8)
    half = max(2.0, place.width * 0.25)
    if name in {"lighter", "candle"}:
        tall, thin = place.height * float(chance.uniform(0.2, 0.6)), max(1, round(place.width * 0.06))
        cv2.rectangle(
            mask, (round(place.x) - thin, round(place.y)), (round(place.x) + thin, round(place.y + tall)), 255, -1
        )
        return mask
    for _ in range(int(chance.integers(2, 7))):
        angle, long = chance.uniform(-0.9, 0.9), half * chance.uniform(0.5, 1.6)
        x, y = place.x + chance.normal(0.0, 0.5) * half, place.y + chance.uniform(-0.1, 0.3) * half
        ends = (
            (x - long * np.cos(angle), y - long * np.sin(angle)),
            (x + long * np.cos(angle), y + long * np.sin(angle)),
        )
        first, last = ((round(px), round(py)) for px, py in ends)
        cv2.line(mask, first, last, 255, max(1, round(half * float(chance.uniform(0.08, 0.4)))), cv2.LINE_AA)
    return mask
