"""A small state that outlives a restart: one file, replaced whole, synced."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import structlog
from pydantic import BaseModel, ValidationError

OWNER_ONLY, ANYBODY = 0o600, 0o666  # the second less the process's umask

log = structlog.get_logger(__name__)

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class StateFile(Generic[M]):
    """Holds one model in `path`; `empty` is what it is before there is a file. For one writer at a time.

    A `private` one only its owner can read.
    """

    path: Path
    empty: M
    private: bool = False

    def load(self) -> M:
        """The state. A file that cannot be read is kept beside as `.unreadable`, said, and counts as empty."""
        try:
            return type(self.empty).model_validate_json(self.path.read_bytes())
        except FileNotFoundError:
            return self.empty
        except (OSError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            log.error("state.unreadable", path=str(self.path), reason=reason, consequence="begins empty")  # noqa: TRY400 - a sentence says it
            self._set_aside()
            return self.empty

    def save(self, state: M) -> bool:
        """Write and sync; return whether it is on the disk. A disk that takes nothing is said in the log."""
        fresh = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            fresh.unlink(missing_ok=True)  # whatever its mode was
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY if self.private else ANYBODY)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(state.model_dump_json())
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self.path)
        except OSError as error:
            log.warning("state.not_saved", path=str(self.path), reason=str(error))
            return False
        return True

    def _set_aside(self) -> None:
        try:
            self.path.replace(self.path.with_suffix(".unreadable"))
        except OSError as error:
            log.warning("state.not_set_aside", path=str(self.path), reason=str(error))
