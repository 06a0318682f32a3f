"""The machine's clocks and what vouches for them: boot time, wall time, the time service, a battery clock. Linux."""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from edge.timescale import NOISE_MS, Sight

NS_PER_MS = 1_000_000
MS_PER_S = 1000
TIME_ERROR = 5  # sys/timex.h: the state of a kernel clock that no time service keeps
TIMEX_BYTES = 512  # more than any `struct timex`; zeroed, it asks for nothing to be changed
LOOKS_MAX = 3
MARK_AGE_MS_MAX = 2 * 2_048_000  # timesyncd asks its server every 2,048 s at the latest

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
TIMESYNCD_MARK = Path("/run/systemd/timesync/synchronized")
RTC_SECONDS = Path("/sys/class/rtc/rtc0/since_epoch")

_BOOT_CLOCK: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class MachineTime(Protocol):
    """What a device clock asks of the machine it runs on."""

    def boot_id(self) -> str:
        """Names this boot of the machine; another after every restart of it."""
        ...

    def boot_ms(self) -> int:
        """Milliseconds since boot, sleep included; never jumps."""
        ...

    def monotonic_s(self) -> float:
        """Seconds that never run backwards, for durations."""
        ...

    def wall_unix_ms(self) -> int:
        """What the machine takes for Unix time."""
        ...

    def sight(self) -> Sight:
        """All clocks and witnesses, as of one moment."""
        ...


class LinuxTime:
    """The machine this runs on. Where the kernel tells no boot id, every run counts as a boot of its own."""

    def boot_id(self) -> str:
        """The kernel's random UUID of this boot."""
        return _boot_id()

    def boot_ms(self) -> int:
        """CLOCK_BOOTTIME; where a system has none, CLOCK_MONOTONIC."""
        return time.clock_gettime_ns(_BOOT_CLOCK) // NS_PER_MS

    def monotonic_s(self) -> float:
        """CLOCK_MONOTONIC."""
        return time.monotonic()

    def wall_unix_ms(self) -> int:
        """CLOCK_REALTIME."""
        return time.time_ns() // NS_PER_MS

    def sight(self) -> Sight:
        """Both clocks, read close together, the kernel's sync flag, timesyncd's mark, and the first battery clock."""
        boot_ms, wall_unix_ms = read_together(self.boot_ms, self.wall_unix_ms)
        marked = was_synchronised(wall_unix_ms, TIMESYNCD_MARK)
        return Sight(boot_ms, wall_unix_ms, kernel_is_synchronised(), marked, rtc_unix_ms())


@dataclass(slots=True)
class ManualTime:
    """A machine whose clocks stand still until they are told otherwise. `boot` starts it again."""

    started_wall_unix_ms: int = 0
    uptime_ms: int = 8_000
    synchronised: bool = False
    synchronised_once: bool = False
    rtc_ms: int | None = None
    boots: int = 1

    def boot_id(self) -> str:
        """Another one after every `boot`."""
        return f"boot-{self.boots}"

    def boot_ms(self) -> int:
        """What was told to pass since the boot."""
        return self.uptime_ms

    def monotonic_s(self) -> float:
        """The same in seconds."""
        return self.uptime_ms / MS_PER_S

    def wall_unix_ms(self) -> int:
        """What the wall clock was set to, and what has passed."""
        return self.started_wall_unix_ms + self.uptime_ms

    def sight(self) -> Sight:
        """All of it."""
        return Sight(self.uptime_ms, self.wall_unix_ms(), self.synchronised, self.synchronised_once, self.rtc_ms)

    def advance(self, seconds: float) -> None:
        """Let time pass on every clock."""
        self.uptime_ms += round(seconds * MS_PER_S)
        self.rtc_ms = None if self.rtc_ms is None else self.rtc_ms + round(seconds * MS_PER_S)

    def set_wall(self, unix_ms: int) -> None:
        """Somebody sets the wall clock by hand: the kernel forgets that a time service kept it."""
        self.started_wall_unix_ms, self.synchronised = unix_ms - self.uptime_ms, False

    def boot(self, wall_unix_ms: int = 0) -> None:
        """Start again, with a wall clock that says this."""
        self.boots, self.uptime_ms = self.boots + 1, 8_000
        self.synchronised_once = False
        self.set_wall(wall_unix_ms)


def read_together(boot_ms: Callable[[], int], wall_unix_ms: Callable[[], int]) -> tuple[int, int]:
    """Both times as of one moment: read again when something came in between."""
    for _ in range(LOOKS_MAX):
        before_ms, wall_ms, after_ms = boot_ms(), wall_unix_ms(), boot_ms()
        if after_ms - before_ms <= NOISE_MS // 4:
            break
    return (before_ms + after_ms) // 2, wall_ms


def kernel_is_synchronised() -> bool:
    """Whether a time service keeps the kernel's clock: adjtimex(2) without changing anything, read by its answer.

    Setting the clock by hand clears this; only a time service that has found the time again sets it.
    """
    try:
        state = int(ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES)))
    except (OSError, AttributeError):  # no such call here: nobody vouches for the clock
        return False
    return 0 <= state < TIME_ERROR


def was_synchronised(wall_unix_ms: int, mark: Path) -> bool:
    """Whether timesyncd has set the clock within the last `MARK_AGE_MS_MAX`, by that same clock.

    It touches the mark each time. A clock that somebody has set by hand since then makes the mark too old, or to come.
    """
    try:
        age_ms = wall_unix_ms - mark.stat().st_mtime_ns // NS_PER_MS
    except OSError:  # no mark: nobody vouches for the clock
        return False
    return 0 <= age_ms <= MARK_AGE_MS_MAX


def rtc_unix_ms() -> int | None:
    """The battery clock's own time; None without one.

    Not the wall clock at boot: where a battery is empty, systemd moves the wall clock to the day its package was built,
    which looks plausible and is wrong. A Raspberry Pi 5 has such a clock even where nobody has put a battery in.
    """
    try:
        return int(RTC_SECONDS.read_text(encoding="ascii")) * MS_PER_S
    except (OSError, ValueError):  # no such chip, or one that has lost its time
        return None


@cache
def _boot_id() -> str:
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:  # no such file here: this run is a boot of its own
        return f"run-{time.time_ns():x}-{id(object()):x}"
