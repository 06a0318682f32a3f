"""The regions that a person marked in the pictures of fire, kept beside the code: regions.csv."""

import csv
from collections import defaultdict
from collections.abc import Mapping
from importlib.resources import files
from typing import cast

from edge.cameras.ports import Region
from tools.fire.marked import Mark, Verdict

DIGITS = 16
"""Hexadecimal digits of a picture's SHA-256 that name it in regions.csv."""


def marked_regions() -> Mapping[str, tuple[Mark, ...]]:
    """The marks by the first sixteen digits of the picture file's SHA-256.

    Flames, what only has the colour of flames, and doubtful places were proposed by `proposals` and judged one by one;
    smoke was marked to a tenth of the picture.
    """
    marks: defaultdict[str, list[Mark]] = defaultdict(list)
    with files(__package__).joinpath("regions.csv").open(encoding="utf-8") as file:
        for line in csv.DictReader(file):
            region = Region(float(line["x"]), float(line["y"]), float(line["w"]), float(line["h"]), 1.0)
            marks[line["sha256"]].append(Mark(region, cast("Verdict", line["label"])))
    return {name: tuple(found) for name, found in marks.items()}
