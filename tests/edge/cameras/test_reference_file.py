"""The file of a camera's reference views."""

import stat
from pathlib import Path

import numpy as np
import pytest

from edge.cameras.reference_file import load_reference, save_reference
from edge.cameras.seeing import SightMemory
from edge.cameras.views import VIEWS_MAX

SOURCE = "rtsp://operator:secret@10.0.0.7/cam"
VIEW = np.random.default_rng(3).integers(0, 255, (120, 160)).astype(np.uint8)


def test_what_is_kept_is_read_again_and_only_its_owner_may(tmp_path: Path) -> None:
    file = tmp_path / "cameras" / "cam-1.json"
    assert save_reference(file, SOURCE, SightMemory((VIEW,) * VIEWS_MAX, 0.7))
    memory = load_reference(file, SOURCE)
    assert memory.sharpness == 0.7
    assert [np.array_equal(view, VIEW) for view in memory.views] == [True] * VIEWS_MAX
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in file.read_text()
    assert file.stat().st_size < 200_000


def test_the_view_of_another_source_is_not_taken(tmp_path: Path) -> None:
    save_reference(tmp_path / "c.json", SOURCE, SightMemory((VIEW,)))
    assert load_reference(tmp_path / "c.json", "rtsp://operator:secret@10.0.0.8/cam").views == ()
    assert len(load_reference(tmp_path / "c.json", "rtsp://operator:changed@10.0.0.7/cam").views) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"\xff\xfe", b'{"source":"x","sharpness":null,"views_png_base64":["AA"]}']
)
def test_a_file_that_cannot_be_used_counts_as_none(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "c.json").write_bytes(body)
    assert load_reference(tmp_path / "c.json", SOURCE).views == ()
    assert load_reference(tmp_path / "missing.json", SOURCE).views == ()


def test_a_disk_that_takes_nothing_is_said_not_raised(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert not save_reference(tmp_path / "file" / "c.json", SOURCE, SightMemory((VIEW,)))
