"""A small state on the disk: whole or not at all."""

from pathlib import Path

import pytest

from edge.sensing.counts import Counts
from edge.state_file import StateFile


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "deep" / "counts.json", Counts())
    assert file.load() == Counts()

    assert file.save(Counts(in_count=3, out_count=4))

    assert StateFile(tmp_path / "deep" / "counts.json", Counts()).load() == Counts(in_count=3, out_count=4)
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["counts.json"]


@pytest.mark.parametrize("text", ["", "{", '{"in_count": -1}', '{"in_count": "3"}', "[]"])
def test_a_broken_file_is_kept_beside_and_counts_as_empty(tmp_path: Path, text: str) -> None:
    path = tmp_path / "counts.json"
    path.write_text(text, encoding="utf-8")

    assert StateFile(path, Counts()).load() == Counts()
    assert path.with_suffix(".unreadable").read_text(encoding="utf-8") == text


def test_a_disk_that_takes_nothing_is_said_and_the_old_state_stays(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    file = StateFile(path, Counts())
    file.save(Counts(in_count=1))
    path.with_suffix(".new").mkdir()  # nothing can be written there

    assert not file.save(Counts(in_count=2))
    assert file.load() == Counts(in_count=1)
