"""Seeded chance: whether something of a given probability happens."""

import numpy as np


def happens(chance: np.random.Generator, share: float) -> bool:
    """True in `share` (0..1) of all cases."""
    return bool(chance.random() < share)
