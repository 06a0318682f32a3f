"""What a batch leaves in the central state: all or nothing, once however often it is repeated."""

from collections.abc import Collection

import pytest
from sqlalchemy import Engine, Table

from broker.stores.database import StoreUnavailableError
from broker.stores.dead_letters import DeadLetter, DeadLetters
from broker.stores.deliveries import Deliveries, Delivery
from broker.stores.gap_records import GapRecords
from broker.stores.gap_rows import Gap, NamedBy, Source
from broker.stores.schema import arrival_log, dead_letters, dirty_windows

ONE = Source("jungang", "pi-1", "a" * 16)
NOW = 1_767_225_600_000


def letter(seq: int | None = 1) -> DeadLetter:
    return DeadLetter(
        received_unix_ms=NOW,
        part="ingest",
        reason_kind="malformed",
        reason="not JSON",
        topic="market/v1/jungang/pi-1/telemetry/bays",
        body=b"{",
        body_bytes=1,
        market=ONE.market,
        device=ONE.device,
        epoch=None if seq is None else ONE.epoch,
        seq=seq,
    )


def refused(seq: int) -> Gap:
    return Gap(ONE, NamedBy.REFUSAL, seq, seq, "refused", NOW, NOW, NOW, batches_count=1)


def delivery(*seqs: int, at: int = NOW, windows: Collection[tuple[str, int]] = ()) -> Delivery:
    return Delivery(
        arrivals=[(*ONE, seq, at) for seq in seqs],
        gaps=[refused(seqs[0])],
        letters=[letter(seqs[0])],
        dirty_windows=windows,
    )


def rows(engine: Engine, table: Table) -> list[tuple[object, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(table.select())]


def test_everything_of_a_batch_is_kept(engine: Engine) -> None:
    Deliveries(engine).record(delivery(1, 2, windows={("jungang", 300_000), ("jungang", 0)}))
    assert [row[1:] for row in rows(engine, arrival_log)] == [(*ONE, 1, NOW), (*ONE, 2, NOW)]
    assert sorted(rows(engine, dirty_windows)) == [("jungang", 0), ("jungang", 300_000)]
    (found,) = DeadLetters(engine).newest()
    assert (found.market, found.device, found.epoch, found.seq, found.is_excerpt) == (*ONE, 1, False)
    (gap,) = GapRecords(engine).due()
    assert (gap.source, gap.named_by, gap.first_seq, gap.time_unix_ms) == (ONE, NamedBy.REFUSAL, 1, NOW)


def test_the_same_refusal_and_window_again_are_kept_once(engine: Engine) -> None:
    deliveries = Deliveries(engine)
    for at in (NOW, NOW + 5000):
        deliveries.record(delivery(1, 1, 2, at=at, windows={("jungang", 0)}))
    assert rows(engine, dirty_windows) == [("jungang", 0)]
    assert len(GapRecords(engine).due()) == 1


def test_a_batch_that_fails_leaves_nothing(engine: Engine) -> None:
    dead_letters.drop(engine)
    with pytest.raises(StoreUnavailableError, match="did not answer"):
        Deliveries(engine).record(delivery(1))
    assert (rows(engine, arrival_log), rows(engine, dirty_windows), GapRecords(engine).due()) == ([], [], ())


def test_an_empty_batch_is_nothing(engine: Engine) -> None:
    Deliveries(engine).record(Delivery(arrivals=()))
    assert rows(engine, arrival_log) == []


def test_many_refusals_of_one_moment_get_times_of_their_own(engine: Engine) -> None:
    deliveries = Deliveries(engine)
    for start in (1, 1001):
        gaps = [refused(seq) for seq in range(start, start + 1000)]
        deliveries.record(Delivery(arrivals=(), gaps=gaps))
    times = [gap.time_unix_ms for gap in GapRecords(engine).due(5000)]
    assert len(times) == len(set(times)) == 2000
    assert max(times) < NOW + 3000


def test_a_letter_that_was_taken_goes_and_fills_its_gap_with_the_last_of_its_number(engine: Engine) -> None:
    deliveries, letters, records = Deliveries(engine), DeadLetters(engine), GapRecords(engine)
    deliveries.record(Delivery(arrivals=(), gaps=[refused(1), refused(2)], letters=[letter(1), letter(1), letter(2)]))
    records.written(records.due())
    first, second = letters.get(1), letters.get(2)
    deliveries.replayed(first, {("jungang", 0)}, NOW + 1)
    assert records.due() == ()
    deliveries.replayed(second, {("jungang", 0)}, NOW + 2)
    (filled,) = records.due()
    assert (filled.first_seq, filled.filled_unix_ms) == (1, NOW + 2)
    assert [one.dead_letter_id for one in letters.newest()] == [3]
    assert rows(engine, dirty_windows) == [("jungang", 0)]


def test_a_letter_without_a_number_just_goes(engine: Engine) -> None:
    DeadLetters(engine).add([letter(None)])
    Deliveries(engine).replayed(DeadLetters(engine).get(1), (), NOW)
    assert DeadLetters(engine).count() == 0
