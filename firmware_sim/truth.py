"""The ground truth of a simulated device: what really is in each bay, for tests to compare with what is shown."""

import json
from pathlib import Path
from typing import IO

import structlog

log = structlog.get_logger(__name__)

BYTES_MAX = 50_000_000


class TruthLog:
    """A file of JSON lines, begun anew: `time_unix_ms` (the machine's), `sim_unix_ms`, `bay`, `occupied`, `fault`.

    At `BYTES_MAX` it says so in the log and takes no more.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._file: IO[str] | None = path.open("w", encoding="utf-8", buffering=1)
        self._bytes = 0

    def write(self, time_unix_ms: int, sim_unix_ms: int, bay: str, *, occupied: bool, fault: str | None) -> None:
        """Add a line."""
        if self._file is None:
            return
        entry = {"time_unix_ms": time_unix_ms, "sim_unix_ms": sim_unix_ms, "bay": bay, "occupied": occupied}
        line = json.dumps({**entry, "fault": fault}) + "\n"
        self._bytes += len(line)
        if self._bytes > BYTES_MAX:
            log.warning("sim.truth_full", path=str(self._path), bytes_max=BYTES_MAX)
            self.close()
            return
        self._file.write(line)

    def close(self) -> None:
        """Close the file; later lines are dropped."""
        if self._file is not None:
            self._file.close()
            self._file = None
