"""How soon a device tries to come back to its broker."""

import random

from runtime.backoff import Backoff

FIRST_DELAY_S_MAX = 2.0
DELAY_S_MIN, DELAY_S_MAX = 0.5, 10.0


def reconnect_backoff(rng: random.Random | None = None) -> Backoff:
    """After a lost link within 2 s, then after 0.5 to 1 s, and doubling up to 10 s; `rng` is for tests.

    The first delay is spread most widely: a broker that restarts in a moment meets all its devices at their first try.
    An alarm waits as long for its delivery to the centre, never for the siren (the direct link needs no broker).
    """
    backoff = Backoff(DELAY_S_MIN, DELAY_S_MAX, first_delay_s_max=FIRST_DELAY_S_MAX)
    if rng is not None:
        backoff.rng = rng
    return backoff
