"""When an InfluxDB was started: what tells one process of the server from the next.

1.x says so in `SHOW DIAGNOSTICS` (where users are checked, to an administrator), 2 in `/metrics`, where the uptime
bears an id that is new with every process; 1.x has `/metrics`, too, with the time of the start alone. 3 is another
engine, whose write-ahead log is not the one that `broker.series.influx_tail` is for.
"""

from collections.abc import Callable

import httpx
from pydantic import BaseModel, ValidationError

from runtime.errors import RetryableError

METRICS_LINES_MAX = 100_000

_VERSION = "x-influxdb-version"
_OTHER_ENGINES = ("3", "v3")
_UPTIME_ID = 'influxdb_uptime_seconds{id="'
_PROCESS_START = "process_start_time_seconds "


class _Series(BaseModel):
    name: str
    columns: list[str]
    values: list[list[object]]


class _Result(BaseModel):
    series: list[_Series] = []


class _Answer(BaseModel):
    results: list[_Result]


class ServerStart:
    """Asks the server at `url` when it was started."""

    def __init__(self, url: str, token: str, *, timeout_s: float) -> None:
        self._url = url
        headers = {"Authorization": f"Token {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout_s, trust_env=False)
        self._ways: list[Callable[[], str | None]] = [self._by_diagnostics, self._by_metrics]

    def ask(self) -> str | None:
        """What names this start of the server: another text after every start; `None` where the server does not say.

        Raises:
            RetryableError: the server does not answer right now.
        """
        try:
            for way in tuple(self._ways):
                start = way()
                if start is not None:
                    self._ways.sort(key=lambda one: one != way)  # the one that works is asked first from now on
                    return start
        except httpx.HTTPError as error:
            raise self._away(str(error)) from error
        return None

    def keeps_what_it_acknowledged(self) -> bool:
        """Whether it is an InfluxDB 3; false where the server does not say what it is.

        Raises:
            RetryableError: the server does not answer right now.
        """
        try:
            answer = self._http.get("/ping")
        except httpx.HTTPError as error:
            raise self._away(str(error)) from error
        self._check(answer)
        return str(answer.headers.get(_VERSION, "")).startswith(_OTHER_ENGINES)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _by_diagnostics(self) -> str | None:
        answer = self._http.get("/query", params={"q": "SHOW DIAGNOSTICS FOR 'system'"})
        self._check(answer)
        try:
            results = _Answer.model_validate_json(answer.content).results
        except ValidationError:
            return None  # a refusal, or a server that has no such statement
        for series in (series for result in results for series in result.series if series.name == "system"):
            for row in series.values:
                known = dict(zip(series.columns, row, strict=False))
                if known.get("started"):
                    return f"process {known.get('PID')} of {known['started']}"
        return None

    def _by_metrics(self) -> str | None:
        with self._http.stream("GET", "/metrics") as answer:
            self._check(answer)
            if answer.status_code != httpx.codes.OK:
                return None
            for count, line in enumerate(answer.iter_lines()):
                if line.startswith(_UPTIME_ID):
                    return "id " + line[len(_UPTIME_ID) :].partition('"')[0]
                if line.startswith(_PROCESS_START):
                    return f"second {line[len(_PROCESS_START) :].strip()}"
                if count >= METRICS_LINES_MAX:
                    break
        return None

    def _check(self, answer: httpx.Response) -> None:
        if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise self._away(str(answer.status_code))

    def _away(self, why: str) -> RetryableError:
        return RetryableError(f"{self._url}: InfluxDB does not say when it was started: {why}")
