"""Ingest's counters."""

import pytest
from structlog.testing import capture_logs

from broker.ingest import progress as module
from broker.ingest.progress import CLOCK_WARNING_EVERY_S, Progress
from broker.stores.dead_letters import DeadLetter
from runtime.clock import ManualClock


def letter(kind: str = "clock", device: str = "pi-1") -> DeadLetter:
    return DeadLetter(0, "ingest", kind, "its clock is wrong", "t", b"", 0, market="jungang", device=device)


def test_what_was_committed_is_counted_by_kind(clock: ManualClock) -> None:
    progress = Progress(clock)
    progress.committed(5, 50, [letter(), letter("malformed"), letter("malformed")])
    counters = progress.report().counters
    assert (counters["messages_total"], counters["readings_total"], counters["dead_letters_total"]) == (5, 50, 3)
    assert (counters["dead_letters_malformed_total"], counters["dead_letters_clock_total"]) == (2, 1)


def test_wrong_clocks_are_counted_by_device_and_said_now_and_then(clock: ManualClock) -> None:
    progress = Progress(clock)
    with capture_logs() as logs:
        for _ in range(3):
            progress.committed(1, 0, [letter(), letter(device="pi-2")])
    assert [(one["device"], one["readings_count"]) for one in logs] == [("pi-1", 1), ("pi-2", 1)]
    counters = progress.report().counters
    assert (counters["clock_skew_readings_total"], counters["clock_skew_devices"]) == (6, 2)
    clock.advance(CLOCK_WARNING_EVERY_S)
    with capture_logs() as logs:
        progress.committed(1, 0, [letter()])
    assert [(one["event"], one["device"], one["readings_count"]) for one in logs] == [("device.clock_wrong", "pi-1", 4)]


def test_the_devices_with_wrong_clocks_are_bounded(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEVICES_WATCHED_MAX", 3)
    progress = Progress(clock)
    progress.committed(1, 0, [letter(device=f"pi-{number}") for number in range(9)])
    assert progress.report().counters["clock_skew_devices"] == 3


def test_busy_is_how_long_one_try_takes(clock: ManualClock) -> None:
    progress = Progress(clock)
    assert progress.busy_s() == 0
    progress.begun()
    clock.advance(7)
    assert progress.busy_s() == 7
    progress.ended()
    assert progress.busy_s() == 0


def test_replays_are_counted(clock: ManualClock) -> None:
    progress = Progress(clock)
    progress.replayed(refused=True)
    progress.replayed(refused=False)
    counters = progress.report().counters
    assert (counters["replays_total"], counters["replays_refused_total"]) == (2, 1)
