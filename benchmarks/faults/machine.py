"""A device's machine whose clocks the harness can set wrong: a day ahead, a day back, or none at boot."""

import time
from pathlib import Path

from pydantic import BaseModel

from edge.timescale import Sight

UPTIME_MS = 8_000  # how long a board takes from power to the agent
NS_PER_MS = 1_000_000


class Boot(BaseModel):
    """How a board was started: when, and whether it will find a time service by itself."""

    number: int = 1
    begun_boot_ms: int
    has_time_service: bool = True


def real_boot_ms() -> int:
    """The real machine's time since its boot, one clock for all processes."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // NS_PER_MS


def start_board(file: Path, *, has_time_service: bool) -> None:
    """Start the boards that read `file` anew: without a time service their clocks begin in 1970."""
    before = Boot.model_validate_json(file.read_text(encoding="ascii")) if file.exists() else None
    number = 1 if before is None else before.number + 1
    boot = Boot(number=number, begun_boot_ms=real_boot_ms() - UPTIME_MS, has_time_service=has_time_service)
    file.write_text(boot.model_dump_json(), encoding="ascii")


class FaultyMachine:
    """An `edge.machine_time.MachineTime`: real time as the truth, the wall clock as somebody has set it."""

    def __init__(self, file: Path) -> None:
        self._boot = Boot.model_validate_json(file.read_text(encoding="ascii"))
        self._synchronised = self._boot.has_time_service
        self._set_wrong_by_ms = 0

    def boot_id(self) -> str:
        """Another one after every `start_board`."""
        return f"boot-{self._boot.number}"

    def boot_ms(self) -> int:
        """Since this board was started."""
        return real_boot_ms() - self._boot.begun_boot_ms

    def monotonic_s(self) -> float:
        """The real one."""
        return time.monotonic()

    def wall_unix_ms(self) -> int:
        """Real time, as wrong as it was set; without a time service since 1970."""
        if self._synchronised or self._set_wrong_by_ms:
            return time.time_ns() // NS_PER_MS + self._set_wrong_by_ms
        return self.boot_ms()

    def sight(self) -> Sight:
        """Everything there is to see: no battery clock."""
        synchronised = self._synchronised and not self._set_wrong_by_ms
        return Sight(self.boot_ms(), self.wall_unix_ms(), synchronised, self._synchronised)

    def set_wrong(self, by_ms: int) -> None:
        """Somebody sets the wall clock by hand; 0 sets it right."""
        self._set_wrong_by_ms = by_ms

    def find_time_service(self) -> None:
        """A time service answers."""
        self._synchronised = True
