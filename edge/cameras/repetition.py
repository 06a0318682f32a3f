"""Whether a region repeats itself: lamps come back to what they showed a moment ago, a flame never does."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

MEMORY_S = 1.5
SPACING_S_MIN = 0.1
"""Moments closer than this are alike for flames too, so the faster frames of a fast camera are passed over."""

MOMENTS_MIN = 4
_STILL_VARIANCE_MAX = 1e-3
"""Grey levels squared: below it there is no change, only rounding."""

_MOMENTS_MAX = 16


class RecentMoments:
    """The brightness of one scene over the last one and a half seconds, sixteen pictures at most.

    1.2 MB at 320 x 240. `brightness` is height x width of uint8.
    """

    def __init__(self, brightness: NDArray[np.uint8], time_s: float) -> None:
        self._pictures = np.zeros((_MOMENTS_MAX, *brightness.shape), np.uint8)
        self._pictures[0] = brightness
        self._times_s = deque([time_s], maxlen=_MOMENTS_MAX)
        self._next = 1

    def take(self, brightness: NDArray[np.uint8], time_s: float) -> None:
        """Remember one more picture, unless it follows too soon, and forget what is too old."""
        if time_s - self._times_s[-1] < SPACING_S_MIN:
            return
        self._pictures[self._next] = brightness
        self._next = (self._next + 1) % _MOMENTS_MAX
        self._times_s.append(time_s)
        while time_s - self._times_s[0] > MEMORY_S:
            self._times_s.popleft()

    def levels(self, rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.float32]:
        """The levels of some pixels: moments x pixels, oldest first."""
        kept = np.arange(self._next - len(self._times_s), self._next) % _MOMENTS_MAX
        return self._pictures[kept[:, None], rows, columns].astype(np.float32)


def novelty(levels: NDArray[np.float32]) -> float:
    """How little any moment resembles another one: 0 when each comes back or stands still, about 1 for noise.

    The squared difference to the most alike other moment over that to all others, both as means over the moments.
    `levels` is moments x pixels; fewer than four moments tell nothing, which counts as 1.
    """
    count = len(levels)
    if count < MOMENTS_MIN:
        return 1.0
    products = levels @ levels.T
    squares = np.diag(products)
    differences = np.maximum(squares[:, None] + squares[None, :] - 2.0 * products, 0.0)
    mean = float(differences.sum()) / (count * (count - 1))
    np.fill_diagonal(differences, np.inf)
    return float(differences.min(axis=1).mean()) / mean if mean > 0.0 else 0.0


def variety(levels: NDArray[np.float32]) -> float:
    """Share of the moments that are patterns of their own, 0..1: low for what swells, slides or is switched as a whole.

    It is the effective rank of `levels` (moments x pixels, each pixel about its mean) over the number of moments: the
    exponential of the entropy of its normalised squared singular values, after Roy and Vetterli, "The effective rank: a
    measure of effective dimensionality", EUSIPCO 2007, who take the singular values themselves. Fewer than four moments
    tell nothing, which counts as 1.
    """
    count = len(levels)
    if count < MOMENTS_MIN:
        return 1.0
    changes = levels - levels.mean(axis=0)
    strengths = np.maximum(np.linalg.eigvalsh((changes @ changes.T).astype(np.float64)), 0.0)
    total = float(strengths.sum())
    if total <= _STILL_VARIANCE_MAX * levels.size:
        return 0.0
    shares = strengths[strengths > 0.0] / total
    return float(np.exp(-(shares * np.log(shares)).sum())) / count
