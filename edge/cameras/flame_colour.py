"""Which pixels have the colour of flame."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge.cameras.ports import Picture

WARM_RED_MIN = 115
WARM_RED_OVER_BLUE_MIN = 45
CORE_RED_MIN = 225
CORE_GREEN_MIN = 190
CAMERA_TINT_MAX = 8
"""Grey levels by which a camera's white balance may put blue over green in a flame."""

_RIM = np.ones((9, 9), np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class FlameColour:
    """Masks of one picture, height x width each.

    `warm` marks red to yellow pixels; `core` marks the overexposed white or pale yellow ones within four
    pixels of a warm one: the middle of a flame burns a sensor out and keeps its colour only at the rim.
    """

    warm: NDArray[np.bool_]
    core: NDArray[np.bool_]

    @property
    def flame(self) -> NDArray[np.bool_]:
        """Warm or core."""
        return self.warm | self.core


def flame_colour(image: Picture) -> FlameColour:
    """The flame-coloured pixels of a blue-green-red picture."""
    blue, green, red = cv2.split(image)
    blue_over_green = cv2.subtract(blue, green)  # 0 where it is not: the cheap way to compare bytes without overflow
    warm = (red >= WARM_RED_MIN) & (cv2.subtract(red, blue) >= WARM_RED_OVER_BLUE_MIN)
    warm &= (red >= green) & (blue_over_green <= CAMERA_TINT_MAX)
    core = (red >= CORE_RED_MIN) & (green >= CORE_GREEN_MIN) & (red >= blue) & (blue_over_green <= CAMERA_TINT_MAX // 2)
    near_warm = cv2.dilate(warm.view(np.uint8), _RIM) > 0
    return FlameColour(warm=warm, core=core & near_warm)
