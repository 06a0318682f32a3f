"""Gap records in the series store: what never came, what was refused, what came after all."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from broker.ingest.gaps import GapReview, sample_of_gap
from broker.ingest.known import KnownSeries
from broker.ingest.progress import Progress
from broker.ingest.refusal import RefusalKind
from broker.ingest.service import gap_review
from broker.ingest.stages.decode import Decode
from broker.ingest.stages.record import Record
from broker.ingest.stages.write import Write
from broker.series.memory import MemorySeriesStore
from broker.series.ports import FieldValue, Sample, Series
from broker.stores.deliveries import Deliveries
from broker.stores.gap_records import GapRecords
from broker.stores.schema import dirty_windows, sequence_gaps
from broker.stores.sequences import PATIENCE_S
from contract.telemetry import GapBatch, GapCause, GapReading
from runtime.clock import ManualClock
from runtime.errors import PartialError, Rejected, RetryableError
from tests.broker.ingest.conftest import BAYS, EPOCH, WorkOf, bay_batch

OURS = Series("jungang", "pi-1", "gaps", "ingest")
THEIRS = Series("jungang", "pi-1", "gaps", "pi-1")
GAPS = "market/v1/jungang/pi-1/telemetry/gaps"


class Store(MemorySeriesStore):
    """A series store that can be down or refuse."""

    error: Exception | None = None

    def write(self, samples: Sequence[Sample]) -> None:
        if self.error is not None:
            raise self.error
        super().write(samples)


class House:
    """The stages that matter to the ledger, and its review."""

    def __init__(self, engine: Engine, clock: ManualClock, known: KnownSeries, work_of: WorkOf) -> None:
        self.engine = engine
        self.clock = clock
        self.store = Store()
        self.review: GapReview = gap_review(engine, self.store, clock, PATIENCE_S)
        self._work_of = work_of
        self._stages = (Decode(known), Write(self.store, Progress(clock), clock), Record(Deliveries(engine)))

    def send(self, *messages: tuple[str, bytes]) -> list[RefusalKind]:
        work = self._work_of(*messages)
        for stage in self._stages:
            stage(work)
        return work.refusals

    def bays(self, *seqs: int, replayed: bool = False, age_ms: int = 0) -> None:
        now = self.clock.unix_ms() - age_ms
        self.send(*((BAYS, bay_batch(now, "bay-1", seq=seq, replayed=replayed).to_bytes()) for seq in seqs))

    def wait(self) -> None:
        self.clock.advance(PATIENCE_S)
        self.review.review()

    def records(self, series: Series = OURS) -> dict[int, tuple[FieldValue, ...]]:
        """time → (first_seq, last_seq, cause), with `filled` behind it once it is."""
        far = self.clock.unix_ms() + 1
        found: dict[int, tuple[FieldValue, ...]] = {}
        for field in ("first_seq", "last_seq", "cause", "filled_unix_ms"):
            for time, value in self.store.range(series, field, 0, far):
                found[time] = (*found.get(time, ()), "filled" if field == "filled_unix_ms" else value)
        return found


@pytest.fixture
def house(engine: Engine, clock: ManualClock, known: KnownSeries, work_of: WorkOf) -> House:
    return House(engine, clock, known, work_of)


def test_numbers_that_never_came_are_named_exactly(house: House) -> None:
    begun = house.clock.unix_ms()
    house.bays(1, 2, 6)
    house.review.review()
    assert house.records() == {}
    assert house.review.counters()["sequence_numbers_awaited"] == 3
    house.wait()
    assert house.records() == {begun: (3, 5, "not-arrived")}
    (sample,) = (one for one in house.store.latest("jungang") if one.series == OURS)
    assert dict(sample.fields) == {
        "gap_epoch": EPOCH,
        "first_seq": 3,
        "last_seq": 5,
        "from_unix_ms": begun,
        "until_unix_ms": begun,
        "batches_count": 3,
        "readings_count": 0,
        "cause": "not-arrived",
    }
    counters = house.review.counters()
    assert (counters["sequence_gaps_total"], counters["sequence_numbers_awaited"]) == (3, 0)


def test_a_gap_record_is_a_valid_reading(house: House) -> None:
    house.bays(1, 3)
    house.wait()
    (gap,) = GapRecords(house.engine).newest()
    sample = sample_of_gap(gap)
    GapReading.model_validate({**sample.fields, "device": "ingest", "time_unix_ms": sample.time_unix_ms}, strict=False)


def test_another_process_finds_the_same_and_says_it_once(house: House) -> None:
    house.bays(1, 3)
    other = gap_review(house.engine, house.store, house.clock, PATIENCE_S)
    house.clock.advance(PATIENCE_S)
    house.review.review()
    other.review()
    assert len(house.records()) == 1
    assert other.counters()["sequence_gaps_total"] == 0


def test_a_late_number_marks_its_record_as_filled(house: House) -> None:
    house.bays(1, 5)
    house.wait()
    (time,) = house.records()
    house.bays(2, 3, 4, replayed=True)
    house.review.review()
    assert house.records() == {time: (2, 4, "not-arrived", "filled")}
    assert house.review.counters()["sequence_gaps_filled_total"] == 3


def test_while_the_series_store_is_away_a_record_waits(house: House) -> None:
    house.bays(1, 3)
    house.store.error = RetryableError("the disk is full")
    with pytest.raises(RetryableError, match="disk is full"):
        house.wait()
    house.store.error = None
    house.review.review()
    assert len(house.records()) == 1
    assert house.review.counters()["sequence_gaps_total"] == 1


def test_a_record_that_the_store_refuses_is_not_tried_for_ever(house: House) -> None:
    house.bays(1, 3)
    house.store.error = PartialError([Rejected(0, "type conflict")])
    house.wait()
    house.store.error = None
    house.review.review()
    assert house.records() == {}


def gap_batch(seq: int, first: int, last: int, now: int) -> bytes:
    reading = GapReading(
        time_unix_ms=now,
        device="pi-1",
        gap_epoch=EPOCH,
        first_seq=first,
        last_seq=last,
        from_unix_ms=now,
        until_unix_ms=now,
        batches_count=last - first + 1,
        readings_count=20,
        cause=GapCause.OUTBOX_FULL,
    )
    return GapBatch(epoch=EPOCH, seq=seq, readings=(reading,)).to_bytes()


def test_what_the_device_names_is_settled_and_not_named_again(house: House) -> None:
    now = house.clock.unix_ms()
    house.bays(1)
    house.send((GAPS, gap_batch(6, 2, 5, now)))
    house.wait()
    assert house.records() == {}
    assert house.records(THEIRS) == {now: (2, 5, "outbox-full")}
    assert house.review.counters()["sequence_numbers_named_total"] == 4
    assert house.review.counters()["sequence_numbers_awaited"] == 0


def corrections(house: House, now: int) -> dict[str, FieldValue]:
    wanted = ("missing_count", "filled_unix_ms")
    found = {name: house.store.range(THEIRS, name, now, now + 1) for name in wanted}
    return {name: rows[0][1] for name, rows in found.items() if rows}


def test_a_devices_record_about_numbers_that_are_here_all_the_same_says_so(house: House) -> None:
    now = house.clock.unix_ms()
    house.bays(1, 2, 3)
    house.review.review()
    house.bays(4, 5)
    house.send((GAPS, gap_batch(6, 2, 5, now)))
    house.review.review()
    assert corrections(house, now) == {"missing_count": 0, "filled_unix_ms": now}
    assert house.records(THEIRS) == {now: (2, 5, "outbox-full", "filled")}, "the rest of the record stands"


def test_a_devices_record_about_numbers_of_which_some_are_here_says_how_many_are_not(house: House) -> None:
    now = house.clock.unix_ms()
    house.bays(1, 2, 9)
    house.send((GAPS, gap_batch(10, 2, 5, now)))
    house.wait()
    assert corrections(house, now) == {"missing_count": 3}
    assert list(house.records().values()) == [(6, 8, "not-arrived")]


def test_a_devices_exact_record_is_left_alone(house: House) -> None:
    now = house.clock.unix_ms()
    house.bays(1, 7)
    house.wait()
    house.send((GAPS, gap_batch(8, 2, 5, now)))
    house.review.review()
    assert corrections(house, now) == {}


def test_a_device_cannot_settle_another_ones_numbers(house: House) -> None:
    house.bays(1, 4)
    now = house.clock.unix_ms()
    house.send(("market/v1/jungang/pi-2/telemetry/gaps", gap_batch(1, 2, 3, now)))
    house.wait()
    assert list(house.records().values()) == [(2, 3, "not-arrived")]


def test_a_refused_message_is_named_under_its_number(house: House) -> None:
    broken = b'{"epoch":"0123456789abcdef","seq":2,"readings":[{"bay":7}]}'
    house.bays(1)
    assert house.send((BAYS, broken)) == [RefusalKind.MALFORMED]
    house.wait()
    assert list(house.records().values()) == [(2, 2, "refused")]
    (gap,) = GapRecords(house.engine).newest()
    assert (gap.batches_count, gap.readings_count) == (1, 0)
    assert house.review.counters()["sequence_gaps_total"] == 0, "it did come"


def test_refused_readings_of_a_message_are_counted_under_its_number(house: House) -> None:
    now = house.clock.unix_ms()
    body = bay_batch(now, "bay-1", "ghost-1", "ghost-2", seq=1).to_bytes()
    assert house.send((BAYS, body)) == [RefusalKind.UNKNOWN_SUBJECT] * 2
    (gap,) = GapRecords(house.engine).newest()
    assert (gap.first_seq, gap.batches_count, gap.readings_count) == (1, 0, 2)


def test_a_stranger_leaves_no_gap(house: House) -> None:
    body = bay_batch(house.clock.unix_ms(), "bay-1", seq=5).to_bytes()
    assert house.send(("market/v1/jungang/pi-9/telemetry/bays", body)) == [RefusalKind.UNKNOWN_DEVICE]
    house.wait()
    assert GapRecords(house.engine).newest() == ()


def test_what_a_stranger_names_is_not_followed(house: House) -> None:
    now = house.clock.unix_ms()
    assert house.send(("market/v1/jungang/pi-9/telemetry/gaps", gap_batch(1, 2, 3, now))) == [
        RefusalKind.UNKNOWN_DEVICE
    ]
    with house.engine.connect() as connection:
        assert connection.execute(sequence_gaps.select()).all() == []


def test_late_readings_make_their_windows_dirty(house: House) -> None:
    house.bays(1)
    house.bays(2, replayed=True, age_ms=3_600_000)
    house.bays(3, replayed=True, age_ms=3_600_000)
    then = house.clock.unix_ms() - 3_600_000
    with house.engine.connect() as connection:
        assert connection.execute(dirty_windows.select()).all() == [("jungang", then - then % 300_000)]
