from pathlib import Path

import pytest
import structlog

from runtime.errors import FatalError
from tests.tools.fire.training_folders import row, street, write_folder
from tools.fire.folder import read_folder

ONE, TWO = "images/one.jpg", "images/two.jpg"


def test_rows_without_a_usable_licence_are_left_out_counted_and_said(tmp_path: Path) -> None:
    rows = [row(ONE, "fire", "MIT"), row(TWO, "nofire", "none stated")]
    write_folder(tmp_path, rows, {ONE: street(1), TWO: street(2)})
    with structlog.testing.capture_logs() as logs:
        folder = read_folder(tmp_path)
    assert [(str(one.file), one.is_fire) for one in folder.rows] == [(ONE, True)]
    assert folder.refused == {"none stated": 1}
    assert [(line["event"], line["rows"]) for line in logs] == [("training.rows_refused", 1)]


def test_videos_are_never_learned_from(tmp_path: Path) -> None:
    write_folder(tmp_path, [row("clip.mp4", "fire", kind="video"), row(ONE, "other")], {ONE: street(1)})
    assert [str(one.file) for one in read_folder(tmp_path).rows] == [ONE]


def test_a_folder_without_labels_says_what_it_needs(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"labels\.csv is missing; a training folder holds"):
        read_folder(tmp_path)


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file,label,kind,scene,source\n", encoding="utf-8")
    with pytest.raises(FatalError, match="lacks the column licence"):
        read_folder(tmp_path)


def test_a_label_out_of_the_list_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, [row(ONE, "smoke")], {ONE: street(1)})
    with pytest.raises(FatalError, match=r"one\.jpg has the label 'smoke'; it must be fire, other or nofire"):
        read_folder(tmp_path)


def test_a_missing_picture_is_named(tmp_path: Path) -> None:
    write_folder(tmp_path, [row(ONE, "fire")], {})
    with pytest.raises(FatalError, match=r"one\.jpg is missing, but labels\.csv names it"):
        read_folder(tmp_path)
