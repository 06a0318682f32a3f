import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from runtime import supervision
from runtime.supervision import ProcessSpec, SupervisedProcess
from tests.eventually import eventually_async


def spec(tmp_path: Path, code: str) -> ProcessSpec:
    return ProcessSpec("child", (sys.executable, "-u", "-c", code), tmp_path / "logs" / "child.log")


async def test_a_killed_child_comes_back(tmp_path: Path) -> None:
    child = SupervisedProcess(spec(tmp_path, "import time; print('up'); time.sleep(60)"))
    task = asyncio.create_task(child.run())
    first = await eventually_async(lambda: child.pid)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await eventually_async(lambda: child.pid not in {None, first}, what="a new process")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert child.pid is None
    assert child.restart_count == 1


async def test_a_child_that_dies_at_once_is_restarted_ever_more_slowly(tmp_path: Path) -> None:
    child = SupervisedProcess(spec(tmp_path, "raise SystemExit(3)"))
    task = asyncio.create_task(child.run())
    await eventually_async(lambda: child.restart_count >= 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_stopping_asks_first(tmp_path: Path) -> None:
    code = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: (print('asked'), sys.exit(0)))\n"
        "print('ready')\ntime.sleep(60)"
    )
    child = SupervisedProcess(spec(tmp_path, code))
    task = asyncio.create_task(child.run())
    log = tmp_path / "logs" / "child.log"
    await eventually_async(lambda: log.exists() and "ready" in log.read_text())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert log.read_text().split() == ["ready", "asked"]


async def test_a_log_that_grows_too_large_is_begun_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "LOG_BYTES_MAX", 1000)
    monkeypatch.setattr(supervision, "LOG_LOOK_S", 0.02)
    child = SupervisedProcess(spec(tmp_path, "import time\nwhile True:\n    print('x' * 99)\n    time.sleep(0.01)"))
    task = asyncio.create_task(child.run())
    log = tmp_path / "logs" / "child.log"
    older = tmp_path / "logs" / "child.log.1"
    await eventually_async(older.exists, what="the log before")
    await eventually_async(lambda: 0 < log.stat().st_size < 1000 and log.read_bytes()[:1] == b"x")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_children_die_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import asyncio, pathlib, sys\n"
        "from runtime.supervision import ProcessSpec, SupervisedProcess\n"
        "child = SupervisedProcess(ProcessSpec('c', (sys.executable, '-c', 'import time; time.sleep(60)'),"
        f" pathlib.Path({str(tmp_path / 'c.log')!r})))\n"
        "async def main():\n"
        "    task = asyncio.create_task(child.run())\n"
        "    while child.pid is None:\n        await asyncio.sleep(0.01)\n"
        "    print(child.pid, flush=True)\n    await task\n"
        "asyncio.run(main())"
    )
    supervisor = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).resolve().parents[2]
    )
    assert supervisor.stdout is not None
    pid = int(await supervisor.stdout.readline())
    supervisor.kill()
    await supervisor.wait()
    await eventually_async(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), what="the orphan ends")


def _is_zombie(pid: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except FileNotFoundError:
        return True
