"""A disk that can be full: a tmpfs of a few megabytes (Linux, root) and a ballast file on it."""

import os
import shutil
import subprocess
from pathlib import Path

LEFT_BYTES_MIN = 4096


class SmallDisk:
    """A file system of `size_bytes`, mounted at `folder`."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder = folder
        self._size_bytes = size_bytes
        self._ballast = folder / "ballast"

    def mount(self) -> bool:
        """Mount it; false where that is not allowed."""
        program = shutil.which("mount")
        if program is None:
            return False
        command = [program, "-t", "tmpfs", "-o", f"size={self._size_bytes},mode=700", "tmpfs", str(self._folder)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    def unmount(self) -> None:
        """Take it away, with all that is on it."""
        subprocess.run(["umount", str(self._folder)], check=True)

    def fill(self) -> None:
        """Leave no room at all."""
        descriptor = os.open(self._ballast, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            end, step = 0, self._free_bytes()
            while step >= LEFT_BYTES_MIN:
                try:
                    os.posix_fallocate(descriptor, end, step)
                except OSError:  # no room for so much: half of it
                    step //= 2
                else:
                    end += step
        finally:
            os.close(descriptor)

    def free(self) -> None:
        """Give the room back."""
        self._ballast.unlink(missing_ok=True)

    def _free_bytes(self) -> int:
        found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize
