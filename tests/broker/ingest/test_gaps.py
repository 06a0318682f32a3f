"""Gaps: what is missing for long is counted, what is late or elsewhere is not."""

import random
from collections.abc import Sequence

import pytest

from broker.ingest import gaps as module
from broker.ingest.gaps import MISSING_PER_SOURCE_MAX, PATIENCE_S, GapWatch
from broker.ingest.work import DeviceEpoch
from contract.access import DeviceIdentity
from runtime.clock import ManualClock

ONE: DeviceEpoch = (DeviceIdentity("jungang", "pi-1"), "a" * 16)
TWO: DeviceEpoch = (DeviceIdentity("jungang", "pi-1"), "b" * 16)


class Elsewhere:
    def __init__(self, *seqs: int) -> None:
        self.seqs = frozenset(seqs)
        self.asked: list[tuple[DeviceEpoch, list[int]]] = []

    def __call__(self, source: DeviceEpoch, seqs: Sequence[int]) -> frozenset[int]:
        self.asked.append((source, list(seqs)))
        return self.seqs & frozenset(seqs)


def counted(watch: GapWatch) -> tuple[int, int, int]:
    values = watch.counters()
    return (
        int(values["sequence_gaps_total"]),
        int(values["sequence_gaps_filled_total"]),
        int(values["sequence_numbers_awaited"]),
    )


@pytest.fixture
def elsewhere() -> Elsewhere:
    return Elsewhere()


@pytest.fixture
def watch(clock: ManualClock, elsewhere: Elsewhere) -> GapWatch:
    return GapWatch(clock, elsewhere)


def test_numbers_in_any_order_and_twice_are_no_gap(watch: GapWatch, clock: ManualClock) -> None:
    numbers = [*range(5, 105), *range(50, 70)]
    random.Random(3).shuffle(numbers)
    watch.arrived(ONE, 5)
    for seq in numbers:
        watch.arrived(ONE, seq)
    clock.advance(PATIENCE_S + 1)
    watch.review()
    assert counted(watch) == (0, 0, 0)


def test_the_first_number_seen_is_the_beginning(watch: GapWatch, clock: ManualClock) -> None:
    watch.arrived(ONE, 1000)
    clock.advance(PATIENCE_S + 1)
    watch.review()
    assert counted(watch) == (0, 0, 0)


def test_a_number_is_lost_only_after_the_patience(watch: GapWatch, clock: ManualClock) -> None:
    watch.arrived(ONE, 1)
    watch.arrived(ONE, 4)
    watch.review()
    assert counted(watch) == (0, 0, 2)
    clock.advance(PATIENCE_S)
    watch.review()
    assert counted(watch) == (2, 0, 0)
    watch.review()
    assert counted(watch) == (2, 0, 0)


def test_a_number_that_comes_after_all_is_counted_as_filled_once(watch: GapWatch, clock: ManualClock) -> None:
    watch.arrived(ONE, 1)
    watch.arrived(ONE, 3)
    clock.advance(PATIENCE_S)
    watch.review()
    watch.arrived(ONE, 2)
    watch.arrived(ONE, 2)
    assert counted(watch) == (1, 1, 0)


def test_a_number_that_alerts_has_is_no_gap(clock: ManualClock) -> None:
    elsewhere = Elsewhere(2)
    watch = GapWatch(clock, elsewhere)
    watch.arrived(ONE, 1)
    watch.arrived(ONE, 4)
    clock.advance(PATIENCE_S)
    watch.review()
    assert counted(watch) == (1, 0, 0)
    assert elsewhere.asked == [(ONE, [2, 3])]


def test_epochs_are_apart(watch: GapWatch) -> None:
    watch.arrived(ONE, 10)
    watch.arrived(TWO, 1)
    watch.arrived(TWO, 2)
    watch.arrived(ONE, 11)
    assert counted(watch) == (0, 0, 0)


def test_a_huge_jump_stays_bounded_and_is_counted(watch: GapWatch) -> None:
    watch.arrived(ONE, 1)
    watch.arrived(ONE, 2**50)
    lost, _, awaited = counted(watch)
    assert awaited == MISSING_PER_SOURCE_MAX
    assert lost == 2**50 - 2 - MISSING_PER_SOURCE_MAX
    watch.arrived(ONE, 2**50 + 3)
    assert counted(watch) == (lost + 2, 0, MISSING_PER_SOURCE_MAX)


def test_the_sources_followed_are_bounded(watch: GapWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOURCES_MAX", 3)
    for number in range(50):
        watch.arrived((DeviceIdentity("jungang", f"pi-{number}"), "a" * 16), 1)
    assert len(watch._sources) == 3
