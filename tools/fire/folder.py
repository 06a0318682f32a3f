"""The training folder: pictures, and labels.csv that says what each shows and under which licence it stands."""

import csv
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from runtime.errors import FatalError
from tools.fire.licences import may_be_learned_from

log = structlog.get_logger(__name__)

_COLUMNS = ("file", "label", "kind", "scene", "source", "licence")
_FIRE, _OTHERS = "fire", ("other", "nofire")


@dataclass(frozen=True, slots=True)
class Row:
    """One picture of the folder; `file` is relative to the folder."""

    file: Path
    is_fire: bool
    scene: str
    source: str
    licence: str
    tags: frozenset[str]


@dataclass(frozen=True, slots=True)
class Folder:
    """The rows that may be learned from, and how many were left out for each licence that forbids it."""

    root: Path
    rows: tuple[Row, ...]
    refused: Counter[str] = field(default_factory=Counter)


def read_folder(root: Path) -> Folder:
    """The pictures of `root` that a product may learn from; the others are counted and said in one sentence.

    Raises `FatalError` when labels.csv is missing, lacks a column, has a label other than fire, other or nofire, or
    names a picture that is not there.
    """
    path = root / "labels.csv"
    if not path.is_file():
        raise FatalError(
            f"{path} is missing; a training folder holds labels.csv with the columns {', '.join(_COLUMNS)}"
        )
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise FatalError(f"{path} lacks the column {missing[0]}; it needs {', '.join(_COLUMNS)}")
        lines = [line for line in reader if line["kind"] == "image"]
    refused = Counter(line["licence"] for line in lines if not may_be_learned_from(line["licence"]))
    if refused:
        log.warning(
            "training.rows_refused",
            folder=str(root),
            rows=refused.total(),
            because="their licence does not allow a product to learn from them",
            licences=dict(refused),
        )
    rows = tuple(_row(root, line) for line in lines if may_be_learned_from(line["licence"]))
    return Folder(root, rows, refused)


def _row(root: Path, line: dict[str, str]) -> Row:
    label, name = line["label"], line["file"]
    if label != _FIRE and label not in _OTHERS:
        raise FatalError(f"{root / 'labels.csv'}: {name} has the label {label!r}; it must be fire, other or nofire")
    if not (root / name).is_file():
        raise FatalError(f"{root / name} is missing, but labels.csv names it; restore it or remove its row")
    tags = frozenset(tag.strip() for tag in (line.get("tags") or "").replace(";", ",").split(",") if tag.strip())
    return Row(Path(name), label == _FIRE, line["scene"], line["source"], line["licence"], tags)
