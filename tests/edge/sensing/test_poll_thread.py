"""One thread for many: fair, bounded, and not to be taken down by one of them."""

import threading
import time

from edge.sensing.poll_thread import PollThread
from runtime.clock import SystemClock
from tests.eventually import eventually


def test_each_is_polled_at_its_own_pace_and_none_is_starved_by_a_slow_one() -> None:
    thread = PollThread("test", SystemClock(), pause_s=0.0)
    counts = {"slow": 0, "quick": 0}

    def slow() -> float:
        time.sleep(0.02)
        counts["slow"] += 1
        return 0.0

    def quick() -> float:
        counts["quick"] += 1
        return 0.01

    thread.add(slow)
    thread.add(quick)
    eventually(lambda: counts["quick"] >= 10 and counts["slow"] >= 10)
    assert thread.remove(slow)
    assert thread.remove(quick)
    after = dict(counts)

    assert after == counts
    eventually(lambda: all(one.name != "test" for one in threading.enumerate()))


def test_a_poll_that_raises_does_not_end_the_others() -> None:
    thread = PollThread("test", SystemClock(), pause_s=0.0)
    polled = threading.Event()
    calls: list[int] = []

    def broken() -> float:
        calls.append(1)
        raise RuntimeError("a defect")

    def good() -> float:
        if calls:
            polled.set()
        return 0.005

    thread.add(broken)
    thread.add(good)

    assert polled.wait(5.0)
    assert thread.remove(broken)
    assert thread.remove(good)


def test_remove_waits_for_a_call_that_is_under_way() -> None:
    thread = PollThread("test", SystemClock(), pause_s=0.0)
    inside, ended = threading.Event(), threading.Event()

    def slow() -> float:
        inside.set()
        time.sleep(0.1)
        ended.set()
        return 1.0

    thread.add(slow)
    assert inside.wait(5.0)

    assert thread.remove(slow)
    assert ended.is_set()
