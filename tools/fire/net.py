"""The networks for torch: built from the tables of `layers`, and their weights with batch normalisation folded in."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from tools.fire.layers import Layer
from tools.fire.marked import CLASSES

_COLOURS = 3


def network(layers: Sequence[Layer], dropout: float) -> nn.Sequential:
    """Pictures x 3 x side x side to pictures x classes (logits)."""
    parts: list[nn.Module] = []
    channels = _COLOURS
    for layer in layers:
        parts += [
            nn.Conv2d(channels, layer.channels, 3, layer.stride, padding=1, bias=False),
            nn.BatchNorm2d(layer.channels),
            nn.ReLU(inplace=True),
        ]
        channels = layer.channels
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels, len(CLASSES))]
    return nn.Sequential(*parts, *head)


@dataclass(frozen=True, slots=True, eq=False)
class Convolution:
    """One layer as it is exported: out x in x 3 x 3 weights and a bias, batch normalisation folded in."""

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    stride: int


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """Everything of a trained network: its convolutions in order, and the last layer (classes x channels, classes)."""

    convolutions: tuple[Convolution, ...]
    last_weights: NDArray[np.float32]
    last_bias: NDArray[np.float32]


def folded(net: nn.Sequential) -> Weights:
    """The weights with each batch normalisation folded into the convolution before it (in double precision)."""
    convolutions = []
    for convolution, normal in zip(
        [part for part in net if isinstance(part, nn.Conv2d)],
        [part for part in net if isinstance(part, nn.BatchNorm2d)],
        strict=True,
    ):
        mean, variance, beta, gamma = (
            _array(v) for v in (normal.running_mean, normal.running_var, normal.bias, normal.weight)
        )
        gain = gamma / np.sqrt(variance + normal.eps)
        weights = _array(convolution.weight) * gain[:, None, None, None]
        convolutions.append(
            Convolution(weights.astype(np.float32), (beta - mean * gain).astype(np.float32), convolution.stride[0])
        )
    last = net[-1]
    return Weights(tuple(convolutions), _array(last.weight).astype(np.float32), _array(last.bias).astype(np.float32))


def _array(values: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(values.detach().cpu().double().numpy(), np.float64)
