"""Derive the tables of `firmware_sim.shapes` again: `python -m firmware_sim.derive_shapes CARS.csv PEOPLE.csv`."""

import csv
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from statistics import fmean

from firmware_sim.occupancy_csv import SLOT_S, read_occupancy

FIRST_SLOT, LAST_SLOT = 16, 33
"""08:00 and 16:30: what the car parks' data covers."""

MARKET_SENSOR = "QV Market-Elizabeth St (West)"
SATURDAY = 5
DIGITS = 3


def car_shape(path: Path) -> dict[str, tuple[float, ...]]:
    """Mean occupied share of capacity for each half hour from 08:00 to 16:30, on `weekday` and on `weekend`."""
    histories, _ = read_occupancy(path)
    shares: dict[tuple[bool, int], list[float]] = defaultdict(list)
    for history in histories.values():
        for sample in history.samples:
            weekend = datetime.fromtimestamp(sample.local_s, UTC).weekday() >= SATURDAY
            shares[weekend, sample.local_s // SLOT_S % 48].append(sample.share)
    return _table(shares, range(FIRST_SLOT, LAST_SLOT + 1), 1.0)


def people_shape(path: Path) -> dict[str, tuple[float, ...]]:
    """Mean people an hour at the market's sensor, as a share of the busiest of these hours, for hours 0 to 23."""
    counts: dict[tuple[bool, int], list[float]] = defaultdict(list)
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["Sensor"] == MARKET_SENSOR and row["Count"].isdigit():
                weekend = date.fromisoformat(row["Date"]).weekday() >= SATURDAY
                counts[weekend, int(row["Time"])].append(float(row["Count"]))
    return _table(counts, range(24), max(fmean(values) for values in counts.values()))


def _table(
    values: Mapping[tuple[bool, int], Iterable[float]], keys: Iterable[int], unit: float
) -> dict[str, tuple[float, ...]]:
    columns = list(keys)
    return {
        day: tuple(round(fmean(values[weekend, key]) / unit, DIGITS) for key in columns)
        for day, weekend in (("weekday", False), ("weekend", True))
    }


def main(arguments: list[str]) -> int:
    """Print both tables; 2 when the two files are not given."""
    if len(arguments) != len(("CARS", "PEOPLE")):
        sys.stderr.write(
            "usage: python -m firmware_sim.derive_shapes birmingham_occupancy.csv melbourne_pedestrian.csv\n"
        )
        return 2
    for title, table in (("CARS", car_shape(Path(arguments[0]))), ("PEOPLE", people_shape(Path(arguments[1])))):
        for day, figures in table.items():
            sys.stdout.write(f"{title} {day}: {figures}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
