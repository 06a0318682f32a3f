"""A short clip with what is in it: what the renderer makes and the training reads."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Region

Label = Literal["flame", "smoke", "other"]


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """Consecutive pictures of one scene.

    `frames` is pictures x height x width x 3 of uint8, channels in the order blue, green, red; `kind` says what was
    rendered. `flames`, `smokes` and `lookalikes` hold, for each picture, the regions in which one can be seen, with
    score 1: look-alikes are the lamps, cloths, signs and whatever else might be taken for a flame.
    """

    frames: NDArray[np.uint8]
    fps: float
    kind: str
    label: Label
    flames: tuple[tuple[Region, ...], ...]
    smokes: tuple[tuple[Region, ...], ...]
    lookalikes: tuple[tuple[Region, ...], ...] = ()
