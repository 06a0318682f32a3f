"""The series store in InfluxDB: line protocol through influxdb-client to write, InfluxQL over HTTP to read.

Only what 1.8 (and 1.6 behind a rewriting proxy), 2 and 3 share is used: `/api/v2/write` and `/query`.
"""

import re
from collections.abc import Sequence

import httpx
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException
from pydantic import BaseModel, ValidationError
from urllib3.exceptions import HTTPError

from broker.series.checks import FieldType, complaint, plain, type_of
from broker.series.influx_lines import line_of
from broker.series.ports import FieldValue, Sample, Series
from runtime.errors import FatalError, JangteoError, PartialError, Rejected, RetryableError

LINES_PER_REQUEST_MAX = 5000
WORDS_LENGTH_MAX = 500
KIND_PATTERN = "^[a-z0-9-]+$"

_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND, _TOO_LARGE = 401, 403, 404, 413
_REFUSED_LINES = (400, 422)  # 1.x and 3 answer 400 to a line that they will not take, 2 answers 422
_CONFLICT = re.compile(
    r'input field \\?"(?P<field>\w+)\\?" on measurement \\?"(?P<kind>[a-z0-9-]+)\\?" is type \w+,'
    r" already exists as type (?P<held>\w+)"
)
_MILLISECONDS: WritePrecision = WritePrecision.MS  # type: ignore[assignment]  # the library types its constants as str
_TYPES = {"float": FieldType.NUMBER, "boolean": FieldType.FLAG, "string": FieldType.TEXT}

_Indexed = tuple[int, Sample]


class _Found(BaseModel):
    """One series of an answer: `columns` starts with the time."""

    name: str
    tags: dict[str, str] = {}
    columns: list[str]
    values: list[list[FieldValue | None]]


class _Result(BaseModel):
    series: list[_Found] = []
    error: str | None = None


class _Answer(BaseModel):
    results: list[_Result]


class InfluxSeriesStore:
    """Series in the bucket (1.x and 3: database) `bucket`; measurement = kind, tags = device, market, subject.

    `write` is synchronous: InfluxDB has the points in its write-ahead log when it returns. It keeps one connection and
    does not retry by itself; `RetryableError` tells the caller to.
    """

    def __init__(self, url: str, token: str, org: str, bucket: str, *, timeout_s: float = 10.0) -> None:
        self._url = url.rstrip("/")
        self._bucket = bucket
        self._org = org
        self._client = InfluxDBClient(url=self._url, token=token, org=org, timeout=int(timeout_s * 1000))
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)
        headers = {"Authorization": f"Token {token}"}
        self._http = httpx.Client(base_url=self._url, headers=headers, timeout=timeout_s, trust_env=False)

    def write(self, samples: Sequence[Sample]) -> None:
        """Store all, `LINES_PER_REQUEST_MAX` a request.

        Raises:
            RetryableError: no answer, a time-out, 429 or 5xx: nothing or part is stored.
            PartialError: `rejected` names what the server refused, in its words; the others are stored.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        rejected: list[Rejected] = []
        fit: list[_Indexed] = []
        for index, sample in enumerate(samples):
            wrong = complaint(sample)
            if wrong is None:
                fit.append((index, sample))
            else:
                rejected.append(Rejected(index, wrong))
        for start in range(0, len(fit), LINES_PER_REQUEST_MAX):
            rejected += self._store(fit[start : start + LINES_PER_REQUEST_MAX])
        if rejected:
            raise PartialError(sorted(rejected, key=lambda one: one.index))

    def _store(self, fit: Sequence[_Indexed]) -> list[Rejected]:
        """Write; where the server refuses, find out which lines it means and write the others.

        Good lines may be written twice on the way, which changes nothing.
        """
        refusal = self._post([line_of(sample) for _, sample in fit])
        if refusal is None:
            return []
        guilty = _conflicting(fit, refusal)
        if guilty:
            names = {one.index for one in guilty}
            return guilty + self._store_if_any([pair for pair in fit if pair[0] not in names])
        if len(fit) == 1:
            return [Rejected(fit[0][0], refusal)]
        middle = len(fit) // 2
        return self._store(fit[:middle]) + self._store(fit[middle:])

    def _store_if_any(self, fit: Sequence[_Indexed]) -> list[Rejected]:
        return self._store(fit) if fit else []

    def _post(self, lines: Sequence[str]) -> str | None:
        """Send lines; the server's words if it refuses some or all of them for good."""
        body = "\n".join(lines).encode()
        try:
            self._write_api.write(self._bucket, self._org, body, write_precision=_MILLISECONDS)
        except ApiException as error:
            words = _words(error.body or error.reason)
            if error.status in _REFUSED_LINES or (error.status == _TOO_LARGE and len(lines) > 1):
                return words
            raise self._as_ours(int(error.status or 0), words) from error
        except (HTTPError, OSError) as error:
            raise RetryableError(f"{self._url}: InfluxDB does not answer: {error}") from error
        return None

    def latest(self, market: str) -> Sequence[Sample]:
        """The newest sample of every series of the market.

        Raises:
            RetryableError: InfluxDB does not answer right now.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        # LIMIT 1 under GROUP BY * is the newest point of each series; last() would mix fields of several times.
        query = f"SELECT * FROM /{KIND_PATTERN}/ WHERE {_where(market=market)} GROUP BY * ORDER BY time DESC LIMIT 1"  # noqa: S608 - InfluxQL; _where quotes
        return tuple(sorted((_sample(found) for found in self._query(query)), key=lambda sample: sample.series))

    def range(
        self, series: Series, field: str, from_unix_ms: int, until_unix_ms: int
    ) -> Sequence[tuple[int, FieldValue]]:
        """(time_unix_ms, value) from `from_unix_ms` until before `until_unix_ms`, oldest first.

        Raises:
            RetryableError: InfluxDB does not answer right now.
            FatalError: token or bucket is wrong; the sentence says what to do.
        """
        where = _where(market=series.market, device=series.device, subject=series.subject)
        query = (
            f"SELECT {_name(field)} FROM {_name(series.kind)} WHERE {where}"  # noqa: S608 - InfluxQL; all names are quoted
            f" AND time >= {int(from_unix_ms)}ms AND time < {int(until_unix_ms)}ms"
        )
        rows = [row for found in self._query(query) for row in found.values]
        return tuple((_time(time), plain(value)) for time, value in rows if value is not None)

    def _query(self, query: str) -> Sequence[_Found]:
        """The series of the one result of an InfluxQL query."""
        parameters = {"db": self._bucket, "epoch": "ms", "q": query}
        try:
            answer = self._http.get("/query", params=parameters)
        except httpx.HTTPError as error:
            raise RetryableError(f"{self._url}: InfluxDB does not answer: {error}") from error
        if answer.status_code != httpx.codes.OK:
            raise self._as_ours(answer.status_code, _words(answer.text))
        try:
            result = _Answer.model_validate_json(answer.content).results[0]
        except (ValidationError, IndexError) as error:
            raise FatalError(f"{self._url}: what answers there is not InfluxDB: {answer.text[:80]!r}") from error
        if result.error is not None:
            missing = "database not found" in result.error
            raise self._as_ours(_NOT_FOUND if missing else httpx.codes.BAD_REQUEST, _words(result.error))
        return result.series

    def _as_ours(self, status: int, words: str) -> JangteoError:
        if status in {_UNAUTHORISED, _FORBIDDEN}:
            remedy = f"put a token that may read and write bucket {self._bucket!r} into the token file"
            return FatalError(f"{self._url}: InfluxDB refuses the token ({status}: {words}): {remedy}")
        if status == _NOT_FOUND:
            remedy = f"create the bucket (1.x and 3: database) {self._bucket!r}, or name another one"
            return FatalError(f"{self._url}: InfluxDB does not know bucket {self._bucket!r} ({words}): {remedy}")
        if status < httpx.codes.INTERNAL_SERVER_ERROR and status not in {
            httpx.codes.TOO_MANY_REQUESTS,
            httpx.codes.REQUEST_TIMEOUT,
        }:
            return FatalError(f"{self._url}: InfluxDB refuses the request ({status}: {words})")
        return RetryableError(f"{self._url}: InfluxDB answers {status}: {words}")

    def close(self) -> None:
        """Close the connections."""
        self._write_api.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        self._client.close()  # type: ignore[no-untyped-call]  # the library leaves it untyped
        self._http.close()


def _conflicting(fit: Sequence[_Indexed], refusal: str) -> list[Rejected]:
    """The samples that a type conflict in the server's words means: it names one field, and later words the next."""
    match = _CONFLICT.search(refusal)
    if match is None:
        return []
    kind, field = match["kind"], match["field"]
    held = _TYPES.get(match["held"])
    return [
        Rejected(index, refusal)
        for index, sample in fit
        if sample.series.kind == kind and field in sample.fields and type_of(sample.fields[field]) is not held
    ]


def _sample(found: _Found) -> Sample:
    time, *values = found.values[0]
    named = zip(found.columns[1:], values, strict=True)
    fields = {name: plain(value) for name, value in named if value is not None}
    return Sample(
        Series(found.tags["market"], found.tags["device"], found.name, found.tags["subject"]), _time(time), fields
    )


def _time(value: FieldValue | None) -> int:
    """A time as the answer holds it: a whole number of milliseconds, because the query asked for that."""
    if not isinstance(value, int):
        raise FatalError(f"InfluxDB answered with the time {value!r}, expected whole milliseconds")
    return value


def _where(**tags: str) -> str:
    return " AND ".join(f"{_name(tag)} = {_text(value)}" for tag, value in tags.items())


def _name(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _words(body: str | bytes | None) -> str:
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "no reason given")
    return " ".join(text.split())[:WORDS_LENGTH_MAX]
