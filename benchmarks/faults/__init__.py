"""Fault histories: numbered readings while everything breaks, then a checker that looks for each of them."""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str]) -> int:
    """Run one history and print its verdict; 0 only if every promise was kept."""
    from benchmarks.faults.history import run_history  # noqa: PLC0415 - the device process imports this package, too
    from benchmarks.faults.house import Options  # noqa: PLC0415 - as above
    from benchmarks.faults.report import lines  # noqa: PLC0415 - as above

    parser = argparse.ArgumentParser(prog="scripts/bench faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what the schedule is drawn from")
    parser.add_argument("--faults", type=int, default=60, help="how many")
    parser.add_argument("--devices", type=int, default=6, help="three share a process")
    parser.add_argument("--store", choices=("embedded", "influx"), default="embedded")
    parser.add_argument("--only", default="", help="kinds of fault, with commas between; all if none")
    parser.add_argument("--keep", type=Path, help="a new folder for all files, kept afterwards")
    given = parser.parse_args(arguments)
    options = Options(devices=given.devices, store=given.store, keeps=given.keep is not None)
    only = frozenset(one for one in given.only.split(",") if one)
    with tempfile.TemporaryDirectory(prefix="jangteo-faults-") as name:
        folder = given.keep or Path(name) / "house"
        folder.mkdir(mode=0o700)
        history = asyncio.run(run_history(folder, given.seed, given.faults, options, only=only))
    for line in lines(history):
        print(line)
    return 0 if history.good else 1
