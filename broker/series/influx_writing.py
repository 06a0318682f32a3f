"""The writing half of the InfluxDB store: pre-built lines in synchronous requests through influxdb-client."""

import re
from collections.abc import Sequence

from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from urllib3.exceptions import HTTPError

from broker.series.checks import FieldType, complaint, type_of
from broker.series.influx_errors import error_of, words_of
from broker.series.influx_keeping import TailKeeper
from broker.series.influx_lines import lines_of
from broker.series.influx_start import ServerStart
from broker.series.influx_tail import TailPlace
from broker.series.ports import Sample
from broker.series.shapes import ShapedFields
from runtime.errors import PartialError, Rejected, RetryableError

LINES_PER_REQUEST_MAX = 5000

_TOO_LARGE = 413
_REFUSED_LINES = (400, 422)  # 1.x and 3 answer 400 to a line that they will not take, 2 answers 422
_CONFLICT = re.compile(
    r'input field \\?"(?P<field>\w+)\\?" on measurement \\?"(?P<kind>[a-z0-9-]+)\\?" is type \w+,'
    r" already exists as type (?P<held>\w+)"
)
_MILLISECONDS: WritePrecision = WritePrecision.MS  # type: ignore[assignment]  # the library types its constants as str
_TYPES = {"float": FieldType.NUMBER, "boolean": FieldType.FLAG, "string": FieldType.TEXT}


class InfluxWriter:
    """Writes samples into the bucket (1.x and 3: database) `bucket` of the server at `url`.

    `write` is synchronous: InfluxDB has the points in its write-ahead log when it returns. It keeps one connection and
    does not retry by itself; `RetryableError` tells the caller to. With `tail` it keeps what was acknowledged, and
    writes it again when the server was started anew (`broker.series.influx_keeping`).
    """

    def __init__(
        self, url: str, token: str, org: str, bucket: str, *, timeout_s: float, tail: TailPlace | None = None
    ) -> None:
        self._url = url
        self._bucket = bucket
        self._org = org
        self._client = InfluxDBClient(url=url, token=token, org=org, timeout=int(timeout_s * 1000))
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
        self._keeper: TailKeeper | None = None
        if tail is not None and tail.bytes_max > 0:
            start = ServerStart(url, token, timeout_s=timeout_s)
            self._keeper = TailKeeper(tail, f"{url} {bucket}", start, lambda body: self._send(body, 1))

    def write(self, samples: Sequence[Sample]) -> None:
        """Store all, `LINES_PER_REQUEST_MAX` a request.

        Raises:
            RetryableError: no answer, a time-out, 429 or 5xx: nothing or part is stored.
            PartialError: `rejected` names what the server refused, in its words; the others are stored.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        wrong = {
            index: why
            for index, sample in enumerate(samples)
            if type(sample.fields) is not ShapedFields and (why := complaint(sample)) is not None
        }
        rejected = [Rejected(index, why) for index, why in wrong.items()]
        places = [index for index in range(len(samples)) if index not in wrong] if wrong else range(len(samples))
        fit = [samples[index] for index in places] if wrong else samples
        for start in range(0, len(fit), LINES_PER_REQUEST_MAX):
            end = start + LINES_PER_REQUEST_MAX
            rejected += self._store(fit[start:end], places[start:end])
        if rejected:
            raise PartialError(sorted(rejected, key=lambda one: one.index))

    def _store(self, fit: Sequence[Sample], places: Sequence[int]) -> list[Rejected]:
        """Write; where the server refuses, find out which lines it means and write the others.

        `places[i]` is the index under which the caller knows `fit[i]`. Good lines may be written twice on the way,
        which changes nothing.
        """
        if not fit:
            return []
        refusal = self._post(lines_of(fit), len(fit))
        if refusal is None:
            return []
        guilty = _conflicting(fit, refusal)
        if guilty:
            others = [index for index in range(len(fit)) if index not in guilty]
            refused = [Rejected(places[index], refusal) for index in guilty]
            return refused + self._store([fit[index] for index in others], [places[index] for index in others])
        if len(fit) == 1:
            return [Rejected(places[0], refusal)]
        middle = len(fit) // 2
        return self._store(fit[:middle], places[:middle]) + self._store(fit[middle:], places[middle:])

    def _post(self, body: bytes, lines_count: int) -> str | None:
        """Send lines and keep what is acknowledged; the server's words if it refuses some or all of them for good."""
        if self._keeper is None:
            return self._send(body, lines_count)
        with self._keeper.turn() as acknowledged:
            refusal = self._send(body, lines_count)
            if refusal is None:
                acknowledged(body)
            return refusal

    def _send(self, body: bytes, lines_count: int) -> str | None:
        """Send lines."""
        try:
            self._write_api.write(self._bucket, self._org, body, write_precision=_MILLISECONDS)
        except ApiException as error:
            words = words_of(error.body or error.reason)
            if error.status in _REFUSED_LINES or (error.status == _TOO_LARGE and lines_count > 1):
                return words
            raise error_of(self._url, self._bucket, int(error.status or 0), words) from error
        except (HTTPError, OSError) as error:
            raise RetryableError(f"{self._url}: InfluxDB does not answer: {error}") from error
        return None

    def close(self) -> None:
        """Close the connection."""
        if self._keeper is not None:
            self._keeper.close()
        self._write_api.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        self._client.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped


def _conflicting(fit: Sequence[Sample], refusal: str) -> frozenset[int]:
    """Which samples a type conflict in the server's words means: it names one field, and later words the next."""
    match = _CONFLICT.search(refusal)
    if match is None:
        return frozenset()
    kind, field = match["kind"], match["field"]
    held = _TYPES.get(match["held"])
    return frozenset(
        index
        for index, sample in enumerate(fit)
        if sample.series.kind == kind and field in sample.fields and type_of(sample.fields[field]) is not held
    )
