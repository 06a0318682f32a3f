"""The documents exist, agree with each other and with the code."""

import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from benchmarks.__main__ import files, what
from edge.plugins import discover
from jangteo import generate
from jangteo.cli import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [path for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")) if path.name != "LICENSE.md"]


def commands(page: Path) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return [line.split("#")[0].rstrip() for block in blocks for line in block.splitlines() if line.strip()]


def test_both_readmes_have_the_same_commands_pictures_and_links() -> None:
    english, korean = ROOT / "README.md", ROOT / "README.ko.md"
    assert commands(english) == commands(korean)
    links = [re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8"))[1:] for page in (english, korean)]
    assert links[0] == links[1]
    rooms = [
        re.findall(r"^\| (`.*?`) \|", page.read_text(encoding="utf-8"), re.MULTILINE) for page in (english, korean)
    ]
    assert rooms[0] == rooms[1]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_and_picture_of_a_page_is_there(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_jangteo_command_in_a_page_is_one(page: Path) -> None:
    known = {" ".join(path) for path in paths()}
    for line in commands(page):
        words = shlex.split(line)
        for index, word in enumerate(words):
            if Path(word).name == "jangteo" and index + 1 < len(words) and not words[index + 1].startswith("-"):
                first = words[index + 1]
                assert first in known or " ".join(words[index + 1 : index + 3]) in known, line
            if word.startswith("scripts/"):
                assert (ROOT / word).exists(), line


def paths() -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    root = get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]  # a group's commands
        inner = getattr(command, "commands", None)
        found += [(name, deeper) for deeper in inner] if inner else [(name,)]
        if inner and getattr(command, "invoke_without_command", False):
            found.append((name,))
    return found


def test_every_command_has_an_example() -> None:
    root = get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]  # a group's commands
        for one in getattr(command, "commands", {name: command}).values():
            assert "Example: jangteo" in (one.help or ""), one.name


def test_every_sensor_kind_is_in_the_operations_page_with_every_key_of_its_settings() -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for kind, plugin in discover().items():
        assert f"`{kind}`" in text
        for key in plugin.settings.model_fields:
            assert f"`{key}`" in text, f"{kind}: {key}"


def test_every_benchmark_says_what_it_measures() -> None:
    for name, path in files().items():
        assert what(path).endswith("."), name


def test_generated_files_are_up_to_date() -> None:
    assert generate.out_of_date() == []


def test_every_shipped_file_of_others_is_named_with_its_licence_beside_it() -> None:
    text = (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")
    others = [
        path
        for folder in ("brand", "broker", "edge", "dashboards", "firmware_sim")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".woff2", ".ttf", ".otf", ".onnx", ".jpg", ".mp4"}
        or ("vendor" in path.parts and path.is_file())
    ]
    assert others
    for path in others:
        if "LICENSE" not in path.name:
            assert path.name in text, path
            assert list(path.parent.glob("LICENSE*")), f"no licence beside {path}"


def test_documents_name_no_machine_and_no_registry() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for word in ("/work/", "/root/", "pypi.org", "deb.debian.org", "registry.npmjs"):
            assert word not in text, f"{page}: {word}"


def test_requirements_are_pinned_with_hashes_and_name_no_index() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text(encoding="utf-8")
        assert "--hash=sha256:" in text
        assert "://" not in text
        assert "--index-url" not in text
        for line in text.splitlines():
            if line and not line.startswith((" ", "#")):
                assert "==" in line, line


def test_the_ci_runs_check_and_test() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "scripts/check" in text
    assert "scripts/test" in text


def test_every_yaml_that_we_ship_is_yaml() -> None:
    for folder in ("config", "deploy/compose", "dashboards/provisioning"):
        for path in (ROOT / folder).rglob("*.y*ml"):
            assert yaml.safe_load(path.read_text(encoding="utf-8")), path
