"""Sequence gaps: numbers that a device has used and that never came."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from broker.ingest.work import DeviceEpoch
from runtime.clock import Clock

PATIENCE_S = 600.0  # a number that comes later than this after its successor is a gap until then
MISSING_PER_SOURCE_MAX = 10_000
SOURCES_MAX = 20_000

StoredElsewhere = Callable[[DeviceEpoch, Sequence[int]], frozenset[int]]
"""Which of these numbers reached another store: alerts keeps events that ingest does not read (stills)."""


@dataclass(slots=True)
class _Source:
    highest: int
    missing: dict[int, float] = field(default_factory=dict)  # number → when its absence was noticed; in that order
    overdue: dict[int, None] = field(default_factory=dict)  # counted as missing, still awaited


class GapWatch:
    """Follows the numbers of each (device, epoch) from the first that this process sees.

    A number that is skipped is missing; after `PATIENCE_S` it is counted as lost, unless another store has it. One that
    comes after all is counted as late. For each source at most `MISSING_PER_SOURCE_MAX` numbers are awaited: a longer
    jump counts the oldest at once. At most `SOURCES_MAX` sources are followed; the longest silent is forgotten.
    """

    def __init__(self, clock: Clock, stored_elsewhere: StoredElsewhere) -> None:
        self._clock = clock
        self._stored_elsewhere = stored_elsewhere
        self._lock = threading.Lock()
        self._sources: OrderedDict[DeviceEpoch, _Source] = OrderedDict()
        self._lost_count = 0
        self._late_count = 0

    def arrived(self, key: DeviceEpoch, seq: int) -> None:
        """Note that a number is here."""
        with self._lock:
            source = self._sources.get(key)
            if source is None:
                self._sources[key] = _Source(seq)
                if len(self._sources) > SOURCES_MAX:
                    self._sources.popitem(last=False)
                return
            self._sources.move_to_end(key)
            if seq > source.highest:
                self._skip(source, seq)
            elif seq in source.missing:
                del source.missing[seq]
            elif seq in source.overdue:
                del source.overdue[seq]
                self._late_count += 1

    def _skip(self, source: _Source, seq: int) -> None:
        now_s = self._clock.monotonic_s()
        first = max(source.highest + 1, seq - MISSING_PER_SOURCE_MAX)
        self._lost_count += first - source.highest - 1
        source.missing.update(dict.fromkeys(range(first, seq), now_s))
        source.highest = seq
        while len(source.missing) > MISSING_PER_SOURCE_MAX:
            source.missing.pop(next(iter(source.missing)))
            self._lost_count += 1

    def review(self) -> None:
        """Count what has been missing for too long. Call every few seconds, from any one thread."""
        for key, seqs in self._due().items():
            elsewhere = self._stored_elsewhere(key, seqs)
            with self._lock:
                source = self._sources.get(key)
                for seq in seqs:
                    if source is None or source.missing.pop(seq, None) is None or seq in elsewhere:
                        continue
                    self._lost_count += 1
                    source.overdue[seq] = None
                while source is not None and len(source.overdue) > MISSING_PER_SOURCE_MAX:
                    source.overdue.pop(next(iter(source.overdue)))

    def _due(self) -> dict[DeviceEpoch, list[int]]:
        before_s = self._clock.monotonic_s() - PATIENCE_S
        with self._lock:
            due = {
                key: [seq for seq, since_s in source.missing.items() if since_s <= before_s]
                for key, source in self._sources.items()
                if source.missing
            }
        return {key: seqs for key, seqs in due.items() if seqs}

    def counters(self) -> dict[str, float]:
        """Numbers lost, numbers that came late after all, numbers awaited now."""
        with self._lock:
            awaited = sum(len(source.missing) for source in self._sources.values())
            return {
                "sequence_gaps_total": float(self._lost_count),
                "sequence_gaps_filled_total": float(self._late_count),
                "sequence_numbers_awaited": float(awaited),
            }
