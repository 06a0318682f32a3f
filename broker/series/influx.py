"""The series store in InfluxDB: line protocol through influxdb-client to write, InfluxQL over HTTP to read.

Only what 1.8 (and 1.6 behind a rewriting proxy), 2 and 3 share is used: `/api/v2/write` and `/query`. One thing 3 does
not do: remove on request (`prune`).
"""

from collections.abc import Generator, Iterator, Mapping, Sequence

from broker.series.buckets import Bucket, buckets_of, field_of
from broker.series.checks import plain
from broker.series.influx_reading import Found, InfluxReader, name, time_of, where
from broker.series.influx_tail import TailPlace
from broker.series.influx_writing import InfluxWriter
from broker.series.ports import FieldValue, Sample, Series

# Every kind that does not end in "-5m": RE2, which InfluxDB matches with, cannot look ahead.
RAW_KIND_PATTERN = "^([a-z0-9-]{1,2}|[a-z0-9-]*([^m]|[^5]m|[^-]5m))$"


class InfluxSeriesStore:
    """Series in the bucket (1.x and 3: database) `bucket`; measurement = kind, tags = device, market, subject.

    `write` is synchronous: InfluxDB has the points in its write-ahead log when it returns. Nothing is retried here;
    `RetryableError` tells the caller to. With `tail`, what InfluxDB acknowledged and then lost is written again.
    """

    def __init__(
        self, url: str, token: str, org: str, bucket: str, *, timeout_s: float = 10.0, tail: TailPlace | None = None
    ) -> None:
        base = url.rstrip("/")
        self._writer = InfluxWriter(base, token, org, bucket, timeout_s=timeout_s, tail=tail)
        self._reader = InfluxReader(base, token, bucket, timeout_s=timeout_s)

    def write(self, samples: Sequence[Sample]) -> None:
        """Store all; see `broker.series.influx_writing.InfluxWriter.write`.

        Raises:
            RetryableError: no answer, a time-out, 429 or 5xx: nothing or part is stored.
            PartialError: `rejected` names what the server refused, in its words; the others are stored.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        self._writer.write(samples)

    def latest(self, market: str) -> Sequence[Sample]:
        """The newest sample of every series of the market; roll-ups are left out.

        Raises:
            RetryableError: InfluxDB does not answer right now.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        # LIMIT 1 under GROUP BY * is the newest point of each series; last() would mix fields of several times.
        query = f"SELECT * FROM /{RAW_KIND_PATTERN}/ WHERE {where(market=market)} GROUP BY * ORDER BY time DESC LIMIT 1"  # noqa: S608 - InfluxQL; `where` quotes
        samples = (sample for found in self._reader.ask(query) for sample in _samples(found))
        return tuple(sorted(samples, key=lambda sample: sample.series))

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        """(time_unix_ms, value) from `from_unix_ms` until before `until_unix_ms`, oldest first.

        Raises:
            RetryableError: InfluxDB does not answer right now.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        query = f"SELECT {name(field)} FROM {_place(series, from_unix_ms, until_unix_ms)}"  # noqa: S608 - InfluxQL; all names are quoted
        rows = (row for found in self._reader.ask(query) for row in found.rows)
        return tuple((time_of(time), plain(value)) for time, value in rows if value is not None)

    def downsampled(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int, step_ms: int, hold_ms: int
    ) -> Sequence[Bucket]:
        """Means of a number or flag in steps, weighed by time.

        InfluxQL has no such mean (`integral` draws lines between points), so the samples come here; every one of them,
        because a sample without the field ends what the field was before.

        Raises:
            ValueError: `step_ms` or `hold_ms` is less than 1.
            RetryableError: InfluxDB does not answer right now.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        query = f"SELECT * FROM {_place(series, from_unix_ms - hold_ms, until_unix_ms)} GROUP BY *"  # noqa: S608 - InfluxQL; all names are quoted
        samples = (sample for found in self._reader.ask(query) for sample in _samples(found))
        values = field_of(((one.time_unix_ms, one.fields) for one in samples), field)
        return buckets_of(values, from_unix_ms, until_unix_ms, step_ms, hold_ms)

    def scan(self, market: str, kind: str, from_unix_ms: int, until_unix_ms: int) -> Generator[Sample]:
        """Every sample of a kind in a market, series after series, each oldest first, as they come.

        Raises:
            RetryableError: InfluxDB does not answer right now; what was given before is the beginning of it.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        place = where(market=market, from_unix_ms=from_unix_ms, until_unix_ms=until_unix_ms)
        for found in self._reader.ask(f"SELECT * FROM {name(kind)} WHERE {place} GROUP BY *"):  # noqa: S608 - InfluxQL; all names are quoted
            yield from _samples(found)

    def newest(self, kind: str, since_unix_ms: int) -> Mapping[Series, int]:
        """The newest time of every series of a kind that has a sample at or after `since_unix_ms`.

        Raises:
            RetryableError: InfluxDB does not answer right now.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        since = where(from_unix_ms=since_unix_ms)
        query = f"SELECT * FROM {name(kind)} WHERE {since} GROUP BY * ORDER BY time DESC LIMIT 1"  # noqa: S608 - InfluxQL; all names are quoted
        return {_series(found): time_of(row[0]) for found in self._reader.ask(query) for row in found.rows}

    def prune(self, kinds: Sequence[str], before_unix_ms: int) -> bool:
        """Remove what these kinds have from before `before_unix_ms`, a statement for each kind; always true.

        Raises:
            RetryableError: InfluxDB does not answer right now.
            FatalError: token or bucket is wrong, or this server (InfluxDB 3) removes nothing on request.
        """
        for kind in kinds:
            self._reader.delete(kind, before_unix_ms)
        return True

    def close(self) -> None:
        """Close the connections."""
        self._writer.close()
        self._reader.close()


def _place(series: Series, from_unix_ms: int, until_unix_ms: int) -> str:
    tags = where(
        market=series.market,
        device=series.device,
        subject=series.subject,
        from_unix_ms=from_unix_ms,
        until_unix_ms=until_unix_ms,
    )
    return f"{name(series.kind)} WHERE {tags}"


def _series(found: Found) -> Series:
    return Series(found.tags["market"], found.tags["device"], found.name, found.tags["subject"])


def _samples(found: Found) -> Iterator[Sample]:
    series, fields = _series(found), found.columns[1:]
    for time, *values in found.rows:
        named = zip(fields, values, strict=True)
        yield Sample(series, time_of(time), {name: plain(value) for name, value in named if value is not None})
