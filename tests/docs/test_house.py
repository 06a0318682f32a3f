"""The house has the rooms that its plan names, and no others."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
ROOMS = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests"}


def test_every_room_is_held_by_the_import_rules() -> None:
    linter = PROJECT["tool"]["importlinter"]
    assert set(linter["root_packages"]) == ROOMS
    layers = next(one["layers"] for one in linter["contracts"] if one["name"].startswith("The house"))
    assert {room.strip() for layer in layers for room in layer.split("|")} == ROOMS


def test_every_room_is_on_the_map_of_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for room in (*ROOMS, "config", "tests", "scripts"):
        assert f"`{room}/`" in text, room


def test_no_cupboard() -> None:
    for path in ROOT.rglob("*.py"):
        if ".venv" not in path.parts:
            assert path.stem not in {"utils", "helpers", "common", "manager", "misc"}, path


def test_every_ignored_rule_of_ruff_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    block = text[text.index("[tool.ruff.lint]") : text.index("[tool.ruff.lint.pydocstyle]")]
    for line in block.splitlines():
        if line.strip().startswith('"') or line.startswith('"'):
            assert "#" in line or line.rstrip().endswith("["), line
