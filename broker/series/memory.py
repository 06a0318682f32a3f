"""A series store in memory: behaves like the others, for tests and for a simulation that keeps nothing."""

import threading
from collections.abc import Generator, Mapping, Sequence

from broker.series.buckets import Bucket, buckets_of, field_of
from broker.series.checks import FieldType, complaint, conflict, plain, type_of
from broker.series.freshness import ROLLED_SUFFIX
from broker.series.ports import FieldValue, Sample, Series
from runtime.errors import PartialError, Rejected


class MemorySeriesStore:
    """Keeps everything in this process and forgets it at the end. Unbounded: not for production."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._types: dict[tuple[str, str], FieldType] = {}
        self._points: dict[Series, dict[int, dict[str, FieldValue]]] = {}

    def write(self, samples: Sequence[Sample]) -> None:
        """Store all.

        Raises:
            PartialError: `rejected` names what no store takes; the others are stored.
        """
        rejected: list[Rejected] = []
        with self._lock:
            for index, sample in enumerate(samples):
                wrong = complaint(sample) or self._conflict(sample)
                if wrong is not None:
                    rejected.append(Rejected(index, wrong))
                    continue
                values = {name: plain(value) for name, value in sample.fields.items()}
                self._points.setdefault(sample.series, {}).setdefault(sample.time_unix_ms, {}).update(values)
        if rejected:
            raise PartialError(rejected)

    def _conflict(self, sample: Sample) -> str | None:
        kind = sample.series.kind
        for field, value in sample.fields.items():
            held = self._types.get((kind, field))
            if held is not None and held is not type_of(value):
                return conflict(kind, field, held, value)
        self._types.update({(kind, field): type_of(value) for field, value in sample.fields.items()})
        return None

    def latest(self, market: str) -> Sequence[Sample]:
        """The newest sample of every series of the market; roll-ups are left out."""
        with self._lock:
            return tuple(
                Sample(series, max(points), dict(points[max(points)]))
                for series, points in sorted(self._points.items())
                if series.market == market and not series.kind.endswith(ROLLED_SUFFIX)
            )

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        """(time_unix_ms, value) from `from_unix_ms` until before `until_unix_ms`, oldest first."""
        with self._lock:
            points = self._points.get(series, {})
            return tuple(
                (time_unix_ms, points[time_unix_ms][field])
                for time_unix_ms in sorted(points)
                if from_unix_ms <= time_unix_ms < until_unix_ms and field in points[time_unix_ms]
            )

    def downsampled(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int, step_ms: int, hold_ms: int
    ) -> Sequence[Bucket]:
        """Means of a number or flag in steps, weighed by time.

        Raises:
            ValueError: `step_ms` or `hold_ms` is less than 1.
        """
        samples = self._between(series, from_unix_ms - hold_ms, until_unix_ms)
        return buckets_of(field_of(samples, field), from_unix_ms, until_unix_ms, step_ms, hold_ms)

    def scan(self, market: str, kind: str, from_unix_ms: int, until_unix_ms: int) -> Generator[Sample]:
        """Every sample of a kind in a market, series after series, each oldest first."""
        with self._lock:
            found = sorted(one for one in self._points if (one.market, one.kind) == (market, kind))
        for series in found:
            for time_unix_ms, fields in self._between(series, from_unix_ms, until_unix_ms):
                yield Sample(series, time_unix_ms, fields)

    def newest(self, kind: str, since_unix_ms: int) -> Mapping[Series, int]:
        """The newest time of every series of a kind that has a sample at or after `since_unix_ms`."""
        with self._lock:
            times = {series: max(points) for series, points in self._points.items() if series.kind == kind}
        return {series: newest for series, newest in times.items() if newest >= since_unix_ms}

    def prune(self, kinds: Sequence[str], before_unix_ms: int) -> bool:
        """Remove what these kinds have from before `before_unix_ms`."""
        with self._lock:
            for series in [one for one in self._points if one.kind in kinds]:
                kept = {time: fields for time, fields in self._points[series].items() if time >= before_unix_ms}
                self._points[series] = kept
                if not kept:
                    del self._points[series]
        return True

    def _between(
        self, series: Series, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, Mapping[str, FieldValue]]]:
        with self._lock:
            points = self._points.get(series, {})
            times = sorted(time for time in points if from_unix_ms <= time < until_unix_ms)
            return [(time, dict(points[time])) for time in times]

    def close(self) -> None:
        """Nothing is held that would need releasing."""
