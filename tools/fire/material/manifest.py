"""The list of pictures that may be learned from: archives of package registries, and what is taken from each."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from runtime.errors import FatalError
from tools.fire.licences import may_be_learned_from

HERE = Path(__file__).parent

Label = Literal["fire", "other"]

_COLUMNS = ("archive", "file", "licence", "credit", "label", "scene", "tags")
_LABELS: tuple[Label, ...] = ("fire", "other")


class Archive(BaseModel):
    """One package as a registry hands it out, pinned by version and hash."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z0-9.-]+$", description="how the pictures name it, and the start of their files")
    client: Literal["apt", "npm", "pip"] = Field(description="the registry's ordinary client that fetches it")
    package: str = Field(min_length=1)
    version: str = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="of the archive, as the client writes it")
    stated_in: str = Field(min_length=1, description="where the package states its pictures' licences")


class _Archives(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    archives: Annotated[tuple[Archive, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Material:
    """One picture: where it lies in its archive, its licence and author, and what it shows."""

    archive: str
    file: str
    licence: str
    credit: str
    label: Label
    scene: str
    tags: tuple[str, ...]

    @property
    def target(self) -> Path:
        """Where the picture lies in a training folder, relative to it; `.jpg` whatever it was."""
        stem = Path(self.file).with_suffix("").as_posix().replace("/", "-").replace(" ", "-")
        parts = stem.lstrip(".-").split("-")
        return Path("images") / self.label / f"{self.archive}-{'-'.join(parts[-3:])}.jpg"


@dataclass(frozen=True, slots=True)
class Manifest:
    """All archives, and all pictures in the order of the list."""

    archives: tuple[Archive, ...]
    pictures: tuple[Material, ...]

    def of(self, archive: Archive) -> tuple[Material, ...]:
        """The pictures taken from `archive`."""
        return tuple(picture for picture in self.pictures if picture.archive == archive.name)


def read_manifest(folder: Path = HERE) -> Manifest:
    """The archives of `archives.yaml` and the pictures of `pictures.csv` in `folder`.

    Raises `FatalError` for a file that is missing or wrong, a licence that a product may not learn from, a label other
    than fire or other, an archive that nobody lists, and two pictures that would be written to one file.
    """
    archives = _read_archives(folder / "archives.yaml")
    pictures = _read_pictures(folder / "pictures.csv", {archive.name for archive in archives})
    return Manifest(archives, pictures)


def _read_archives(path: Path) -> tuple[Archive, ...]:
    try:
        listed = _Archives.model_validate(yaml.safe_load(_text(path)))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise FatalError(f"{path}: {where}: {first['msg']}; correct that entry") from error
    except yaml.YAMLError as error:
        raise FatalError(f"{path} is not YAML: {' '.join(str(error).split())}; correct it") from error
    names = [archive.name for archive in listed.archives]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise FatalError(f"{path} lists the archive {twice} twice; each needs a name of its own")
    return listed.archives


def _read_pictures(path: Path, archives: set[str]) -> tuple[Material, ...]:
    reader = csv.DictReader(_text(path).splitlines())
    missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise FatalError(f"{path} lacks the column {missing[0]}; it needs {', '.join(_COLUMNS)}")
    pictures = tuple(_picture(path, number, row, archives) for number, row in enumerate(reader, start=2))
    seen: dict[Path, Material] = {}
    for picture in pictures:
        other = seen.setdefault(picture.target, picture)
        if other is not picture:
            raise FatalError(f"{path}: {picture.file} and {other.file} would both become {picture.target}; drop one")
    return pictures


def _picture(path: Path, number: int, row: dict[str, str], archives: set[str]) -> Material:
    where = f"{path}, line {number}"
    if row["archive"] not in archives:
        raise FatalError(f"{where}: the archive {row['archive']!r} is not in archives.yaml; add it there")
    if not may_be_learned_from(row["licence"]):
        raise FatalError(f"{where}: a product may not learn from the licence {row['licence']!r}; take the line out")
    label = next((known for known in _LABELS if known == row["label"]), None)
    if label is None:
        raise FatalError(f"{where}: the label {row['label']!r} is not fire or other; correct it")
    if not row["file"] or not row["scene"] or not row["credit"]:
        raise FatalError(f"{where}: file, credit and scene must not be empty; fill them in")
    tags = tuple(tag.strip() for tag in row["tags"].split(",") if tag.strip())
    return Material(row["archive"], row["file"], row["licence"], row["credit"], label, row["scene"], tags)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise FatalError(f"{path} cannot be read ({error.strerror}); restore it") from error
