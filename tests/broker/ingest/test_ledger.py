"""The ledger's thread: it reviews, replays, beats, and waits for stores that are away."""

import threading
from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from broker.ingest import ledger as module
from broker.ingest.ledger import Ledger
from broker.ingest.progress import Progress
from broker.ingest.replay import Replayer
from broker.ingest.service import gap_review
from broker.series.memory import MemorySeriesStore
from broker.series.ports import Sample, Series
from broker.stores.deliveries import Deliveries, Delivery
from broker.stores.schema import arrival_log
from runtime.clock import ManualClock
from runtime.errors import RetryableError
from tests.broker.ingest.conftest import EPOCH
from tests.eventually import eventually

OURS = Series("jungang", "pi-1", "gaps", "ingest")


class Store(MemorySeriesStore):
    """A store that can be down."""

    down = False

    def write(self, samples: Sequence[Sample]) -> None:
        if self.down:
            raise RetryableError("the disk is full")
        super().write(samples)


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def beats() -> list[int]:
    return []


@pytest.fixture
def ledger(engine: Engine, clock: ManualClock, store: Store, beats: list[int]) -> Ledger:
    review = gap_review(engine, store, clock, patience_s=1)
    return Ledger(review, Replayer(engine, store, Progress(clock), clock), lambda: beats.append(1))


def arrive(engine: Engine, clock: ManualClock, *seqs: int) -> None:
    arrivals = [("jungang", "pi-1", EPOCH, seq, clock.unix_ms()) for seq in seqs]
    Deliveries(engine).record(Delivery(arrivals=arrivals))


def records(store: Store) -> int:
    return len(store.range(OURS, "first_seq", 0, 2**45))


def test_it_reviews_at_once_beats_and_reviews_once_more_at_its_end(
    engine: Engine, clock: ManualClock, store: Store, ledger: Ledger, beats: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_EVERY_S", 0.01)
    arrive(engine, clock, 1, 3)
    clock.advance(1)
    stop = threading.Event()
    thread = threading.Thread(target=ledger.run, args=(stop,))
    thread.start()
    eventually(lambda: records(store) == 1 and len(beats) > 3, what="the gap's record, and beats")
    arrive(engine, clock, 5)
    clock.advance(1)
    stop.set()
    thread.join()
    assert records(store) == 2


def test_a_store_that_is_away_ends_nothing(engine: Engine, clock: ManualClock, store: Store, ledger: Ledger) -> None:
    arrive(engine, clock, 1, 3)
    clock.advance(1)
    store.down = True
    for _ in range(2):
        ledger.turn(with_review=True)
    store.down = False
    ledger.turn(with_review=False)
    assert records(store) == 0
    ledger.turn(with_review=True)
    assert records(store) == 1


def test_a_central_state_that_is_away_ends_nothing(engine: Engine, ledger: Ledger) -> None:
    arrival_log.drop(engine)
    ledger.turn(with_review=True)
    arrival_log.create(engine)
    ledger.turn(with_review=True)
