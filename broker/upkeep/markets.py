"""A market's window in one sample, kind `markets-5m`: what a city asks, without asking for every bay.

| field | what |
| --- | --- |
| `bays_count` | bays of which anything was read |
| `bays_known_mean`, `bays_unknown_mean` | how many knew their state, how many said that they did not |
| `bays_occupied_mean`, `bays_free_mean` | of the known ones; a closed bay is neither. Absent when none was either |
| `occupied_share_mean` | of the time in which bays were occupied or free, the share in which they were occupied |
| `vehicles_in_count`, `vehicles_out_count`, `people_in_count`, `people_out_count` | how much counters grew |
| `devices_count` | devices whose agent reported itself |
| `readings_count` | readings of every kind |
| `covered_s` | for how long the series that was heard the longest was heard |

Every mean is over the whole window: a bay that was known for half of it counts as half a bay, and the time for which
nothing was heard is in none. A window without a reading has its sample too, with zeros and no mean: silence is said.
"""

from collections.abc import Iterable, Iterator

from broker.series.buckets import MS_PER_S
from broker.series.freshness import ROLLUP_STEP_MS, rolled_kind
from broker.series.ports import FieldValue, Sample, Series
from broker.upkeep.rolling import Span, WindowTally

MARKETS_KIND = rolled_kind("markets")
SUBJECT_DEVICE = "market"
"""In the place of the device: these samples are of no single one."""

FLOWS = {"gates": "vehicles", "people": "people"}
"""The kinds whose counters grow, and what passes there."""

_COUNTERS = ("in_count", "out_count")


def series_of(market: str) -> Series:
    """Where a market's samples are."""
    return Series(market, SUBJECT_DEVICE, MARKETS_KIND, market)


def scan_from_unix_ms(span: Span) -> int:
    """From where samples are needed: a flow is counted from the last reading of the window before."""
    return span.from_unix_ms - ROLLUP_STEP_MS if span.kind in FLOWS else span.scan_from_unix_ms


class _Sums:
    """One window while it is gathered."""

    __slots__ = ("bays", "covered_ms", "devices", "flows", "free_ms", "known_ms", "occupied_ms", "readings", "told_ms")

    def __init__(self) -> None:
        self.bays = self.devices = self.readings = self.covered_ms = 0
        self.known_ms = self.told_ms = self.occupied_ms = self.free_ms = 0.0
        self.flows: dict[str, float] = {}

    def add(self, kind: str, window: WindowTally) -> None:
        self.readings += window.count
        self.covered_ms = max(self.covered_ms, window.held_ms)
        self.devices += kind == "agents"
        if kind != "bays":
            return
        self.bays += 1
        known, occupied = window.tallies.get("known"), window.tallies.get("occupied")
        if known is not None:
            self.known_ms += known.weighed
            self.told_ms += known.held_ms
        if occupied is not None:
            self.occupied_ms += occupied.weighed
            self.free_ms += occupied.held_ms - occupied.weighed

    def flow(self, name: str, grown: float) -> None:
        self.flows[name] = self.flows.get(name, 0.0) + grown

    def fields(self) -> dict[str, FieldValue]:
        made: dict[str, FieldValue] = {
            "bays_count": self.bays,
            "devices_count": self.devices,
            "readings_count": self.readings,
            "covered_s": self.covered_ms / MS_PER_S,
            **self.flows,
        }
        if self.told_ms:
            made["bays_known_mean"] = self.known_ms / ROLLUP_STEP_MS
            made["bays_unknown_mean"] = (self.told_ms - self.known_ms) / ROLLUP_STEP_MS
        if self.occupied_ms + self.free_ms:
            made["bays_occupied_mean"] = self.occupied_ms / ROLLUP_STEP_MS
            made["bays_free_mean"] = self.free_ms / ROLLUP_STEP_MS
            made["occupied_share_mean"] = self.occupied_ms / (self.occupied_ms + self.free_ms)
        return made


class MarketWindows:
    """A few windows of one market, gathered while its series are rolled up; holds a dozen numbers for each window."""

    def __init__(self, market: str, from_unix_ms: int, until_unix_ms: int) -> None:
        self._market = market
        self._from_unix_ms = from_unix_ms
        self._sums = [_Sums() for _ in range(from_unix_ms, until_unix_ms, ROLLUP_STEP_MS)]

    def add(self, series: Series, time_unix_ms: int, window: WindowTally) -> None:
        """A series' window was rolled up."""
        self._sums[self._number(time_unix_ms)].add(series.kind, window)

    def watch(self, kind: str, samples: Iterable[Sample]) -> Iterable[Sample]:
        """The same samples; what counters grow by is noted as they pass."""
        return self._counting(FLOWS[kind], samples) if kind in FLOWS else samples

    def samples(self, *, only_heard: bool = False) -> Iterator[Sample]:
        """One for each window; `only_heard` leaves out those without a reading."""
        series = series_of(self._market)
        for number, sums in enumerate(self._sums):
            if sums.covered_ms or not only_heard:
                yield Sample(series, self._from_unix_ms + number * ROLLUP_STEP_MS, sums.fields())

    def _counting(self, what: str, samples: Iterable[Sample]) -> Iterator[Sample]:
        """What grew is of the window of the later of two readings.

        They are at most one window apart: what a window says depends on itself and the one before, whatever piece it is
        rolled up in and whatever comes late. A counter that began anew adds nothing at that step.
        """
        before: Sample | None = None
        for sample in samples:
            number = self._number(sample.time_unix_ms)
            if 0 <= number < len(self._sums):
                past = before.fields if before is not None and self._is_next(before, sample) else {}
                for counter in _COUNTERS:
                    value, was = sample.fields.get(counter), past.get(counter)
                    if isinstance(value, int | float):
                        grown = max(0.0, float(value) - was) if isinstance(was, int | float) else 0.0
                        self._sums[number].flow(f"{what}_{counter}", grown)
            before = sample
            yield sample

    def _is_next(self, before: Sample, sample: Sample) -> bool:
        apart = self._number(sample.time_unix_ms) - self._number(before.time_unix_ms)
        return before.series == sample.series and apart <= 1

    def _number(self, time_unix_ms: int) -> int:
        return (time_unix_ms - self._from_unix_ms) // ROLLUP_STEP_MS
