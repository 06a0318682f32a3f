"""The reading half of the InfluxDB store: InfluxQL over HTTP, answers taken piece by piece.

With `chunked` the server sends one JSON document a line and never holds a whole answer; a server that does not know the
word sends one document, which is read in the same way.
"""

from collections.abc import Generator, Iterator, Sequence
from typing import cast

import httpx
from pydantic import BaseModel, ValidationError

from broker.series.influx_errors import error_of, words_of
from broker.series.ports import FieldValue
from runtime.errors import FatalError, RetryableError

ROWS_PER_CHUNK = 5000
DELETE_TIMEOUT_S = 300.0
SHOWN_LENGTH_MAX = 80

_NOT_FOUND = 404
_NO_DELETE = (400, 405, 422, 501)
_DATABASE_MISSING = "database not found"


class Found(BaseModel):
    """A piece of one series in an answer: `columns` starts with the time."""

    name: str
    tags: dict[str, str] = {}
    columns: list[str]
    values: list[list[object]]

    @property
    def rows(self) -> Sequence[Sequence[FieldValue | None]]:
        """Times and values."""
        # not checked one by one: that would cost more than everything else, and a field in JSON is nothing else
        return cast("Sequence[Sequence[FieldValue | None]]", self.values)


class _Result(BaseModel):
    series: list[Found] = []
    error: str | None = None


class _Answer(BaseModel):
    results: list[_Result]


class InfluxReader:
    """Asks the server at `url` about the bucket (1.x and 3: database) `bucket`."""

    def __init__(self, url: str, token: str, bucket: str, *, timeout_s: float) -> None:
        self._url = url
        self._bucket = bucket
        headers = {"Authorization": f"Token {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False)

    def ask(self, query: str) -> Generator[Found]:
        """The series of a query's one result, in the order and the pieces in which they come.

        Raises:
            RetryableError: InfluxDB does not answer right now; what was given before may be the beginning of it.
            FatalError: token or bucket is wrong, or it is no InfluxDB; the sentence says what to do.
        """
        asked: dict[str, str | int] = {"db": self._bucket, "epoch": "ms", "q": query, "chunked": "true"}
        asked["chunk_size"] = ROWS_PER_CHUNK
        try:
            with self._http.stream("GET", "/query", params=asked) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    raise error_of(self._url, self._bucket, answer.status_code, words_of(answer.text))
                for line in _lines(answer.iter_bytes()):
                    yield from self._series(line)
        except httpx.HTTPError as error:
            raise RetryableError(f"{self._url}: InfluxDB does not answer: {error}") from error

    def delete(self, kind: str, before_unix_ms: int) -> None:
        """Remove a measurement's points from before a time.

        Raises:
            RetryableError: InfluxDB does not answer right now.
            FatalError: token or bucket is wrong, or this server removes nothing on request.
        """
        query = f"DELETE FROM {name(kind)} WHERE time < {int(before_unix_ms)}ms"  # noqa: S608 - InfluxQL; the name is quoted
        try:
            answer = self._http.post("/query", params={"db": self._bucket}, data={"q": query}, timeout=DELETE_TIMEOUT_S)
        except httpx.HTTPError as error:
            raise RetryableError(f"{self._url}: InfluxDB does not answer: {error}") from error
        if answer.status_code in _NO_DELETE:
            remedy = "give the database a retention period of its own, and set `removed_by: server`"
            words = words_of(answer.text)
            raise FatalError(f"{self._url}: InfluxDB removes nothing on request ({words}): {remedy}")
        if answer.status_code not in {httpx.codes.OK, httpx.codes.NO_CONTENT}:
            raise error_of(self._url, self._bucket, answer.status_code, words_of(answer.text))
        for line in _lines(iter((answer.content,))):
            for _ in self._series(line):
                pass

    def _series(self, line: bytes) -> Iterator[Found]:
        try:
            result = _Answer.model_validate_json(line).results[0]
        except (ValidationError, IndexError) as error:
            shown = line[:SHOWN_LENGTH_MAX].decode(errors="replace")
            raise FatalError(f"{self._url}: what answers there is not InfluxDB: {shown!r}") from error
        if result.error is not None:
            status = _NOT_FOUND if _DATABASE_MISSING in result.error else httpx.codes.BAD_REQUEST
            raise error_of(self._url, self._bucket, status, words_of(result.error))
        yield from result.series

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The documents of an answer: JSON escapes line feeds, so that one never stands inside a document."""
    waiting: list[bytes] = []
    for piece in pieces:
        *whole, rest = piece.split(b"\n")
        for line in whole:
            document = b"".join([*waiting, line])
            waiting = []
            if document:
                yield document
        waiting.append(rest)
    last = b"".join(waiting)
    if last.strip():
        yield last


def time_of(value: FieldValue | None) -> int:
    """A time as the answer holds it: a whole number of milliseconds, because the query asked for that.

    Raises:
        FatalError: it is something else.
    """
    if not isinstance(value, int):
        raise FatalError(f"InfluxDB answered with the time {value!r}, expected whole milliseconds")
    return value


def where(*, from_unix_ms: int | None = None, until_unix_ms: int | None = None, **tags: str) -> str:
    """The conditions of a query: tags that are equal, and a time from (included) and until (not included)."""
    conditions = [f"{name(tag)} = {_text(value)}" for tag, value in tags.items()]
    if from_unix_ms is not None:
        conditions.append(f"time >= {int(from_unix_ms)}ms")
    if until_unix_ms is not None:
        conditions.append(f"time < {int(until_unix_ms)}ms")
    return " AND ".join(conditions)


def name(identifier: str) -> str:
    """A measurement's, tag's or field's name, quoted."""
    escaped = identifier.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
