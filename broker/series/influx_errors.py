"""What InfluxDB's refusals mean for us: try again, or a person has to act."""

import httpx

from runtime.errors import FatalError, JangteoError, RetryableError

WORDS_LENGTH_MAX = 500

_UNAUTHORISED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_AGAIN = (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT)


def error_of(url: str, bucket: str, status: int, words: str) -> JangteoError:
    """The error for an answer with `status`: `FatalError` with the remedy, or `RetryableError`."""
    if status in {_UNAUTHORISED, _FORBIDDEN}:
        remedy = f"put a token that may read and write bucket {bucket!r} into the token file"
        return FatalError(f"{url}: InfluxDB refuses the token ({status}: {words}): {remedy}")
    if status == _NOT_FOUND:
        remedy = f"create the bucket (1.x and 3: database) {bucket!r}, or name another one"
        return FatalError(f"{url}: InfluxDB does not know bucket {bucket!r} ({words}): {remedy}")
    if status < httpx.codes.INTERNAL_SERVER_ERROR and status not in _AGAIN:
        return FatalError(f"{url}: InfluxDB refuses the request ({status}: {words})")
    return RetryableError(f"{url}: InfluxDB answers {status}: {words}")


def words_of(body: str | bytes | None) -> str:
    """The server's own words in one line, cut to `WORDS_LENGTH_MAX`."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "no reason given")
    return " ".join(text.split())[:WORDS_LENGTH_MAX]
