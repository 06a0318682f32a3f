import threading
import time

import pytest

from broker.alerts.deadline import Deadline
from broker.alerts.ports import ProviderUnavailableError


def test_what_is_done_in_time_is_returned_or_raised() -> None:
    deadline = Deadline("x", 1)
    for _ in range(3):  # each gives its place back
        assert deadline.call(lambda: 7, 5.0) == 7
        with pytest.raises(LookupError, match="gone"):
            deadline.call(lambda: _raise(LookupError("gone")), 5.0)


def test_what_hangs_keeps_its_place_until_it_lets_go() -> None:
    deadline, let_go = Deadline("x", 1), threading.Event()
    begun_s = time.monotonic()
    with pytest.raises(TimeoutError):
        deadline.call(lambda: let_go.wait(30), 0.05)
    assert time.monotonic() - begun_s < 5
    with pytest.raises(ProviderUnavailableError, match="x: too many calls hang already"):
        deadline.call(lambda: 7, 5.0)
    let_go.set()
    for thread in threading.enumerate():
        if thread.name == "x":
            thread.join(5)
    assert deadline.call(lambda: 7, 5.0) == 7


def _raise(error: Exception) -> int:
    raise error
