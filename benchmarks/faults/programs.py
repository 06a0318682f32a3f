"""Child processes that are kept running: killed on purpose, started again, and what ends by itself is noted."""

import asyncio
import contextlib
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOOK_EVERY_S = 0.05
STOP_S_MAX = 15.0
RESTART_S = 0.5


class Program:
    """A program that is started again a while after it ended, however it ended; its output goes to `log`."""

    def __init__(self, name: str, command: Callable[[], list[str]], log: Path, *, talks: bool = False) -> None:
        self.name = name
        self.ended_by_itself: list[int] = []
        self._command = command
        self._log = log
        self._talks = talks
        self._process: subprocess.Popen[bytes] | None = None
        self._due_s: float | None = None
        self._before_start: Callable[[], None] = lambda: None

    @property
    def running(self) -> bool:
        """Whether there is a process now."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it now."""
        self._before_start()
        self._before_start = lambda: None
        self._due_s = None
        self._hang_up()
        with self._log.open("ab") as log:
            source = subprocess.PIPE if self._talks else subprocess.DEVNULL
            self._process = subprocess.Popen(self._command(), stdin=source, stdout=log, stderr=log, cwd=ROOT)

    def kill(self, down_s: float, before_start: Callable[[], None] | None = None) -> bool:
        """Kill -9, and start again after `down_s`, once `before_start` ran; false if it was down already."""
        if before_start is not None:
            self._before_start = before_start
        if not self.running:
            return False
        assert self._process is not None  # noqa: S101 - `running` says so
        self._process.kill()
        self._process.wait()
        self._due_s = time.monotonic() + down_s
        return True

    def say(self, line: bytes) -> bool:
        """Write to its standard input; whether it could be said."""
        if not self.running or self._process is None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except OSError:  # it has just ended: the caller is told
            return False
        return True

    def look(self) -> None:
        """Start it again if that is due; note an end that nobody ordered."""
        if self.running:
            return
        if self._due_s is None:
            code = 0 if self._process is None else self._process.returncode
            self.ended_by_itself.append(code)
            self._due_s = time.monotonic() + RESTART_S
        elif time.monotonic() >= self._due_s:
            self.start()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it for good."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._hang_up()
        self._process = None

    def _hang_up(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(OSError):  # what was not read yet has nobody to read it
                self._process.stdin.close()


async def keep(programs: tuple[Program, ...]) -> None:
    """Look after `programs` until cancelled."""
    while True:
        for program in programs:
            program.look()
        await asyncio.sleep(LOOK_EVERY_S)
