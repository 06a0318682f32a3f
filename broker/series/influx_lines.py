"""Samples as InfluxDB line protocol, built by hand: more than ten times as fast as the client library's `Point`.

Source: https://docs.influxdata.com/influxdb/v2/reference/syntax/line-protocol/. Every number is written as a float, so
that a field which is 3 today and 3.5 tomorrow never meets a type conflict; floats hold every count up to 2^53, which is
the contract's bound. Ids and field names hold nothing that would need escaping (`broker.series.checks` sees to that).
"""

from collections.abc import Iterable
from functools import lru_cache

from broker.series.checks import SERIES_CACHED_MAX
from broker.series.ports import FieldValue, Sample, Series
from broker.series.shapes import Shape, ShapedFields

SHAPES_CACHED_MAX = 4096


def lines_of(samples: Iterable[Sample]) -> bytes:
    """Samples, a line each, times in milliseconds. Each sample must have passed `checks.complaint`."""
    shaped = ShapedFields
    return "\n".join(
        [
            f"{_head(series)} {_template(fields.shape) % fields.held} {time_unix_ms}"
            if type(fields) is shaped
            else f"{_head(series)} {_fields(fields.items())} {time_unix_ms}"
            for series, time_unix_ms, fields in samples
        ]
    ).encode()


@lru_cache(maxsize=SERIES_CACHED_MAX)
def _head(series: Series) -> str:
    market, device, kind, subject = series
    return f"{kind},device={device},market={market},subject={subject}"


@lru_cache(maxsize=SHAPES_CACHED_MAX)
def _template(shape: Shape) -> str:
    """The fields of a shape, ready for `%`. `True` and `False` are InfluxDB's words, too; no word needs escaping."""
    varying = [f'{name}="%s"' if name in shape.words else f"{name}=%s" for name in shape.names]
    constant = _fields(shape.constants).replace("%", "%%")
    return ",".join([*varying, constant] if constant else varying)


def _fields(pairs: Iterable[tuple[str, FieldValue]]) -> str:
    return ",".join([f"{name}={_value(value)}" for name, value in pairs])


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
