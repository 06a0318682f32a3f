"""Retry lives here, once: bounded exponential back-off with full jitter."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays that double from `delay_s_min` to `delay_s_max`, each drawn uniformly from its upper half.

    The jitter keeps a thousand devices that lost the same broker from returning in the same second.
    """

    delay_s_min: float = 0.5
    delay_s_max: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    _attempt: int = 0

    def next_delay_s(self) -> float:
        """How long to wait before the next try."""
        ceiling = min(self.delay_s_max, self.delay_s_min * 2.0 ** min(self._attempt, 32))
        self._attempt += 1
        return ceiling * (0.5 + 0.5 * self.rng.random())

    def reset(self) -> None:
        """The last try worked: begin again at the shortest delay."""
        self._attempt = 0
