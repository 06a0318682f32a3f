"""Simulated flames and plumes, kept on disk: a simulation takes seconds, playing it back does not."""

import os
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tools.fire.render.burning import FLAMES, PLUMES, simulated

SEEDS_PER_KIND = 10
_KEPT_MAX = 48
_VERSION = 1
"""Of the simulation: another one makes other files."""

FOLDER = Path(__file__).resolve().parents[3] / "var" / "fire" / "simulated"


@lru_cache(maxsize=_KEPT_MAX)
def densities(name: str, seed: int, folder: Path = FOLDER) -> NDArray[np.uint8]:
    """The densities of flame or plume `name` (see `burning.FLAMES`, `burning.PLUMES`) with `seed`.

    They come from `folder`, or are simulated and put there; the 48 last used stay in memory (110 MB at most).

    Raises:
        KeyError: there is no such flame or plume.
    """
    kind = FLAMES[name] if name in FLAMES else PLUMES[name]
    path = folder / f"{name}-{seed}-v{_VERSION}.npy"
    if path.exists():
        return np.asarray(np.load(path), np.uint8)
    made = simulated(kind, seed)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        np.save(file, made)
    os.replace(file.name, path)  # noqa: PTH105 - atomic beside others that simulate the same
    return made
