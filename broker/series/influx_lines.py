"""Samples as InfluxDB line protocol, built by hand: ten times as fast as the client library's `Point`.

Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/. Every number is written as a float, so
that a field which is 3 today and 3.5 tomorrow never meets a type conflict; floats hold every count up to 2^53, which is
the contract's bound. Ids and field names hold nothing that would need escaping (`broker.series.checks` sees to that).
"""

from functools import lru_cache

from broker.series.checks import SERIES_CACHED_MAX
from broker.series.ports import FieldValue, Sample, Series


def line_of(sample: Sample) -> str:
    """One line, its time in milliseconds. The sample must have passed `checks.complaint`."""
    fields = ",".join([f"{name}={_value(value)}" for name, value in sample.fields.items()])
    return f"{_head(sample.series)} {fields} {sample.time_unix_ms}"


@lru_cache(maxsize=SERIES_CACHED_MAX)
def _head(series: Series) -> str:
    return f"{series.kind},device={series.device},market={series.market},subject={series.subject}"


def _value(value: FieldValue) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value)


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
