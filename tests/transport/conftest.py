"""Where outboxes lie in these tests."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.absent import absent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of a little over 3 MB."""
    mount = tmp_path / "small"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3200k", "tmpfs", str(mount)], check=False, capture_output=True
        ).returncode
    ):
        absent("mounting a small file system takes root")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)  # a failed test may hold a file open
