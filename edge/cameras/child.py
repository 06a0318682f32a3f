"""A camera's process as a child of the agent's: what it is given at its start, and how it is ended."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from pathlib import Path

COMMAND = (sys.executable, "-P", str(Path(__file__).with_name("process.py")))
"""Run as a file, not as a module: it says what it does not want in its memory before any package is imported."""

END_WITHIN_S = 1.0

_SOURCE_ROOT = Path(__file__).resolve().parents[2]


async def end(process: Process) -> None:
    """Close its input, which ends it; kill it if that does not."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        async with asyncio.timeout(END_WITHIN_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def environment() -> dict[str, str]:
    """The environment of the process: it imports the same code as the agent, wherever the agent was started.

    glibc gives back what a large picture took, instead of keeping it for each thread: 105 MB instead of 120 after a
    while at 1280 x 720.
    """
    paths = [str(_SOURCE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    memory = {"MALLOC_ARENA_MAX": "1", "MALLOC_TRIM_THRESHOLD_": "131072"}
    return {**os.environ, **memory, "PYTHONPATH": os.pathsep.join(paths)}
