"""Settings files: every mistake is a sentence with file, line, key and what would be right."""

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, model_validator

from runtime.errors import SettingsError
from runtime.settings_file import SETTINGS_BYTES_MAX, MisplacedError, SettingsModel, load_settings


class Lamp(SettingsModel):
    kind: Literal["lamp"]
    delay_s: Annotated[float, Field(ge=0.5, le=5)] = 1.0


class Bell(SettingsModel):
    kind: Literal["bell"]
    pin: int
    loud: bool = False


class House(SettingsModel):
    owner: str
    parts: tuple[Annotated[Lamp | Bell, Field(discriminator="kind")], ...] = ()
    limit_bytes: Annotated[int, Field(gt=0)] = 10

    @model_validator(mode="after")
    def _one_bell(self) -> "House":
        bells = [place for place, part in enumerate(self.parts) if isinstance(part, Bell)]
        if len(bells) > 1:
            raise MisplacedError("a second bell", "parts", bells[1], "pin")
        return self


def _load(tmp_path: Path, text: str) -> House:
    file = tmp_path / "house.yaml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file, House)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    house = _load(tmp_path, "owner: Kim\nparts:\n  - {kind: bell, pin: 4}\n")

    assert house.parts == (Bell(kind="bell", pin=4),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("owner: Kim\nlimit_byte: 3\n", "2: limit_byte: unknown key; did you mean 'limit_bytes'?"),
        (
            "owner: Kim\nparts:\n  - kind: bell\n    pin: 4\n    lod: true\n",
            "5: parts[0].lod: unknown key; did you mean 'loud'?",
        ),
        ("owner: Kim\nparts:\n  - {kind: bell}\n", "3: parts[0].pin: this key is missing and has no default"),
        ("owner: Kim\nparts:\n  - {kind: gong}\n", "3: parts[0]: unknown kind 'gong'; known kinds: bell, lamp"),
        ("owner: Kim\nparts:\n  - {pin: 4}\n", "3: parts[0]: the key 'kind' is missing, which says what this is"),
        (
            "owner: Kim\nparts:\n  - kind: lamp\n    delay_s: 2 s\n",
            "4: parts[0].delay_s: found '2 s', expected a number (seconds) without anything behind it",
        ),
        (
            "owner: Kim\nparts:\n  - {kind: lamp, delay_s: 9}\n",
            "3: parts[0].delay_s: found '9', expected at most 5 (seconds)",
        ),
        ("owner: Kim\nlimit_bytes: 0\n", "2: limit_bytes: found '0', expected more than 0 (bytes)"),
        (
            "owner: Kim\nparts: bell\n",
            "2: parts: found 'bell', expected a list: each entry on a line of its own that begins with '- '",
        ),
        ("owner: 7\n", "1: owner: found '7', expected text: write it in quotes if it looks like a number"),
        (
            "owner: Kim\nparts:\n  - {kind: bell, pin: 4}\n  - {kind: bell, pin: 5}\n",
            "4: parts[1].pin: a second bell",
        ),
    ],
)
def test_each_mistake_is_one_sentence_with_its_place(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, text)

    assert str(caught.value) == f"{tmp_path / 'house.yaml'}:{sentence}"


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _load(tmp_path, "owner: 7\nlimit_bytes: x\n")

    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("text", ["", "- a\n", "text\n"])
def test_what_is_no_mapping_says_which_keys_are_expected(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError, match="empty or not a mapping: expected keys such as owner"):
        _load(tmp_path, text)


def test_a_broken_yaml_says_where(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"house.yaml:2: not YAML: "):
        _load(tmp_path, "owner: [Kim\nparts: 3\n")


def test_a_file_that_is_not_there_or_not_text_or_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="there is no such file"):
        load_settings(tmp_path / "none.yaml", House)
    with pytest.raises(SettingsError, match="this is a folder"):
        load_settings(tmp_path, House)
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="is not UTF-8 text"):
        load_settings(tmp_path / "binary.yaml", House)
    with (tmp_path / "long.yaml").open("wb") as file:
        file.truncate(SETTINGS_BYTES_MAX + 1)
    with pytest.raises(SettingsError, match="larger than"):
        load_settings(tmp_path / "long.yaml", House)


def test_a_key_that_is_there_twice_is_a_mistake_not_the_last_one_s_win(tmp_path: Path) -> None:
    file = tmp_path / "double.yaml"
    file.write_text("rooms:\n  - {name: a, name: b}\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"double.yaml:2: name: this key is here twice, first in line 2"):
        load_settings(file, House)
    file.write_text("name: a\nother: 1\nname: b\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"double.yaml:3: name: this key is here twice, first in line 1"):
        load_settings(file, House)


def test_a_file_nested_too_deeply_is_refused_in_a_sentence(tmp_path: Path) -> None:
    file = tmp_path / "deep.yaml"
    file.write_text("name: " + "[" * 5000, encoding="utf-8")
    with pytest.raises(SettingsError, match="nested too deeply"):
        load_settings(file, House)


MANY = ["a: &a [x, x, x, x]"] + [f"b{n}: &b{n} [{', '.join([f'*b{n - 1}' if n else '*a'] * 9)}]" for n in range(12)]


@pytest.mark.parametrize("text", ["name: &x [*x]", "\n".join(MANY)], ids=["inside-itself", "many-times-many"])
def test_aliases_cannot_hold_the_reader_up(tmp_path: Path, text: str) -> None:
    file = tmp_path / "aliases.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError):
        load_settings(file, House)
