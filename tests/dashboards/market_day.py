"""One day of two markets, made by the simulator's own traffic; `day_samples` says what is said of it.

`dongmun` is without a fault: what the dashboards say of it is compared with what the simulator let happen. `jungang`
has everything that goes wrong: an unknown bay, a closed one, a device that falls silent, a fire, gaps, late clocks.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import takewhile

from contract.telemetry import (
    GapCause,
)
from firmware_sim import traffic
from firmware_sim.timeline import BayChange, GatePass, Happening

SEED = "a day for the dashboards"
BEGIN_MS = int(datetime(2026, 3, 4, 15, tzinfo=UTC).timestamp() * 1000)  # midnight in Korea
DAY_MS, HOUR_MS, MINUTE_MS, S_MS = 86_400_000, 3_600_000, 60_000, 1000
END_MS = BEGIN_MS + DAY_MS
BEAT_MS = 20 * S_MS
CAMERA_BEAT_MS = 7 * S_MS
SCREEN_BEAT_MS = 10 * S_MS
EPOCH = "0123456789abcdef"

PLAIN, FAULTY = "dongmun", "jungang"
SILENT_FROM_MS = END_MS - 40 * MINUTE_MS
UNKNOWN_FROM_MS = END_MS - 90 * MINUTE_MS
CLOSED_MS = (BEGIN_MS, BEGIN_MS + 5 * HOUR_MS)
FIRE_MS = BEGIN_MS + 15 * HOUR_MS
DRILL_MS = END_MS - 5 * MINUTE_MS
CAMERA_DRILL_MS = (END_MS - 40 * MINUTE_MS, END_MS - 38 * MINUTE_MS)
NOTICE_MS = (BEGIN_MS + 9 * HOUR_MS, BEGIN_MS + 12 * HOUR_MS)
UNKNOWN_BAY, CLOSED_BAY, SILENT_DEVICE = "a-03", "a-04", "corner-1"
LOST_READINGS = {cause: 100 + place for place, cause in enumerate(GapCause)}


@dataclass(frozen=True)
class Layout:
    """A market: which device has which bays, and its lot."""

    market: str
    lot: str
    bays: Mapping[str, str]
    device: str

    @property
    def gate(self) -> str:
        return f"{self.lot}-gate"


PLAIN_LAYOUT = Layout(PLAIN, "north", {f"n-{number:02}": "parking-1" for number in range(1, 9)}, "parking-1")
FAULTY_LAYOUT = Layout(
    FAULTY,
    "main",
    {f"a-{number:02}": "parking-1" for number in range(1, 7)} | {"a-07": SILENT_DEVICE, "a-08": SILENT_DEVICE},
    "parking-1",
)


@dataclass
class Truth:
    """What the simulator let happen in a market."""

    parked: list[tuple[int, str]] = field(default_factory=list)
    stays: list[tuple[int, int]] = field(default_factory=list)
    """When a car left, and how long it stood, for those that came within the day."""
    occupied_ms: int = 0
    at_end: dict[str, bool] = field(default_factory=dict)
    people_in: list[int] = field(default_factory=list)


@dataclass
class MarketDay:
    """The happenings of one market as changes by bay and counts by time, and the truth about them."""

    layout: Layout
    changes: dict[str, list[tuple[int, bool]]] = field(default_factory=dict)
    gate: list[tuple[int, bool]] = field(default_factory=list)
    people: list[tuple[int, bool]] = field(default_factory=list)
    truth: Truth = field(default_factory=Truth)

    @classmethod
    def simulated(cls, layout: Layout) -> "MarketDay":
        """The day as `firmware_sim` lets it happen."""
        lots = {layout.lot: sorted(layout.bays)}
        coming = traffic.endless(lots, ["entrance"], BEGIN_MS, f"{SEED}/{layout.market}")
        day = cls(layout, {bay: [(BEGIN_MS, False)] for bay in layout.bays})
        for one in takewhile(lambda happening: happening.time_unix_ms < END_MS, coming):
            day._note(one)
        day._settle()
        return day

    def _note(self, one: Happening) -> None:
        match one:
            case BayChange():
                if one.time_unix_ms == BEGIN_MS:
                    self.changes[one.bay] = []
                self.changes[one.bay].append((one.time_unix_ms, one.occupied))
            case GatePass():
                self.gate.append((one.time_unix_ms, one.inwards))
            case _:
                self.people.append((one.time_unix_ms, one.inwards))

    def _settle(self) -> None:
        for bay, changes in self.changes.items():
            ends = [*(time_ms for time_ms, _ in changes[1:]), END_MS]
            self.truth.occupied_ms += sum(
                end - time_ms for (time_ms, occupied), end in zip(changes, ends, strict=True) if occupied
            )
            self.truth.at_end[bay] = changes[-1][1]
            self.truth.parked += [(time_ms, bay) for time_ms, occupied in changes[1:] if occupied]
            self.truth.stays += [
                (left_ms, left_ms - time_ms)
                for (time_ms, occupied), left_ms in zip(changes, ends[:-1], strict=False)
                if occupied
            ]
        self.truth.people_in = [time_ms for time_ms, inwards in self.people if inwards]

    def occupied_at(self, bay: str, at_ms: int) -> bool:
        """Whether a car stands in the bay."""
        return [occupied for time_ms, occupied in self.changes[bay] if time_ms <= at_ms][-1]


def beats(every_ms: int, *, until_ms: int = END_MS) -> range:
    """When a sensor reports at the latest."""
    return range(BEGIN_MS, until_ms, every_ms)
