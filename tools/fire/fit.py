"""Fitting one network: AdamW with a cosine, label smoothing, and the moving average of the weights as the result."""

import copy
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edge.cameras.crops import blob_of
from edge.cameras.ports import Picture
from tools.fire.ahead import ahead
from tools.fire.layers import Layer
from tools.fire.marked import CLASSES
from tools.fire.net import network
from tools.fire.samples import Sampler

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how a network is fitted."""

    steps: int
    batch: int = 96
    rate_max: float = 3e-3
    weight_decay: float = 0.02
    smoothing: float = 0.05
    dropout: float = 0.2
    average_kept: float = 0.998
    warm_up_share: float = 0.05
    report_steps: int = 250
    validation_samples: int = 1536


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """The averaged network in evaluation mode and its accuracy per class on samples of scenes it never saw."""

    net: nn.Sequential
    accuracy: dict[str, float]
    seconds: float


def fit(layers: Sequence[Layer], train: Sampler, held_out: Sampler, plan: Plan, seed: int, say: Say) -> Fitted:
    """Fit a network of these layers; the same seed, machine and thread count give the same weights."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    net = network(layers, plan.dropout).to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(net).eval()
    check = held_out.batch(np.random.default_rng(seed + 1), plan.validation_samples)
    optimiser = torch.optim.AdamW(net.parameters(), lr=plan.rate_max, weight_decay=plan.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: _rate(step, plan))
    loss_of = nn.CrossEntropyLoss(label_smoothing=plan.smoothing)
    begun_s, losses = time.monotonic(), 0.0
    net.train()
    for step, (pictures, classes) in enumerate(ahead(train, rng, plan.batch, plan.steps), start=1):
        loss = loss_of(net(_blob(pictures)), torch.from_numpy(classes))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        optimiser.step()
        schedule.step()
        _average(averaged, net, min(plan.average_kept, (1.0 + step) / (10.0 + step)))
        losses += float(loss.detach())
        if step % plan.report_steps == 0:
            accuracy = accuracy_of(averaged, *check)
            spent_s = time.monotonic() - begun_s
            left_s = spent_s / step * (plan.steps - step)
            words = " ".join(f"{name} {share:.3f}" for name, share in accuracy.items())
            say(
                f"step {step}/{plan.steps} loss {losses / plan.report_steps:.3f} held out: {words}; {left_s:.0f} s left"
            )
            losses = 0.0
    return Fitted(averaged, accuracy_of(averaged, *check), time.monotonic() - begun_s)


def accuracy_of(net: nn.Sequential, pictures: Sequence[Picture], classes: NDArray[np.int64]) -> dict[str, float]:
    """The share of each class's samples that the network, in evaluation mode, names rightly."""
    with torch.no_grad():
        said = torch.cat([net(_blob(pictures[i : i + 256])) for i in range(0, len(pictures), 256)]).argmax(1).numpy()
    return {
        name: float((said[classes == index] == index).mean())
        for index, name in enumerate(CLASSES)
        if (classes == index).any()
    }


def _blob(pictures: Sequence[Picture] | NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy(blob_of(list(pictures))).contiguous(memory_format=torch.channels_last)


def _rate(step: int, plan: Plan) -> float:
    warm = max(1.0, plan.warm_up_share * plan.steps)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - warm) / (plan.steps - warm))))


def _average(averaged: nn.Sequential, net: nn.Sequential, kept: float) -> None:
    with torch.no_grad():
        for mine, theirs in zip(averaged.state_dict().values(), net.state_dict().values(), strict=True):
            if mine.dtype.is_floating_point:
                mine.lerp_(theirs, 1.0 - kept)
            else:
                mine.copy_(theirs)
