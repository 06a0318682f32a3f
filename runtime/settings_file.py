"""Settings files: YAML read into a pydantic model, every mistake one sentence with file, line, key and remedy."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from contract.ids import ID_LENGTH_MAX, ID_PATTERN
from runtime.errors import SettingsError

SETTINGS_BYTES_MAX = 5_000_000


class SettingsModel(BaseModel):
    """A block of a settings file: an unknown key is a mistake, not something to pass over."""

    model_config = ConfigDict(extra="forbid", frozen=True)


M = TypeVar("M", bound=BaseModel)

_UNITS = {
    "s": "seconds",
    "ms": "milliseconds",
    "mm": "millimetres",
    "px": "pixels",
    "c": "degrees Celsius",
    "bytes": "bytes",
    "fps": "pictures a second",
    "krw": "won",
}
_RELATIONS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
_NUMBER = "a number{unit} without anything behind it"
_WHOLE_NUMBER = "a whole number{unit} without anything behind it"
_LIST = "a list: each entry on a line of its own that begins with '- '"
_BLOCK = "a block of keys"
_NOUNS = {
    "int_parsing": _WHOLE_NUMBER,
    "int_type": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "float_parsing": _NUMBER,
    "float_type": _NUMBER,
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "string_type": "text: write it in quotes if it looks like a number",
    "tuple_type": _LIST,
    "list_type": _LIST,
    "model_type": _BLOCK,
    "dict_type": _BLOCK,
    "model_attributes_type": _BLOCK,
}


class MisplacedError(ValueError):
    """A rule between blocks is broken; `location` leads from where the rule stands to the key that is to be changed."""

    def __init__(self, sentence: str, *location: str | int) -> None:
        super().__init__(sentence)
        self.location = location


def load_settings(path: Path, model: type[M]) -> M:
    """Read `path` as `model`.

    Raises:
        SettingsError: unreadable, not YAML, or not this model: all mistakes, a line each.
    """
    text = _text(path)
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_double_keys(path, root)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise SettingsError(_not_yaml(path, error)) from error
    except RecursionError as error:
        raise SettingsError(f"{path}: nested too deeply: no settings file needs that") from error
    if not isinstance(data, dict):
        raise SettingsError(
            f"{path}: empty or not a mapping: expected keys such as {', '.join(list(model.model_fields)[:4])}"
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_sentence(path, root, model, detail) for detail in error.errors(include_url=False)]
        raise SettingsError("\n".join(lines)) from error


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > SETTINGS_BYTES_MAX:
            raise SettingsError(f"{path}: larger than {SETTINGS_BYTES_MAX} bytes, which no settings file is")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file") from error
    except IsADirectoryError as error:
        raise SettingsError(f"{path}: this is a folder: name the file in it") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 text: save it as UTF-8") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from error


def _refuse_double_keys(path: Path, root: yaml.Node | None) -> None:
    """YAML lets the last of two equal keys win without a word; here the first mistake of the kind is said."""
    waiting = [root] if root is not None else []
    seen: set[int] = set()  # an alias stands for one node in many places, even inside itself: once is enough
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[str, int] = {}
            for key, value in node.value:
                line, name = key.start_mark.line + 1, str(key.value)
                first = lines.get(name)
                lines[name] = line
                if first is not None:
                    raise SettingsError(f"{path}:{line}: {name}: this key is here twice, first in line {first}")
                waiting.append(value)


def _sentence(path: Path, root: yaml.Node | None, model: type[BaseModel], detail: ErrorDetails) -> str:
    location = [part for part in detail["loc"] if not (isinstance(part, str) and part.startswith("function-"))]
    kind, fault = detail["type"], detail.get("ctx", {}).get("error")
    if isinstance(fault, MisplacedError):
        location.extend(fault.location)
    key, line = _walk(root, location, names_absent=kind in {"missing", "extra_forbidden"})
    if kind == "extra_forbidden":
        wording = f"unknown key; {_known(str(location[-1]), _names_beside(model, location), 'key')}"
    elif kind == "missing":
        wording = "this key is missing and has no default"
    elif fault is not None:
        wording = _one_line(str(fault))
    else:
        wording = _wording(key, detail)
    return f"{path}:{line}: {key}: {wording}"


def _wording(key: str, detail: ErrorDetails) -> str:
    """What is wrong and what would be right, for the mistakes that pydantic finds by itself."""
    kind, context, found = detail["type"], detail.get("ctx", {}), detail["input"]
    if kind == "union_tag_invalid":
        tag, names = str(context["tag"]), re.findall(r"'([^']*)'", context["expected_tags"])
        what = str(context["discriminator"]).strip("'")
        return f"unknown {what} {tag!r}; {_known(tag, names, what)}"
    if kind == "union_tag_not_found":
        return f"the key {context['discriminator']} is missing, which says what this is"
    shown = "" if isinstance(found, dict | list) else f"found {str(found)[:60]!r}, "
    return shown + (_expected(key, kind, context) or _one_line(detail["msg"]))


def _expected(key: str, kind: str, context: Mapping[str, Any]) -> str:
    """What would be right, or nothing where pydantic's own words have to do."""
    if kind in _RELATIONS:
        return f"expected {_RELATIONS[kind]} {next(iter(context.values())):.15g}{_unit(key)}"
    if kind == "string_pattern_mismatch" and context["pattern"] == ID_PATTERN:
        return f"expected 1 to {ID_LENGTH_MAX} of a-z, 0-9 and '-', not beginning with '-'"
    noun = _NOUNS.get(kind, "")
    return f"expected {noun.format(unit=_unit(key))}" if noun else ""


def _known(found: str, names: Iterable[str], what: str) -> str:
    ordered = sorted(names)
    close = get_close_matches(found, ordered, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known {what}s: {', '.join(ordered)}"


def _unit(key: str) -> str:
    """The unit that a key's name carries: `period_s` is in seconds, `retry_delay_s_max` too."""
    units = [_UNITS[part] for part in key.rpartition(".")[2].split("_")[1:] if part in _UNITS]
    return f" ({units[-1]})" if units else ""


def _walk(root: yaml.Node | None, location: Sequence[int | str], *, names_absent: bool) -> tuple[str, int]:
    """The dotted key as the user wrote it, and its line; parts of the model's own (union tags) are passed over.

    With `names_absent` the last part is named even where the file does not have it.
    """
    node, line, shown = root, 1, ""
    for place, part in enumerate(location):
        last = place == len(location) - 1
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if str(key.value) == str(part)), None)
            if found is not None:
                line, node = found[0].start_mark.line + 1, found[1]
            elif not (last and names_absent):
                continue
            shown += f".{part}" if shown else str(part)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
            shown += f"[{part}]"
    return shown or "(top level)", line


def _names_beside(model: type[BaseModel], location: Sequence[int | str]) -> set[str]:
    """The keys that would be right where `location` ends."""
    models: set[type[BaseModel]] = {model}
    for part in location[:-1]:
        deeper: set[type[BaseModel]] = set()
        for one in models:
            field = one.model_fields.get(str(part))
            if field is not None:
                deeper |= _models_in(field.annotation)
        tagged = {one for one in models if _has_tag(one, part)}
        models = deeper or tagged or models
    return {name for one in models for name in one.model_fields}


def _has_tag(model: type[BaseModel], tag: int | str) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())


def _models_in(annotation: object) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {one for argument in get_args(annotation) for one in _models_in(argument)}


def _not_yaml(path: Path, error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{path}:{mark.line + 1}: not YAML: {error.problem} (column {mark.column + 1})"
    return f"{path}: not YAML: {_one_line(str(error))}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
