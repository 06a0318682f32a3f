"""From a kind's samples to its 5-minute roll-up: pure, one series after the other, weighed by time.

| field | in the roll-up |
| --- | --- |
| a number or flag | `_mean` (weighed by time), `_min`, `_max`, `_last` |
| a number that only grows until its device begins anew (`…_count`, `generation`) | `_max`, `_last` |
| a moment (`…_unix_ms`), a text | nothing |

Beside them `covered_s`, for how long of the window there was a valid reading, and `samples_count`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import attrgetter

from broker.series.buckets import MS_PER_S, Tally, pieces
from broker.series.freshness import ROLLUP_STEP_MS, STALE_AFTER_S, rolled_kind
from broker.series.ports import FieldValue, Sample, Series

ROLLED_KINDS = tuple(STALE_AFTER_S)
"""What is rolled up: everything that is read again and again. Events, gap records and part counters are not."""

_GROWING = frozenset({"generation"})
_SERIES = attrgetter("series")


@dataclass(frozen=True, slots=True)
class Span:
    """Windows of one kind in one market, from the first one's beginning until before `until_unix_ms`."""

    market: str
    kind: str
    from_unix_ms: int
    until_unix_ms: int

    @property
    def hold_ms(self) -> int:
        """For how long at most a reading of the kind stands for what is: as long as the console shows it."""
        return int(STALE_AFTER_S[self.kind] * MS_PER_S)

    @property
    def scan_from_unix_ms(self) -> int:
        """From where samples are needed: what was read before still holds at the beginning."""
        return self.from_unix_ms - self.hold_ms


class WindowTally:
    """One series' window while it is gathered: `held_ms` of it covered, `count` readings, a tally for each number."""

    __slots__ = ("count", "held_ms", "tallies")

    def __init__(self) -> None:
        self.held_ms = 0
        self.count = 0
        self.tallies: dict[str, Tally | None] = {}

    def add(self, fields: Iterable[tuple[str, FieldValue]], held_ms: int, *, begins: bool) -> None:
        """Fields that held for `held_ms`; `begins` when they were read in this window."""
        self.held_ms += held_ms
        self.count += begins
        tallies = self.tallies
        for name, value in fields:
            if isinstance(value, str):
                continue
            if name not in tallies:
                tallies[name] = Tally() if _names(name) else None
            tally = tallies[name]
            if tally is not None:
                tally.add(value, held_ms, begins=begins)

    def fields(self) -> dict[str, FieldValue]:
        """What the roll-up says."""
        made: dict[str, FieldValue] = {"covered_s": self.held_ms / MS_PER_S, "samples_count": self.count}
        for name, tally in self.tallies.items():
            if tally is not None:
                for key, part in _names(name):
                    made[key] = float(getattr(tally, part))
        return made


@lru_cache(maxsize=4096)
def _names(field: str) -> tuple[tuple[str, str], ...]:
    """A field's names in the roll-up, each with the part of the tally that it is."""
    if field.endswith("_unix_ms"):
        return ()
    parts = ("max", "last") if field.endswith("_count") or field in _GROWING else ("mean", "min", "max", "last")
    return tuple((f"{field}_{part}", part) for part in parts)


def roll(
    samples: Iterable[Sample], span: Span, note: Callable[[Series, int, WindowTally], None] = lambda *_: None
) -> Iterator[Sample]:
    """The roll-up of a scan from `span.scan_from_unix_ms`: for each series its windows in which anything held.

    `note` is told of each: the raw series, when the window begins, and what is in it.
    """
    kind = rolled_kind(span.kind)
    for series, group in groupby(samples, key=_SERIES):
        rolled = Series(series.market, series.device, kind, series.subject)
        windows: dict[int, WindowTally] = {}
        values = ((one.time_unix_ms, one.fields) for one in group)
        for number, fields, held_ms, begins in pieces(
            values, span.from_unix_ms, span.until_unix_ms, ROLLUP_STEP_MS, span.hold_ms
        ):
            window = windows.get(number)
            if window is None:
                window = windows[number] = WindowTally()
            window.add(fields.items(), held_ms, begins=begins)
        for number, window in windows.items():
            time_unix_ms = span.from_unix_ms + number * ROLLUP_STEP_MS
            note(series, time_unix_ms, window)
            yield Sample(rolled, time_unix_ms, window.fields())
