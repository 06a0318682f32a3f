"""What a camera's pictures, and whoever looks for flames in them, look like to each other."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from contract.cameras import CameraZone
from contract.events import FireSign

Picture = NDArray[np.uint8]
"""Height x width x 3, channels in the order blue, green, red (OpenCV's)."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture of a camera. `time_s` is media time: it never runs backwards within one playing of a source.

    `masks` are the polygons in which nothing is looked for at this time.
    """

    image: Picture
    time_s: float
    index: int
    masks: tuple[CameraZone, ...] = ()


@dataclass(frozen=True, slots=True)
class Strength:
    """One sign of flame and how strong it is, 0..1."""

    sign: FireSign
    strength: float


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture, as fractions of its width and height from the top left corner, and its score 0..1.

    `signs` says what the score is made of.
    """

    x: float
    y: float
    w: float
    h: float
    score: float
    signs: tuple[Strength, ...] = ()


@dataclass(frozen=True, slots=True)
class Detection:
    """What one frame shows: the best score 0..1 and the regions that look like flame, best first."""

    score: float
    regions: tuple[Region, ...] = ()


class Detector(Protocol):
    """Looks for flames in the frames of one camera, in order; it may remember earlier frames."""

    def analyse(self, frame: Frame) -> Detection:
        """The flames in `frame`. Raises `ValueError` for an image that is not height x width x 3 of uint8."""
        ...

    def reset(self) -> None:
        """Forget earlier frames: the next one shows another scene."""
        ...
