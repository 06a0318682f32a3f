"""A series store in memory: behaves like the others, for tests and for a simulation that keeps nothing."""

import threading
from collections.abc import Sequence

from broker.series.checks import FieldType, complaint, conflict, plain, type_of
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
        """The newest sample of every series of the market."""
        with self._lock:
            return tuple(
                Sample(series, max(points), dict(points[max(points)]))
                for series, points in sorted(self._points.items())
                if series.market == market
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

    def close(self) -> None:
        """Nothing is held that would need releasing."""
