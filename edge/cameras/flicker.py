"""How often each pixel's brightness turns back, which flames do several times a second and passing things do not."""

import numpy as np
from numpy.typing import NDArray

TURN_LEVELS_MIN = 12
"""Grey levels that a pixel must go back before it counts as a turn: more than sensor noise and compression."""

MEMORY_S = 1.0
"""Turns fade with this time constant, so a steady flicker of n turns a second settles near a count of n."""

INTERVAL_S_FULL = 1.0 / 7.0
INTERVAL_WEIGHT_MAX = 1.6
"""Slower frames miss turns in proportion: each turn seen then counts for more, up to that of four frames a second."""

EXPOSURE_MIN = 0.5

_INTERVAL_SMOOTHING = 0.2


class FlickerMeter:
    """Counts the turning points of each pixel, fading over time.

    A pixel climbs or falls until it has gone back `TURN_LEVELS_MIN` grey levels from its extreme value: that is one
    turn (the way rain-flow counting finds its turning points). Only turns inside `counted` are added, so that a
    coloured thing passing in front of something else is no flicker. It depends on time, not on frames, and needs at
    least four frames a second. `turns` is the count, `exposure` (0..1) the share of the same fading memory in which the
    pixel was counted at all.
    """

    def __init__(self, brightness: NDArray[np.int16]) -> None:
        self._extreme = brightness.copy()
        self._climbing = np.zeros(brightness.shape, np.bool_)
        self._interval_s: float | None = None
        self.turns = np.zeros(brightness.shape, np.float32)
        self.exposure = np.zeros(brightness.shape, np.float32)

    def update(self, brightness: NDArray[np.int16], counted: NDArray[np.bool_], elapsed_s: float) -> None:
        """Take the next picture's brightness, `elapsed_s` after the one before."""
        peak = np.maximum(self._extreme, brightness)
        trough = np.minimum(self._extreme, brightness)
        np.copyto(trough, peak, where=self._climbing)
        self._extreme = trough
        turned = np.abs(self._extreme - brightness) > TURN_LEVELS_MIN
        self._climbing ^= turned
        np.copyto(self._extreme, brightness, where=turned)
        kept = np.float32(np.exp(-elapsed_s / MEMORY_S))
        self.exposure *= kept
        self.exposure += counted * (np.float32(1.0) - kept)
        self.turns *= kept
        self.turns += (turned & counted) * np.float32(self._weight(elapsed_s))

    def rate(self, window: tuple[slice, slice], pixels: NDArray[np.bool_]) -> float:
        """Turns per second of being counted, the mean over some pixels of a window.

        A pixel counted for a short while only is taken for one that was for half the memory: one turn is no rate.
        """
        exposed = np.maximum(self.exposure[window][pixels], np.float32(EXPOSURE_MIN))
        return float((self.turns[window][pixels] / exposed).mean())

    def _weight(self, elapsed_s: float) -> float:
        before_s = elapsed_s if self._interval_s is None else self._interval_s
        self._interval_s = before_s + _INTERVAL_SMOOTHING * (elapsed_s - before_s)
        return min(INTERVAL_WEIGHT_MAX, max(1.0, self._interval_s / INTERVAL_S_FULL))
