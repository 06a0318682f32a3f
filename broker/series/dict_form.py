"""A contract model as a validator that makes dictionaries: the same fields and constraints, half of the cost.

pydantic's compiled schema of the model is taken as it is and its models are turned into typed dictionaries, so that the
contract stays written once. What a model adds in Python (a rule over several fields) is not in the dictionary's form:
`rules_of` names it, and whoever uses the form has to see to it.
"""

import re
from collections.abc import Callable, Mapping
from enum import Enum, StrEnum
from typing import cast

from pydantic_core import CoreSchema, SchemaValidator, core_schema

from broker.series.checks import WHOLE_NUMBER_MAX
from contract.ids import ID_PATTERN
from contract.payload import Payload

_Node = Mapping[str, object]

_WORD = re.compile(r"[A-Za-z0-9_-]+")
_WORD_PATTERNS = (ID_PATTERN, r"^[0-9a-f]{16}$")
_LEAVES = frozenset({"str", "int", "float", "bool", "literal"})
_ANNOTATIONS = ("metadata", "ref")


class NoDictFormError(TypeError):
    """A model with something that has no counterpart in a typed dictionary."""


class Vetting(StrEnum):
    """What a store may rely on when a field has passed its constraints."""

    NUMBER = "number"  # finite, and whole ones within 2^53
    FLAG = "flag"
    WORD = "word"  # text without any character that would need escaping
    LOOSE = "loose"  # nothing: the store has to look at it


def dict_form(model: type[Payload]) -> SchemaValidator:
    """A validator whose `validate_json` takes what `model` takes, rules of its own aside, and gives dictionaries.

    Enumerations come as their text, absent fields as their defaults, tuples of models as lists.

    Raises:
        NoDictFormError: the model cannot be had this way; use the model.
    """
    return SchemaValidator(cast("CoreSchema", _turned(_schema_of(model), {})))


def vetting_of(model: type[Payload]) -> Mapping[str, Vetting]:
    """What the constraints of each field of `model` are worth to a store.

    Raises:
        NoDictFormError: the model cannot be had as dictionaries.
    """
    fields = cast("Mapping[str, _Node]", _turned(_schema_of(model), {})["fields"])
    return {name: _vetting(_inner(field)) for name, field in fields.items()}


def rules_of(model: type[Payload]) -> frozenset[str]:
    """The names of the rules that `model` has in Python, beside its fields' constraints."""
    own = model.__pydantic_decorators__
    return frozenset({*own.model_validators, *own.field_validators, *own.root_validators, *own.validators})


def _schema_of(model: type[Payload]) -> _Node:
    return cast("_Node", model.__pydantic_core_schema__)


def _turned(node: _Node, known: Mapping[str, _Node]) -> _Node:
    kind = str(node["type"])
    turn = _TURNS.get(kind)
    if turn is not None:
        return turn(node, known)
    if kind not in _LEAVES:
        raise NoDictFormError(f"a {kind} has no counterpart in a typed dictionary")
    return _bare(node)


def _definitions(node: _Node, known: Mapping[str, _Node]) -> _Node:
    own = {str(one["ref"]): one for one in cast("list[_Node]", node["definitions"])}
    return _turned(_inner(node), {**known, **own})


def _defined(node: _Node, known: Mapping[str, _Node]) -> _Node:
    return _turned(known[str(node["schema_ref"])], known)


def _model(node: _Node, known: Mapping[str, _Node]) -> _Node:
    config = {name: value for name, value in cast("_Node", node["config"]).items() if name != "title"}
    return {**_turned(_inner(node), known), "config": config}


def _without_rule(node: _Node, known: Mapping[str, _Node]) -> _Node:
    return _turned(_inner(node), known)


def _nesting(node: _Node, known: Mapping[str, _Node]) -> _Node:
    return {**_bare(node), "schema": _turned(_inner(node), known)}


def _typed_dict(node: _Node, known: Mapping[str, _Node]) -> _Node:
    fields = {}
    for name, field in cast("Mapping[str, _Node]", node["fields"]).items():
        if field["type"] != "model-field" or "validation_alias" in field:
            raise NoDictFormError(f"field {name!r} has no counterpart in a typed dictionary")
        required = _inner(field)["type"] != "default"
        turned = cast("CoreSchema", _turned(_inner(field), known))
        fields[name] = core_schema.typed_dict_field(turned, required=required)
    return cast("_Node", core_schema.typed_dict_schema(fields, extra_behavior="ignore"))


def _list(node: _Node, known: Mapping[str, _Node]) -> _Node:
    items = cast("list[_Node]", node["items_schema"])
    if node.get("variadic_item_index") != 0 or len(items) != 1:
        raise NoDictFormError("a tuple of fixed length has no counterpart in a list")
    bounds = {name: node[name] for name in ("min_length", "max_length") if name in node}
    return {"type": "list", "items_schema": _turned(items[0], known), "strict": False, **bounds}


def _literal(node: _Node, _known: Mapping[str, _Node]) -> _Node:
    return {"type": "literal", "expected": [one.value for one in cast("list[Enum]", node["members"])]}


_TURNS: Mapping[str, Callable[[_Node, Mapping[str, _Node]], _Node]] = {
    "definitions": _definitions,
    "definition-ref": _defined,
    "model": _model,
    "model-fields": _typed_dict,
    "function-after": _without_rule,
    "default": _nesting,
    "nullable": _nesting,
    "tuple": _list,
    "enum": _literal,
}


def _vetting(node: _Node) -> Vetting:
    kind = str(node["type"])
    if kind in {"default", "nullable"}:
        return _vetting(_inner(node))
    if kind == "bool":
        return Vetting.FLAG
    is_number = kind == "float" and node.get("allow_inf_nan") is False
    if is_number or (kind == "int" and _is_within_bounds(node)):
        return Vetting.NUMBER
    is_word = kind == "str" and node.get("pattern") in _WORD_PATTERNS
    if is_word or (
        kind == "literal" and all(_WORD.fullmatch(str(one)) for one in cast("list[object]", node["expected"]))
    ):
        return Vetting.WORD
    return Vetting.LOOSE


def _is_within_bounds(node: _Node) -> bool:
    least, most = node.get("ge"), node.get("le")
    return isinstance(least, int) and isinstance(most, int) and -WHOLE_NUMBER_MAX <= least <= most <= WHOLE_NUMBER_MAX


def _bare(node: _Node) -> _Node:
    return {name: value for name, value in node.items() if name not in _ANNOTATIONS}


def _inner(node: _Node) -> _Node:
    return cast("_Node", node["schema"])
