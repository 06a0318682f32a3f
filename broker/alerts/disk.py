"""The disk under the central state: nearly full is a trouble before nothing can be written any more."""

import shutil
from pathlib import Path

from sqlalchemy import make_url

NAME = "disk"
REASON = "disk-full"
SUBJECT = "centre"
FREE_SHARE_MIN = 0.05
FREE_BYTES_MIN = 500_000_000
FREE_AGAIN = 1.2  # of the bound: around it, a trouble does not come and go


def folder_of(database_url: str) -> Path | None:
    """Where a SQLite file lies; `None` for a server, whose disk is not seen from here."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    return Path(url.database).absolute().parent


class DiskWatch:
    """Looks at the disk under one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._is_low = False

    def look(self) -> str:
        """What is wrong, in words; empty while there is room. An unreadable disk says nothing new.

        Raises:
            OSError: the folder cannot be looked at.
        """
        usage = shutil.disk_usage(self._folder)
        bound = max(FREE_BYTES_MIN, usage.total * FREE_SHARE_MIN)
        self._is_low = usage.free < bound * (FREE_AGAIN if self._is_low else 1)
        if not self._is_low:
            return ""
        return f"{usage.free / 1e9:.1f} of {usage.total / 1e9:.0f} GB free under the central state"
