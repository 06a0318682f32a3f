"""What burns, simulated: how dense the glowing soot of a flame, or the smoke of a plume, is at each cell and step."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.fire.render.fluid import Field, Fluid, Forces

HEIGHT, WIDTH = 144, 96
FOOT = 0.86
"""Where the source lies, as a share of the grid's height from the top."""

RECORDS = 160
STEPS_PER_RECORD = 4
WARM_UP_STEPS = 220

_DRAUGHTS = 12
_FUEL_MAX = 1.2
_HEAT_KEPT = 0.975


_STEADY = Forces(lift=0.06, curl=0.1, swell=0.02)


@dataclass(frozen=True, slots=True)
class Burning:
    """One kind of flame or plume.

    `width` of the source is a share of the grid's width, `deep` its height in cells, `spots` of how many pieces it
    consists. `burn` is the fuel that a step uses up, `edge` how much more where there is air, `unrest` how much the
    source comes and goes, `gust` how much draughts push the burning gas, `grain` the size of both in cells.
    """

    width: float
    deep: int = 6
    spots: int = 1
    burn: float = 0.006
    edge: float = 0.03
    unrest: float = 0.6
    gust: float = 0.15
    grain: int = 5
    forces: Forces = _STEADY
    plume: bool = False


_CALM = Forces(lift=0.05, curl=0.0, swell=0.0, viscosity=1.0)
_WILD = Forces(lift=0.075, curl=0.16, swell=0.03)

FLAMES: dict[str, Burning] = {
    "lighter": Burning(0.1, deep=4, burn=0.024, edge=0.0, unrest=0.1, gust=0.04, forces=_CALM),
    "candle": Burning(0.12, deep=4, burn=0.028, edge=0.0, unrest=0.15, gust=0.1, forces=replace(_CALM, viscosity=0.8)),
    "paper": Burning(0.2, spots=2, burn=0.012, unrest=0.7, gust=0.2),
    "pan": Burning(0.5, deep=5, burn=0.012, unrest=0.9, forces=_WILD),
    "wood": Burning(0.34, spots=5, burn=0.010, unrest=1.1, gust=0.25, forces=replace(_WILD, curl=0.2)),
    "cloth": Burning(0.16, deep=40, spots=3, burn=0.016, unrest=1.2, gust=0.25),
    "wall": Burning(0.7, spots=9, burn=0.009, unrest=1.3, gust=0.25, forces=_WILD),
    "windy": Burning(0.3, spots=3, burn=0.011, unrest=1.0, gust=0.3, forces=replace(_WILD, wind=0.012)),
    "licks": Burning(0.75, deep=4, spots=14, burn=0.03, unrest=1.5, gust=0.3, grain=4),
}

PLUMES: dict[str, Burning] = {
    "thin": Burning(0.05, burn=0.0, edge=0.0, unrest=0.3, gust=0.05, forces=_CALM, plume=True),
    "billows": Burning(0.3, spots=3, burn=0.0, edge=0.0, unrest=0.9, gust=0.25, forces=_WILD, plume=True),
    "drifting": Burning(
        0.25,
        spots=3,
        burn=0.0,
        edge=0.0,
        unrest=1.0,
        gust=0.3,
        forces=replace(_WILD, lift=0.04, wind=0.012),
        plume=True,
    ),
    "bank": Burning(
        0.7, spots=6, burn=0.0, edge=0.0, unrest=1.0, gust=0.2, forces=replace(_WILD, lift=0.03), plume=True
    ),
}


def simulated(kind: Burning, seed: int, records: int = RECORDS) -> NDArray[np.uint8]:
    """`records` x HEIGHT x WIDTH densities, 255 being full; the same for the same seed on the same machine."""
    chance = np.random.default_rng((seed, 0xF1A3E))
    fluid, source, draughts = Fluid(HEIGHT, WIDTH), _source(kind, chance), _Draughts(kind, chance)
    thinning = _thinning(kind)
    fuel, heat = np.zeros((2, HEIGHT, WIDTH), np.float32)
    recorded = np.empty((records, HEIGHT, WIDTH), np.uint8)
    for step in range(WARM_UP_STEPS + records * STEPS_PER_RECORD):
        draught = draughts.at(step)
        fuel = np.maximum(fuel, source * np.clip(1.0 + np.float32(kind.unrest) * draught, 0.0, _FUEL_MAX))
        fuel = _spent(fuel, kind, thinning)
        heat = np.maximum(heat * np.float32(_HEAT_KEPT), np.minimum(fuel * 2.0, 1.0))
        fluid.across += np.float32(0.3 * kind.gust) * draught * np.minimum(fuel * 2.0, 1.0)
        fluid.push(heat, draughts.swayed(kind.forces, step))
        fuel, heat = fluid.carry(fuel, heat)
        np.minimum(fuel, _FUEL_MAX, out=fuel)
        index, between = divmod(step - WARM_UP_STEPS, STEPS_PER_RECORD)
        if index >= 0 and between == 0:
            recorded[index] = np.minimum(fuel * 255.0 / _FUEL_MAX, 255.0)
    return recorded


def _spent(fuel: Field, kind: Burning, thinning: Field) -> Field:
    if kind.plume:
        blurred = np.asarray(cv2.GaussianBlur(fuel, (0, 0), 1.5), np.float32)
        return np.asarray((fuel * 0.93 + blurred * 0.07) * thinning, np.float32)
    airy = np.clip(1.0 - cv2.GaussianBlur(fuel, (0, 0), 3.0), 0.0, 1.0) ** 2
    used = (np.float32(kind.burn) + np.float32(kind.edge) * airy) * thinning
    return np.asarray(np.maximum(fuel - used, 0.0), np.float32)


def _thinning(kind: Burning) -> Field:
    """How a step's loss changes with the place: nothing burns on to the grid's upper edge or its sides."""
    risen = np.clip((FOOT - np.linspace(0.0, 1.0, HEIGHT)) / FOOT, 0.0, 1.0)[:, None]
    aside = np.clip(np.abs(np.linspace(-1.0, 1.0, WIDTH)) - 0.8, 0.0, 0.2)[None, :] * 5.0
    if kind.plume:
        return np.asarray(0.999 - 0.015 * risen - 0.25 * np.clip(risen - 0.85, 0.0, 1.0) - 0.2 * aside, np.float32)
    return np.asarray(1.0 + 8.0 * risen**4 + 8.0 * aside**2, np.float32)


def _source(kind: Burning, chance: np.random.Generator) -> Field:
    mask = np.zeros((HEIGHT, WIDTH), np.float32)
    half = kind.width * WIDTH / 2.0
    for spot in range(kind.spots):
        away = chance.uniform(-1.0, 1.0) * half if kind.spots > 1 else 0.0
        size = half if kind.spots == 1 else half * chance.uniform(0.5, 1.3) / np.sqrt(kind.spots)
        rise = chance.uniform(0.0, kind.deep) if spot else 0.0
        centre = round(WIDTH / 2.0 + away), round(HEIGHT * FOOT - rise)
        cv2.ellipse(mask, centre, (max(2, round(size)), max(4, round(kind.deep / 2))), 0, 0, 360, 1.0, -1)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), 1.2), np.float32)


class _Draughts:
    """Smooth noise about zero that changes all the time: several still fields, each swelling at its own pace."""

    def __init__(self, kind: Burning, chance: np.random.Generator) -> None:
        fields = np.empty((_DRAUGHTS, HEIGHT, WIDTH), np.float32)
        for field in fields:
            coarse = chance.standard_normal((HEIGHT // kind.grain, WIDTH // kind.grain)).astype(np.float32)
            smooth = cv2.GaussianBlur(coarse, (0, 0), 1.3)
            field[:] = cv2.resize(smooth / smooth.std(), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        self._fields = fields.reshape(_DRAUGHTS, -1) * np.float32(0.4)
        self._phases = chance.uniform(0.0, 2.0 * np.pi, _DRAUGHTS)
        self._paces = chance.uniform(0.02, 0.16, _DRAUGHTS)

    def at(self, step: int) -> Field:
        """The field at a step."""
        weights = np.sin(self._phases + self._paces * step).astype(np.float32)
        return (weights @ self._fields).reshape(HEIGHT, WIDTH)

    def swayed(self, forces: Forces, step: int) -> Forces:
        """`forces` with the wind of the moment."""
        return replace(forces, wind=forces.wind * (0.6 + 0.8 * float(np.sin(self._phases[0] + 0.02 * step))))
