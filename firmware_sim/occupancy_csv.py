"""Occupancy that was really measured: half-hourly counts of car parks, cleaned, and played on simulated bays.

The file has the columns of "Parking Birmingham" (UCI; Birmingham City Council and NCP, UK Open Government Licence
v3.0): SystemCodeNumber, Capacity, Occupancy, LastUpdated (local time).
"""

import csv
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from firmware_sim.timeline import BayChange
from runtime.errors import FatalError

COLUMNS = ("SystemCodeNumber", "Capacity", "Occupancy", "LastUpdated")
SLOT_S = 1800
ROWS_MAX = 1_000_000


class UnusableOccupancyError(FatalError):
    """A file that holds no occupancy, or not that lot's; the sentence says what would be right."""


@dataclass(slots=True)
class Defects:
    """How many rows had which defect. Over-capacity and negative counts are clipped; the others are left out."""

    duplicates: int = 0
    """The same lot and half hour again; the later row counts."""
    over_capacity: int = 0
    negative: int = 0
    unreadable: int = 0
    """A number that is none, a time that is none, a lot without bays."""
    jittered: int = 0
    """Not on :00 or :30; taken for the nearest."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A lot at a half hour: local time as seconds since 1970 as if it were UTC, and the occupied share 0..1."""

    local_s: int
    share: float


@dataclass(frozen=True, slots=True)
class LotHistory:
    """One lot's samples in order of time, one a half hour at most."""

    lot: str
    capacity: int
    samples: tuple[Sample, ...]


@dataclass(slots=True)
class _Lot:
    capacity: int
    by_slot: dict[int, float] = field(default_factory=dict)


def read_occupancy(path: Path) -> tuple[Mapping[str, LotHistory], Defects]:
    """All lots of a file by their code, and the defects met.

    Raises:
        UnusableOccupancyError: the file cannot be read, lacks a column, or has no usable row.
    """
    defects, lots = Defects(), {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lots = _collect(_rows(path, file), defects)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnusableOccupancyError(f"{path}: cannot be read as CSV: {error}") from error
    if not lots:
        raise UnusableOccupancyError(f"{path}: no usable row; the columns must be {', '.join(COLUMNS)}")
    histories = {
        code: LotHistory(
            code, lot.capacity, tuple(Sample(slot * SLOT_S, lot.by_slot[slot]) for slot in sorted(lot.by_slot))
        )
        for code, lot in lots.items()
    }
    return histories, defects


def bay_timeline(
    history: LotHistory, bays: Sequence[str], *, seed: int, start_unix_ms: int, gap_s_max: int = 2 * SLOT_S
) -> tuple[BayChange, ...]:
    """`history` on `bays`: at each sample as many of them are occupied as its share says; which ones is seeded.

    The first sample is at `start_unix_ms`. Pauses longer than `gap_s_max`, nights above all, are shortened to it. Only
    as many bays change as must.
    """
    chosen = random.Random(f"{seed}/csv/{history.lot}")
    free, occupied = sorted(bays), list[str]()
    changes: list[BayChange] = []
    time_unix_ms, last_s = start_unix_ms, None
    for sample in history.samples:
        if last_s is not None:
            time_unix_ms += min(sample.local_s - last_s, gap_s_max) * 1000
        last_s = sample.local_s
        wanted = round(sample.share * len(bays))
        while len(occupied) != wanted:
            source, target = (free, occupied) if len(occupied) < wanted else (occupied, free)
            bay = source.pop(chosen.randrange(len(source)))
            target.append(bay)
            changes.append(BayChange(time_unix_ms, bay, occupied=target is occupied))
    return tuple(changes)


def _rows(path: Path, lines: Iterable[str]) -> Iterator[dict[str, str]]:
    reader = csv.DictReader(lines)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise UnusableOccupancyError(
            f"{path}: no column {', '.join(missing)}; the columns must be {', '.join(COLUMNS)}"
        )
    for number, row in enumerate(reader):
        if number >= ROWS_MAX:
            raise UnusableOccupancyError(f"{path}: more than {ROWS_MAX} rows; give a shorter file")
        yield row


def _collect(rows: Iterable[dict[str, str]], defects: Defects) -> dict[str, _Lot]:
    lots: dict[str, _Lot] = {}
    for row in rows:
        try:
            capacity, occupied = int(row["Capacity"]), int(row["Occupancy"])
            local = datetime.fromisoformat(row["LastUpdated"]).replace(tzinfo=UTC)
        except (TypeError, ValueError):
            defects.unreadable += 1
            continue
        if capacity <= 0:
            defects.unreadable += 1
            continue
        _add(
            lots.setdefault(row["SystemCodeNumber"], _Lot(capacity)),
            capacity,
            occupied,
            int(local.timestamp()),
            defects,
        )
    return lots


def _add(lot: _Lot, capacity: int, occupied: int, local_s: int, defects: Defects) -> None:
    slot = (local_s + SLOT_S // 2) // SLOT_S
    defects.jittered += local_s % SLOT_S != 0
    defects.duplicates += slot in lot.by_slot
    defects.over_capacity += occupied > capacity
    defects.negative += occupied < 0
    lot.by_slot[slot] = min(max(occupied / capacity, 0.0), 1.0)
