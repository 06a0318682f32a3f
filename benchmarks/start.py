"""Start-up time of `jangteo up`: from the command to the console's first answer, first start and second start."""

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.running_market import RunningMarket

REPEATS = 3


def run(seed: int) -> None:
    """Start the example market in a fresh folder, stop it, start it again; three times."""
    first: list[float] = []
    second: list[float] = []
    ready: list[float] = []
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as folder:
            for figures in (first, second):
                with RunningMarket(Path(folder) / "var", ["--seed", str(seed)]) as market:
                    figures.append(market.start_s)
                    if figures is first:
                        ready.append(_all_bays_known_s(market))
    print(f"start-up, first start   median {statistics.median(first):.2f} s  ({_all(first)})")
    print(f"start-up, second start  median {statistics.median(second):.2f} s  ({_all(second)})")
    print(f"all 12 bays known       median {statistics.median(ready):.2f} s after the console's first answer")


def _all_bays_known_s(market: RunningMarket) -> float:

    began_s = time.monotonic()
    market.until(lambda: {"free", "occupied"} >= set(market.bays().values()), 60.0, "all bays known")
    return time.monotonic() - began_s


def _all(figures: list[float]) -> str:
    return ", ".join(f"{one:.2f}" for one in figures)
