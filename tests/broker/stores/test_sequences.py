"""The ledger on SQLite and PostgreSQL: several writers and reviewers, restarts, late numbers, bounds."""

import random
import threading
from collections.abc import Callable
from functools import partial

import pytest
from sqlalchemy import Engine, select

from broker.stores import sequence_reads
from broker.stores.database import StoreUnavailableError, transaction
from broker.stores.deliveries import Deliveries, Delivery
from broker.stores.gap_records import GapRecords
from broker.stores.gap_rows import Gap, NamedBy, Source
from broker.stores.schema import arrivals, incident_events, sequence_gaps, sequences
from broker.stores.sequence_log import take_log
from broker.stores.sequences import PATIENCE_S, Review, Sequences, _Standing
from runtime.clock import ManualClock

ONE = Source("jungang", "pi-1", "a" * 16)
TWO = Source("jungang", "pi-1", "b" * 16)


class House:
    """A ledger, and what comes to it."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine = engine
        self.clock = clock
        self.deliveries = Deliveries(engine)
        self.ledger = Sequences(engine, clock)
        self.records = GapRecords(engine)

    def arrive(self, *seqs: int, source: Source = ONE, gaps: tuple[Gap, ...] = ()) -> None:
        now = self.clock.unix_ms()
        self.deliveries.record(Delivery(arrivals=[(*source, seq, now) for seq in seqs], gaps=gaps))

    def wait_and_review(self, seconds: float = PATIENCE_S) -> Review:
        self.clock.advance(seconds)
        return self.ledger.review()

    def settled(self, source: Source = ONE) -> int:
        query = select(sequences.c.settled_seq).where(
            sequences.c.device == source.device, sequences.c.epoch == source.epoch
        )
        with self.engine.connect() as connection:
            return int(connection.execute(query).scalar_one())

    def waiting(self) -> list[int]:
        with self.engine.connect() as connection:
            return sorted(connection.execute(select(arrivals.c.seq)).scalars())

    def gaps(self) -> list[tuple[int, int, str, bool, bool]]:
        found = sorted(self.records.newest(), key=lambda gap: (gap.named_by, gap.first_seq))
        return [
            (
                gap.first_seq,
                gap.last_seq,
                gap.cause,
                gap.filled_unix_ms is not None,
                gap.superseded_unix_ms is not None,
            )
            for gap in found
        ]

    def gap(self, named_by: NamedBy, first: int, last: int, source: Source = ONE) -> Gap:
        now = self.clock.unix_ms()
        cause = "outbox-full" if named_by is NamedBy.DEVICE else "refused"
        return Gap(source, named_by, first, last, cause, now, now, now, batches_count=last - first + 1)


@pytest.fixture
def house(engine: Engine, clock: ManualClock) -> House:
    return House(engine, clock)


def lost(first: int, last: int, *, filled: bool = False, superseded: bool = False) -> tuple[int, int, str, bool, bool]:
    return (first, last, "not-arrived", filled, superseded)


def test_numbers_in_any_order_and_twice_are_settled_and_forgotten(house: House) -> None:
    numbers = [*range(1, 105), *range(50, 70)]
    random.Random(3).shuffle(numbers)
    for start in range(0, len(numbers), 20):
        house.arrive(*numbers[start : start + 20])
        house.ledger.review()
    assert house.wait_and_review() == Review()
    assert (house.settled(), house.waiting(), house.gaps()) == (104, [], [])


def test_an_epoch_begins_at_one_and_what_is_below_the_first_number_is_missing(house: House) -> None:
    house.arrive(4)
    assert house.ledger.review() == Review(awaited_count=3)
    assert house.wait_and_review() == Review(given_up_count=3)
    assert house.gaps() == [lost(1, 3)]


def test_a_device_from_before_the_ledger_begins_with_what_comes(house: House) -> None:
    with transaction(house.engine) as connection:
        row = {**ONE._asdict(), "settled_seq": -1, "updated_unix_ms": 0}
        connection.execute(sequences.insert(), [row])
    house.arrive(1001, 1000, 1003)
    assert house.ledger.review().awaited_count == 1
    assert house.settled() == 1001


def test_a_number_is_given_up_only_after_the_patience_and_only_once(house: House) -> None:
    house.arrive(1, 4)
    assert house.wait_and_review(PATIENCE_S - 1).given_up_count == 0
    assert house.wait_and_review(1) == Review(given_up_count=2)
    assert house.ledger.review() == Review()
    assert (house.settled(), house.gaps()) == (4, [lost(2, 3)])


def test_a_backlog_that_still_drains_is_not_given_up(house: House) -> None:
    house.arrive(1, 100)
    for seq in range(2, 100):
        house.arrive(seq)
        assert house.wait_and_review(60).given_up_count == 0
    assert house.settled() == 100


def test_a_gap_record_says_when_its_numbers_should_have_come(house: House) -> None:
    house.arrive(1)
    first_ms = house.clock.unix_ms()
    house.clock.advance(100)
    house.arrive(4)
    second_ms = house.clock.unix_ms()
    house.wait_and_review()
    (gap,) = house.records.due()
    assert (gap.from_unix_ms, gap.until_unix_ms, gap.time_unix_ms) == (first_ms, second_ms, first_ms)
    assert (gap.source, gap.batches_count, gap.readings_count) == (ONE, 2, 0)
    house.records.written([gap])
    assert house.records.due() == ()


def test_gaps_of_one_moment_get_times_of_their_own(house: House) -> None:
    house.arrive(2, 4, 6)
    house.arrive(2, source=TWO)
    house.wait_and_review()
    times = sorted(gap.time_unix_ms for gap in house.records.due())
    assert times == list(range(times[0], times[0] + 4))


def test_a_number_that_comes_after_all_fills_its_gap_exactly(house: House) -> None:
    house.arrive(1, 10)
    house.wait_and_review()
    house.records.written(house.records.due())
    house.arrive(4, 5, 7)
    assert house.ledger.review() == Review(filled_count=3)
    assert house.gaps() == [lost(2, 3), lost(4, 5, filled=True), lost(6, 6), lost(7, 7, filled=True), lost(8, 9)]
    assert len(house.records.due()) == 5, "every record has to be written anew"
    house.arrive(4, 5, 7)
    assert house.ledger.review() == Review(), "a resend fills nothing twice"
    house.arrive(2, 3, 6, 8, 9)
    assert house.ledger.review() == Review(filled_count=5)
    assert all(filled for *_, filled, _ in house.gaps())


def test_a_record_that_changes_while_it_is_written_stays_due(house: House) -> None:
    house.arrive(1, 4)
    house.wait_and_review()
    read = house.records.due()
    house.arrive(2)
    house.ledger.review()
    house.records.written(read)
    assert [(gap.first_seq, gap.last_seq) for gap in house.records.due()] == [(2, 2), (3, 3)]


def test_what_alerts_has_is_no_gap(house: House) -> None:
    row = {**ONE._asdict(), "event_id": "e" * 32, "name": "still", "phase": None, "time_unix_ms": 0, "body": "{}"}
    with transaction(house.engine) as connection:
        connection.execute(incident_events.insert(), [{**row, "seq": 2}])
    house.arrive(1, 4)
    assert house.ledger.review().awaited_count == 1
    house.wait_and_review()
    assert house.gaps() == [lost(3, 3)]


def test_what_a_device_names_is_settled_before_and_after_we_gave_it_up(house: House) -> None:
    house.arrive(1, 10, gaps=(house.gap(NamedBy.DEVICE, 2, 5),))
    assert house.ledger.review().named_count == 4
    assert house.settled() == 5
    house.wait_and_review()
    assert house.gaps() == [lost(6, 9)]
    house.arrive(11, gaps=(house.gap(NamedBy.DEVICE, 7, 8),))
    house.ledger.review()
    assert house.gaps() == [lost(6, 6), lost(7, 8, superseded=True), lost(9, 9)]


def test_a_late_number_that_is_refused_fills_nothing(house: House) -> None:
    house.arrive(1, 4)
    house.wait_and_review()
    house.arrive(2, gaps=(house.gap(NamedBy.REFUSAL, 2, 2),))
    assert house.ledger.review().filled_count == 0
    assert house.gaps() == [lost(2, 2, superseded=True), lost(3, 3), (2, 2, "refused", False, False)]


def test_a_refused_number_is_named_once_however_often_it_is_sent(house: House) -> None:
    for _ in range(3):
        house.arrive(1, gaps=(house.gap(NamedBy.REFUSAL, 1, 1),))
    assert house.gaps() == [(1, 1, "refused", False, False)]


def test_a_huge_jump_is_one_row(house: House) -> None:
    house.arrive(1, 2**50)
    assert house.ledger.review().awaited_count == 2**50 - 2
    assert house.wait_and_review().given_up_count == 2**50 - 2
    assert house.gaps() == [lost(2, 2**50 - 1)]


def test_what_waits_behind_holes_is_bounded_the_oldest_hole_goes_first(engine: Engine, clock: ManualClock) -> None:
    house = House(engine, clock)
    house.ledger = Sequences(engine, clock, arrivals_max=10)
    house.arrive(*range(2, 31, 2))
    assert house.ledger.review().given_up_count == 5
    assert len(house.waiting()) == 10
    assert house.gaps() == [lost(seq, seq) for seq in (1, 3, 5, 7, 9)]


def test_many_numbers_are_settled_in_several_reviews_if_need_be(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence_reads, "IN_ORDER_MAX", 1000)
    monkeypatch.setattr(sequence_reads, "PAGES_PER_REVIEW_MAX", 1)
    house.arrive(*range(1, 2001))
    house.ledger.review()
    assert house.settled() == 1000 + sequence_reads.ROWS_PER_PAGE
    house.ledger.review()
    assert (house.settled(), house.waiting()) == (2000, [])


def test_a_reviewer_that_was_overtaken_changes_nothing(house: House) -> None:
    house.arrive(1, 4)
    before = _Standing(ONE, 1, house.clock.unix_ms())
    house.wait_and_review()
    house.arrive(5, 7)
    take_log(house.engine)
    house.clock.advance(PATIENCE_S)
    found = Review()
    house.ledger._settle([before], found)
    assert (house.settled(), house.waiting(), house.gaps()) == (4, [5, 7], [lost(2, 3)])
    assert found.given_up_count == 0


def until_done(do: Callable[[], object], failures: list[Exception]) -> None:
    """As a worker does: again while the central state asks for it."""
    for _ in range(50):
        try:
            do()
        except StoreUnavailableError:  # what a caller does: again
            continue
        except Exception as error:  # noqa: BLE001 - a thread's error has to reach the test
            failures.append(error)
        return
    failures.append(TimeoutError("50 tries"))


def test_workers_and_reviewers_at_once_lose_and_double_nothing(engine: Engine, clock: ManualClock) -> None:
    house = House(engine, clock)
    numbers = [seq for seq in range(1, 401) if seq not in {37, 38, 120}]
    random.Random(5).shuffle(numbers)
    failures: list[Exception] = []

    def work(part: list[int]) -> None:
        for start in range(0, len(part), 25):
            until_done(partial(house.arrive, *part[start : start + 25]), failures)

    def review() -> None:
        for _ in range(8):
            until_done(house.ledger.review, failures)

    jobs = [lambda: work(numbers[::2]), lambda: work(numbers[1::2]), review, review]
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    house.wait_and_review()
    assert (house.settled(), house.waiting()) == (400, [])
    assert house.gaps() == [lost(37, 38), lost(120, 120)]


def test_what_is_old_is_pruned_and_what_is_due_is_not(house: House) -> None:
    house.arrive(2)
    house.wait_and_review()
    house.clock.advance(32 * 86_400)
    house.records.prune(house.clock.unix_ms())
    assert house.gaps() == [lost(1, 1)], "not in the series store yet"
    house.records.written(house.records.due())
    house.records.prune(house.clock.unix_ms())
    assert house.gaps() == []
    with house.engine.connect() as connection:
        assert connection.execute(sequences.select()).all() == []


def test_a_device_that_invents_epochs_costs_a_bounded_number_of_rows(house: House) -> None:
    for number in range(130):
        house.arrive(7, source=Source("jungang", "pi-1", f"{number:016x}"))
        house.clock.advance(0.01)
    house.ledger.review()
    house.records.prune(house.clock.unix_ms())
    with house.engine.connect() as connection:
        assert len(connection.execute(sequences.select()).all()) == 100
        assert len(connection.execute(arrivals.select()).all()) == 100


def test_a_central_state_that_is_away_is_retryable(house: House) -> None:
    sequence_gaps.drop(house.engine)
    with pytest.raises(StoreUnavailableError, match="did not answer"):
        house.ledger.review()
