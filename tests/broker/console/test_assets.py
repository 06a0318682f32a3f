"""Assets: named by their hash, whole, bounded."""

import hashlib
import os
from pathlib import Path

import pytest

from broker.console.assets import AssetFiles, AssetsFullError


def test_a_file_is_found_by_its_hash_and_kept_once(tmp_path: Path) -> None:
    files = AssetFiles(tmp_path / "assets", 1000)
    sha256 = files.keep(b"hello", frozenset())
    assert sha256 == hashlib.sha256(b"hello").hexdigest() == files.keep(b"hello", frozenset())
    found = files.find(sha256)
    assert found is not None
    assert found.read_bytes() == b"hello"
    assert [file.name for file in (tmp_path / "assets").iterdir()] == [sha256]


@pytest.mark.parametrize("name", ["", "..", "../secret", "A" * 64, "0" * 63, "0" * 64 + "\n", "0" * 64])
def test_nothing_but_a_kept_hash_is_found(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("x")
    folder = tmp_path / "assets"
    folder.mkdir()
    assert AssetFiles(folder, 1000).find(name) is None


def test_over_the_bound_the_oldest_unused_file_goes(tmp_path: Path) -> None:
    files = AssetFiles(tmp_path, 250)
    names = []
    for number in range(2):
        names.append(files.keep(bytes([number]) * 100, frozenset()))
        os.utime(tmp_path / names[-1], (number, number))
    third = files.keep(b"c" * 100, frozenset({names[0]}))
    assert [files.find(one) is not None for one in (*names, third)] == [True, False, True]


def test_without_room_nothing_is_written(tmp_path: Path) -> None:
    files = AssetFiles(tmp_path, 150)
    first = files.keep(b"a" * 100, frozenset())
    with pytest.raises(AssetsFullError, match="withdraw a notice"):
        files.keep(b"b" * 100, frozenset({first}))
    assert [file.name for file in tmp_path.iterdir()] == [first]
