"""What a rule may ask about: the fields of each kind of telemetry, read off the contract's models."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Literal, get_args, get_origin

from contract.catalog import CATALOG
from contract.telemetry import GapReading, Reading, StatedReading

STATE = "state"
UNKNOWN = "unknown"

_NOT_ASKED = frozenset({"reason", "detail", "time_unix_ms", "since_unix_ms"})
"""A reason is there only while a state is unknown, which `fault` asks for; words for people and times are no values."""


@dataclass(frozen=True, slots=True)
class FieldSort:
    """What a field holds: `number`, `flag` or `word`; `words` are all that it can be, if the contract names them."""

    sort: Literal["number", "flag", "word"]
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of telemetry. `is_stated`: its readings can say themselves that they know nothing."""

    name: str
    is_stated: bool
    fields: Mapping[str, FieldSort]


def _sort_of(annotation: object) -> FieldSort | None:
    if get_origin(annotation) is Literal:
        return FieldSort("word", tuple(map(str, get_args(annotation))))
    if isinstance(annotation, type):
        if issubclass(annotation, Enum):
            return FieldSort("word", tuple(str(one.value) for one in annotation))
        if issubclass(annotation, bool):
            return FieldSort("flag")
        if issubclass(annotation, int | float):
            return FieldSort("number")
        return FieldSort("word") if issubclass(annotation, str) else None
    return next((sort for one in get_args(annotation) if (sort := _sort_of(one)) is not None), None)


def _kind_of(name: str, model: type[Reading]) -> Kind:
    passed_over = {*_NOT_ASKED, model.SUBJECT_FIELD}
    sorts = {
        field: sort
        for field, info in model.model_fields.items()
        if field not in passed_over and (sort := _sort_of(info.annotation)) is not None
    }
    return Kind(name, issubclass(model, StatedReading), MappingProxyType(sorts))


def _models() -> Mapping[str, type[Reading]]:
    rows = ((row.name, row.model) for row in CATALOG if row.channel == "telemetry")
    return {name: get_args(model.model_fields["readings"].annotation)[0] for name, model in rows}


KINDS: Mapping[str, Kind] = {
    name: _kind_of(name, model) for name, model in _models().items() if not issubclass(model, GapReading)
}
"""By telemetry name. Gap records are no values of anything."""
