"""What Grafana does to a query before it sends it: variables, time filter, interval. Written anew, not its code.

After its documentation and the behaviour of its InfluxDB data source in InfluxQL mode (Grafana 11): the browser fills
in variables, the server `$timeFilter` and `$__interval`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

ALL = "$__all"
POINTS_MAX = 1000
MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
NICE = (
    "1s",
    "2s",
    "5s",
    "10s",
    "20s",
    "30s",
    "1m",
    "2m",
    "5m",
    "10m",
    "20m",
    "30m",
    "1h",
    "3h",
    "6h",
    "12h",
    "1d",
    "1w",
)
_VARIABLE = re.compile(r"\$(\w+)|\$\{(\w+)(?::(\w+))?\}")


def duration_ms(text: str) -> int:
    """`30s` → 30 000."""
    return int(text[:-1]) * MS[text[-1]]


@dataclass(frozen=True)
class Variable:
    """A variable as its dashboard declares it."""

    name: str
    multi: bool = False
    all_value: str = ""


@dataclass(frozen=True)
class View:
    """A dashboard as somebody looks at it: what is chosen, and the range."""

    from_unix_ms: int
    to_unix_ms: int
    variables: Mapping[str, Variable] = field(default_factory=dict)
    chosen: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def for_panel(self, panel: Mapping[str, Any]) -> "View":
        """The panel's own range where it has one."""
        if "timeFrom" not in panel:
            return self
        return replace(self, from_unix_ms=self.to_unix_ms - duration_ms(panel["timeFrom"]))

    def interval(self, interval_min: str | None) -> str:
        """The width of a bucket: what fits the panel, at least its minimum."""
        wanted_ms = (self.to_unix_ms - self.from_unix_ms) / POINTS_MAX
        fitting = next((nice for nice in NICE if duration_ms(nice) >= wanted_ms), NICE[-1])
        return max((fitting, interval_min or "1s"), key=duration_ms)

    def query(self, text: str, interval_min: str | None = None) -> str:
        """The text that is sent. What is not known here stays, and the server refuses it."""
        interval = self.interval(interval_min)
        text = _VARIABLE.sub(self._filled, text)
        text = text.replace("$timeFilter", f"time >= {self.from_unix_ms}ms and time <= {self.to_unix_ms}ms")
        return text.replace("$__interval_ms", str(duration_ms(interval))).replace("$__interval", interval)

    def _filled(self, match: re.Match[str]) -> str:
        name = match[1] or match[2]
        if name in {"__from", "__to"}:
            return str(self.from_unix_ms if name == "__from" else self.to_unix_ms)
        variable = self.variables.get(name)
        if variable is None or name not in self.chosen:
            return match[0]
        value = self.chosen[name]
        if value == ALL:
            return variable.all_value
        if isinstance(value, str):
            return _escaped(value) if variable.multi else value
        return f"({'|'.join(_escaped(one) for one in value)})"


def _escaped(value: str) -> str:
    return re.sub(r"[\\^$*+?.()|\[\]{}/]", r"\\\g<0>", value)


def variables_of(dashboard: Mapping[str, Any]) -> dict[str, Variable]:
    """A dashboard's variables by name."""
    declared = dashboard["templating"]["list"]
    return {one["name"]: Variable(one["name"], one["multi"], one.get("allValue", "")) for one in declared}


def panels_of(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The panels, those in closed rows too, without the headings between them."""
    return [one for panel in dashboard["panels"] for one in (panel, *panel.get("panels", ())) if one["type"] != "row"]


def queries_of(dashboard: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """(title, panel, target) of every query of every panel."""
    for panel in panels_of(dashboard):
        for target in panel["targets"]:
            yield f"{panel['title']} [{target['refId']}]", panel, target


class Source:
    """The data source: asks as Grafana's server does."""

    def __init__(self, url: str, token: str, bucket: str) -> None:
        headers = {"Authorization": f"Token {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False)
        self._bucket = bucket

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def ask(self, query: str) -> list[dict[str, Any]]:
        """The series of the answer; fails with the server's words."""
        answer = self._http.post("/query", params={"db": self._bucket, "epoch": "ms"}, data={"q": query})
        assert answer.status_code == 200, f"{query}: {answer.text}"
        (result,) = json.loads(answer.text)["results"]
        assert "error" not in result, f"{query}: {result}"
        return list(result.get("series", ()))


def values(series: Sequence[Mapping[str, Any]], column: int = 1) -> list[Any]:
    """What is not null in a column of all series."""
    return [row[column] for one in series for row in one["values"] if row[column] is not None]
