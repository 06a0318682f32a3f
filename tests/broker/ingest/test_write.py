"""The write stage: what a store's answer means for the batch."""

from collections.abc import Sequence

import pytest

from broker.ingest.known import KnownSeries
from broker.ingest.progress import Progress
from broker.ingest.refusal import RefusalKind
from broker.ingest.stages.decode import Decode
from broker.ingest.stages.write import StoreRefusedError, Write
from broker.ingest.work import Work
from broker.series.memory import MemorySeriesStore
from broker.series.ports import Sample, Series
from runtime.clock import ManualClock
from runtime.errors import FatalError, RetryableError
from tests.broker.ingest.conftest import BAYS, WorkOf, bay_batch


class BrokenStore(MemorySeriesStore):
    """A store that answers `error` until it is mended."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error: Exception | None = error

    def write(self, samples: Sequence[Sample]) -> None:
        if self.error is not None:
            raise self.error
        super().write(samples)


@pytest.fixture
def progress(clock: ManualClock) -> Progress:
    return Progress(clock)


def decoded(known: KnownSeries, work_of: WorkOf, clock: ManualClock, *bays: str) -> Work:
    work = work_of((BAYS, bay_batch(clock.unix_ms(), *bays).to_bytes()))
    Decode(known)(work)
    return work


def test_samples_are_stored_and_lag_and_age_are_noted(
    known: KnownSeries, work_of: WorkOf, clock: ManualClock, progress: Progress
) -> None:
    store = MemorySeriesStore()
    work = decoded(known, work_of, clock, "bay-1", "bay-2")
    clock.advance(1.5)
    Write(store, progress, clock)(work)
    clock.advance(4)
    assert len(store.latest("jungang")) == 2
    assert work.readings_count == 2
    counters = progress.report().counters
    assert counters["lag_s"] == pytest.approx(1.499)
    assert counters["last_write_age_s"] == pytest.approx(4)


def test_a_rejected_reading_goes_to_the_dead_letter_with_the_stores_words(
    known: KnownSeries, work_of: WorkOf, clock: ManualClock, progress: Progress
) -> None:
    store = MemorySeriesStore()
    work = decoded(known, work_of, clock, "bay-1", "bay-2")
    store.write([Sample(Series("jungang", "pi-2", "bays", "bay-9"), 0, {"distance_mm": "far"})])
    first = work.samples[0]
    others = {name: value for name, value in first.fields.items() if name != "distance_mm"}
    work.samples[0] = first._replace(fields=others)
    Write(store, progress, clock)(work)
    assert work.refusals == [RefusalKind.REJECTED]
    assert "holds texts" in work.letters[0].reason
    assert b'"bay-2"' in work.letters[0].body
    assert work.readings_count == 1


@pytest.mark.parametrize(
    ("error", "raised"),
    [(RetryableError("disk full"), RetryableError), (FatalError("put a token"), StoreRefusedError)],
)
def test_a_store_that_does_not_take_it_holds_the_batch(
    known: KnownSeries,
    work_of: WorkOf,
    clock: ManualClock,
    progress: Progress,
    error: Exception,
    raised: type[RetryableError],
) -> None:
    work = decoded(known, work_of, clock, "bay-1")
    with pytest.raises(raised, match=str(error)):
        Write(BrokenStore(error), progress, clock)(work)
    assert work.letters == []
    assert "last_write_age_s" not in progress.report().counters


def test_nothing_to_store_asks_no_store(work_of: WorkOf, clock: ManualClock, progress: Progress) -> None:
    Write(BrokenStore(RetryableError("down")), progress, clock)(work_of((BAYS, b"junk")))
