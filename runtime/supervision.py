"""Supervision: child processes that are started, watched, restarted with bounded back-off, and ended in order."""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from runtime.backoff import Backoff

log = structlog.get_logger(__name__)

PR_SET_PDEATHSIG = 1  # linux/prctl.h
LOG_BYTES_MAX = 10_000_000
LOG_LOOK_S = 20.0
STEADY_AFTER_S = 30.0
STOP_TIMEOUT_S = 6.0


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A child process. Its output goes to `log_file`; over 10 MB it is begun anew, and the one before is kept, once."""

    name: str
    argv: Sequence[str]
    log_file: Path
    environment: Mapping[str, str] = field(default_factory=dict)


class SupervisedProcess:
    """One child and its restarts. A child that dies is started again at once, then ever more slowly up to 10 s."""

    def __init__(self, spec: ProcessSpec) -> None:
        self.spec = spec
        self.restart_count = 0
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The running child's process id."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def run(self) -> None:
        """Keep the child running until cancelled, then end it: SIGTERM, and SIGKILL after six seconds."""
        backoff = Backoff(delay_s_min=0.1, delay_s_max=10.0)
        loop = asyncio.get_running_loop()
        try:
            while True:
                started_s = loop.time()
                code = await self._run_once()
                if loop.time() - started_s > STEADY_AFTER_S:
                    backoff.reset()
                delay_s = backoff.next_delay_s()
                self.restart_count += 1
                log.warning(
                    "process.died",
                    process=self.spec.name,
                    exit_code=code,
                    restart_in_s=round(delay_s, 2),
                    log_file=str(self.spec.log_file),
                )
                await asyncio.sleep(delay_s)
        finally:
            await self._end()

    async def _run_once(self) -> int:
        self.spec.log_file.parent.mkdir(parents=True, exist_ok=True)
        _rotate(self.spec.log_file)
        with self.spec.log_file.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                *self.spec.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **self.spec.environment},
                start_new_session=True,  # Ctrl-C reaches the supervisor alone, which then ends everyone in order
                preexec_fn=die_with_parent,
            )
        bounding = asyncio.create_task(self._bound_log())
        try:
            return await self._process.wait()
        finally:
            bounding.cancel()

    async def _bound_log(self) -> None:
        """Begin the log anew when it has grown too large; a line or two written in between are lost."""
        while True:
            await asyncio.sleep(LOG_LOOK_S)
            await asyncio.to_thread(_begin_anew, self.spec.log_file)

    async def _end(self) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S)
        except TimeoutError:
            log.warning("process.killed", process=self.spec.name, after_s=STOP_TIMEOUT_S)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def die_with_parent() -> None:
    """Ask the kernel to end this process when its parent dies, however it dies (Linux; elsewhere nothing happens)."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _begin_anew(log_file: Path) -> None:
    """Copy and cut: the child goes on writing to the same file, at its end.

    On a full disk there is no room for the copy; then it is cut all the same, because the bound is what counts.
    """
    try:
        if log_file.stat().st_size <= LOG_BYTES_MAX:
            return
        shutil.copyfile(log_file, log_file.with_suffix(".log.1"))
    except OSError as error:
        log.warning("process.log_not_kept", log_file=str(log_file), reason=str(error))
    with contextlib.suppress(FileNotFoundError):  # somebody took it away: there is nothing to bound
        os.truncate(log_file, 0)


def _rotate(log_file: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log_file.stat().st_size > LOG_BYTES_MAX:
            log_file.replace(log_file.with_suffix(".log.1"))
