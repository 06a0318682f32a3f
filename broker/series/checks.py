"""What every series store takes, whichever it is: held against a sample before it is written."""

from enum import StrEnum
from functools import lru_cache
from math import isfinite

from broker.series.ports import FieldValue, Sample, Series
from broker.series.shapes import ShapedFields
from contract.ids import UNIX_MS_MAX, BadIdError, check_id

FIELDS_MAX = 64
FIELD_LENGTH_MAX = 63
TEXT_BYTES_MAX = 60_000  # InfluxDB takes 64 KiB in a text field
WHOLE_NUMBER_MAX = 2**53  # beyond it a float, which is what InfluxDB keeps, no longer holds every whole number
SERIES_CACHED_MAX = 262_144


class FieldType(StrEnum):
    """What a field holds. Whole and broken numbers are one type, so that 3 and 3.5 never conflict."""

    NUMBER = "number"
    FLAG = "flag"
    TEXT = "text"


def type_of(value: FieldValue) -> FieldType:
    """The type of a value."""
    if isinstance(value, bool):
        return FieldType.FLAG
    return FieldType.TEXT if isinstance(value, str) else FieldType.NUMBER


def conflict(kind: str, field: str, held: FieldType, value: FieldValue) -> str:
    """The sentence for a value whose type is not the one that the field has."""
    return f"field {field!r} of kind {kind!r} holds {held.value}s, this is a {type_of(value).value}: {value!r:.80}"


def complaint(sample: Sample) -> str | None:
    """Why no store takes `sample`, or `None`."""
    if type(sample.fields) is ShapedFields:
        return None  # vetted by its maker
    if not 0 <= sample.time_unix_ms <= UNIX_MS_MAX:
        return f"time_unix_ms {sample.time_unix_ms} is not between 1970 and 2100"
    if not 0 < len(sample.fields) <= FIELDS_MAX:
        return f"{len(sample.fields)} fields: a sample has 1 to {FIELDS_MAX}"
    wrong = _series_complaint(sample.series)
    if wrong is not None:
        return wrong
    for field, value in sample.fields.items():
        wrong = _field_complaint(field) or _value_complaint(field, value)
        if wrong is not None:
            return wrong
    return None


@lru_cache(maxsize=SERIES_CACHED_MAX)
def _series_complaint(series: Series) -> str | None:
    try:
        for what in ("market", "device", "kind", "subject"):
            check_id(getattr(series, what), what)
    except BadIdError as error:
        return str(error)
    return None


@lru_cache(maxsize=4096)
def _field_complaint(field: str) -> str | None:
    letters = all(char == "_" or "a" <= char <= "z" or "0" <= char <= "9" for char in field)
    if letters and 0 < len(field) <= FIELD_LENGTH_MAX and "a" <= field[0] <= "z" and field != "time":
        return None
    return f"field name {field!r:.80}: use 1 to {FIELD_LENGTH_MAX} of a-z, 0-9 and '_', starting with a letter"


def _value_complaint(field: str, value: FieldValue) -> str | None:
    if isinstance(value, float):
        return None if isfinite(value) else f"field {field!r} is {value}, which is not a number"
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        ok = -WHOLE_NUMBER_MAX <= value <= WHOLE_NUMBER_MAX
        return None if ok else f"field {field!r} is {value}, which is beyond 2^53"
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        return f"field {field!r} is not Unicode text"
    if "\0" in value:
        return f"field {field!r} has a NUL character"
    return None if size <= TEXT_BYTES_MAX else f"field {field!r} has {size} bytes of text, at most {TEXT_BYTES_MAX}"


def plain(value: FieldValue) -> FieldValue:
    """A value as every store gives it back: a number without a fraction is an `int`."""
    whole = isinstance(value, float) and value.is_integer() and abs(value) <= WHOLE_NUMBER_MAX
    return int(value) if whole else value
