"""The networks as tables: plain 3 x 3 convolutions, few channels, early strides; what OpenCV runs fastest on a CPU."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Layer:
    """A 3 x 3 convolution with batch normalisation and ReLU."""

    channels: int
    stride: int


CROP_LAYERS = (Layer(16, 2), Layer(24, 2), Layer(32, 1), Layer(48, 2), Layer(64, 1), Layer(96, 2), Layer(96, 1))
"""64 x 64: 191 thousand parameters, 8 million multiplications."""

FRAME_LAYERS = (
    Layer(16, 2),
    Layer(24, 2),
    Layer(32, 2),
    Layer(48, 1),
    Layer(64, 2),
    Layer(64, 1),
    Layer(96, 2),
    Layer(96, 1),
)
"""96 x 96: 240 thousand parameters, 9 million multiplications."""


def multiplications(layers: Sequence[Layer], side_px: int) -> int:
    """Multiplications for one picture, the last (tiny) layer left out."""
    total, channels, side = 0, 3, side_px
    for layer in layers:
        side = -(-side // layer.stride)
        total += side * side * layer.channels * channels * 9
        channels = layer.channels
    return total
