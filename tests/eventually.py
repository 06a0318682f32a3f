"""Waiting for a condition, never for a time."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(probe: Callable[[], T], *, within_s: float = 10.0, every_s: float = 0.02, what: str = "") -> T:
    """Call `probe` until it answers something true; fail with its last answer or error after `within_s`."""
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = probe()
        except (AssertionError, OSError, LookupError) as error:
            last = error
        else:
            if answer:
                return answer
            last = answer
        time.sleep(every_s)
    raise AssertionError(f"not within {within_s} s: {what or probe} (last: {last!r})")


async def eventually_async(
    probe: Callable[[], T], *, within_s: float = 10.0, every_s: float = 0.02, what: str = ""
) -> T:
    """The same, letting the event loop run in between."""
    deadline = time.monotonic() + within_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            answer = probe()
        except (AssertionError, OSError, LookupError) as error:
            last = error
        else:
            if answer:
                return answer
            last = answer
        await asyncio.sleep(every_s)
    raise AssertionError(f"not within {within_s} s: {what or probe} (last: {last!r})")
