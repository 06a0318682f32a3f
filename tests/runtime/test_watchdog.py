"""The watchdog: on injected time, and once for real with a process that hangs."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from runtime.clock import ManualClock
from runtime.watchdog import EXIT_STALLED, LOOK_EVERY_S, PAUSED_AFTER_S, Watchdog
from tests.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]


class Bench:
    """A watchdog that ends nothing but says whom it would have ended for."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ended: list[str] = []
        self.dog = Watchdog(self.clock, self.ended.append)

    def pass_time(self, seconds: float) -> None:
        """In the steps of a watchdog that looks every second."""
        for _ in range(round(seconds / LOOK_EVERY_S)):
            self.clock.advance(LOOK_EVERY_S)
            self.dog.look()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_part_that_beats_is_left_alone_and_one_that_does_not_ends_the_process(
    bench: Bench, capfd: pytest.CaptureFixture[str]
) -> None:
    beat = bench.dog.watch("loop", 5.0)
    bench.dog.watch("recorder", 30.0)
    for _ in range(4):
        bench.pass_time(5)
        beat()
    assert bench.ended == []

    bench.pass_time(6)

    assert bench.ended == ["loop"]
    heard = capfd.readouterr()
    assert "test_a_part_that_beats" in heard.err  # the stacks of all threads
    assert "watchdog.stalled" in heard.out + heard.err


def test_a_part_that_is_asked_for_its_age_is_ended_over_its_limit(bench: Bench) -> None:
    begun_s: list[float] = []
    bench.dog.watch_age("writing", 5.0, lambda: bench.clock.monotonic_s() - begun_s[0] if begun_s else 0.0)
    bench.pass_time(20)
    begun_s.append(bench.clock.monotonic_s())
    bench.pass_time(5)
    assert bench.ended == []
    bench.pass_time(1)
    assert bench.ended == ["writing"]


def test_a_part_that_counts_its_rounds_is_ended_when_it_counts_no_more(bench: Bench) -> None:
    rounds = [0]
    bench.dog.watch_count("recorder", 5.0, lambda: rounds[0])
    for _ in range(5):
        bench.pass_time(4)
        rounds[0] += 1
    bench.pass_time(6)
    assert bench.ended == []
    bench.pass_time(1)
    assert bench.ended == ["recorder"]


def test_a_process_that_was_stopped_as_a_whole_is_no_stalled_one(bench: Bench) -> None:
    bench.dog.watch("loop", 5.0)
    bench.dog.watch_count("recorder", 5.0, lambda: 0)
    bench.dog.watch_age("writing", 5.0, bench.clock.monotonic_s)
    bench.clock.advance(PAUSED_AFTER_S + 100)
    assert bench.dog.look() is None
    bench.pass_time(5)
    assert bench.ended == []
    bench.pass_time(1)
    assert bench.ended == ["loop"]


def test_its_thread_looks_by_itself_until_it_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.watchdog.LOOK_EVERY_S", 0.01)
    ended: list[str] = []
    dog = Watchdog(end=ended.append)
    dog.watch("loop", 0.05)
    dog.start()
    eventually(lambda: ended == ["loop"])

    other = Watchdog(end=ended.append)
    other.watch("other", 0.05)
    other.start()
    other.stop()
    assert "watchdog" not in {thread.name for thread in threading.enumerate()}


HANGS = """
import sys, threading
from runtime.logs import configure_logs
from runtime.watchdog import Watchdog
configure_logs("test")
dog = Watchdog()
beat = dog.watch("loop", 1.0)
dog.start()
held = threading.Lock()
held.acquire()
def hang_here():
    held.acquire()
print("hangs", flush=True)
hang_here()
"""


def test_a_process_that_hangs_ends_with_its_stacks_and_a_code_of_its_own() -> None:
    begun_s = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", HANGS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )

    assert done.returncode == EXIT_STALLED
    assert "hang_here" in done.stderr
    assert '"event": "watchdog.stalled"' in done.stderr
    assert time.monotonic() - begun_s < 20
