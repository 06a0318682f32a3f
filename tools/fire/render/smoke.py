"""Smoke on a stage: plumes, banks and drifting clouds that hide what is behind them."""

from dataclasses import dataclass

import cv2
import numpy as np

from tools.fire.render.blaze import Layer, Place, boxes, layer, placed
from tools.fire.render.burning import HEIGHT, WIDTH
from tools.fire.render.fluid import Field
from tools.fire.render.light import Canvas, Light, cover
from tools.fire.render.stage import Mark, Stage

_SEEN_SHARE = 0.22
_AREA_PX_MIN = 60


def _taper() -> Field:
    """1 within the grid, falling to 0 at its upper edge and sides, so that no plume ends with a straight line."""
    side = np.clip((1.0 - np.abs(np.linspace(-1.0, 1.0, WIDTH))) / 0.35, 0.0, 1.0)[None, :]
    top = np.clip(np.linspace(0.0, 1.0, HEIGHT) / 0.25, 0.0, 1.0)[:, None]
    inner = side * top
    return np.asarray(inner * inner * (3.0 - 2.0 * inner), np.float32)


_TAPER = _taper()


@dataclass(frozen=True, slots=True)
class Plume:
    """Smoke (or steam, which is no smoke: `marked` false) at a place; an actor of the stage."""

    on: Stage
    layers: tuple[Layer, ...]
    place: Place
    colour: Light
    thick: float
    soft_cells: float
    marked: bool = True

    def __call__(self, canvas: Canvas, time_s: float) -> list[Mark]:
        """Hide what is behind it."""
        density = np.asarray(sum(one.density(time_s, 0.0) for one in self.layers), np.float32)
        soft = np.asarray(cv2.GaussianBlur(density, (0, 0), self.soft_cells) * _TAPER, np.float32)
        field = placed(soft, self.place, (self.on.width, self.on.height))
        share = np.asarray(1.0 - np.exp(-np.float32(self.thick) * field), np.float32)
        # Thick smoke shades itself from above and from the side: its folds show.
        light = np.asarray(self.colour, np.float32) * (1.15 - 0.45 * np.minimum(field, 1.0))[:, :, None]
        cover(canvas, share, light.astype(np.float32))
        if not self.marked:
            return []
        seen = boxes(share > _SEEN_SHARE, 9, _AREA_PX_MIN, 2)
        return [Mark("smoke", (x, y, x + w, y + h)) for x, y, w, h in seen]


def plume(
    chance: np.random.Generator, on: Stage, name: str, foot: tuple[float, float], high_px: float, *, steam: bool = False
) -> Plume:
    """A plume of kind `name` (see `burning.PLUMES`); its grey is that of the light around, white or black at times."""
    grey = float(chance.choice((0.01, 0.03, 0.12, 0.3, 0.6, 0.8))) if not steam else float(chance.uniform(0.5, 1.0))
    warm = float(chance.normal(0.0, 0.05))
    colour = tuple(max(0.0, on.ambient * grey * part) for part in (1.0 - warm, 1.0, 1.0 + warm))
    count = int(chance.integers(1, 3))
    high_m = float(np.exp(chance.uniform(np.log(2.0), np.log(20.0)))) if not steam else float(chance.uniform(0.6, 2.0))
    return Plume(
        on,
        tuple(layer(chance, name, high_m) for _ in range(count)),
        Place(
            foot[0],
            foot[1],
            high_px * float(chance.uniform(0.6, 1.6)),
            high_px,
            float(chance.normal(0.0, 0.25)) * high_px,
        ),
        (colour[0], colour[1], colour[2]),
        float(np.exp(chance.uniform(np.log(0.4), np.log(4.0)))) * (0.5 if steam else 1.0),
        float(np.exp(chance.uniform(np.log(0.6), np.log(5.0)))),
        not steam,
    )
