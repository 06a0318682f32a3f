"""Retry lives here, once: bounded exponential back-off with full jitter."""

import random
from dataclasses import dataclass, field


@dataclass(slots=True)
class Backoff:
    """Delays that double from `delay_s_min` to `delay_s_max`, each drawn uniformly from its upper half.

    The jitter keeps a thousand devices that lost the same broker from returning in the same second. With
    `first_delay_s_max` the first delay is drawn from 0 up to that instead: a server that is away for less than
    `delay_s_min` meets everybody at their first try, so that one is to be spread most widely.
    """

    delay_s_min: float = 0.5
    delay_s_max: float = 30.0
    rng: random.Random = field(default_factory=random.Random)
    first_delay_s_max: float | None = None
    _attempt: int = 0

    def next_delay_s(self) -> float:
        """How long to wait before the next try."""
        attempt = self._attempt
        self._attempt += 1
        if attempt == 0 and self.first_delay_s_max is not None:
            return self.first_delay_s_max * self.rng.random()
        ceiling = min(self.delay_s_max, self.delay_s_min * 2.0 ** min(attempt, 32))
        return ceiling * (0.5 + 0.5 * self.rng.random())

    def reset(self) -> None:
        """The last try worked: begin again with the first delay."""
        self._attempt = 0
