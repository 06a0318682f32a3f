"""The checker itself: whatever is missing, doubled, changed or misnamed, it says so."""

from dataclasses import replace

import pytest

from benchmarks.faults.checker import Evidence, Gap, Stored, Verdict, check
from benchmarks.faults.journal import Held, Made, Record

EPOCH = "0123456789abcdef"
T = 1_795_000_000_000


def record_of(count: int, per_batch: int = 2) -> Record:
    """Readings 1 to `count`, one a second, held in batches with seq 1, 2, …"""
    record = Record()
    for number in range(1, count + 1):
        record.made["p", number] = Made("people", T + number * 1000, 100.0 + number)
    numbers = list(record.made)
    for seq, start in enumerate(range(0, count, per_batch), 1):
        record.held.append(held(seq, *(number for _, number in numbers[start : start + per_batch])))
    return record


def held(seq: int, *numbers: int, boot_id: str | None = None) -> Held:
    times = tuple(number * 1000 + (0 if boot_id else T) for number in numbers)
    return Held(EPOCH, seq, tuple(("p", number) for number in numbers), times, boot_id)


def stored(*numbers: int) -> list[Stored]:
    return [Stored(T + number * 1000, number, intact=True) for number in numbers]


def gap(first: int | None, last: int | None, readings: int, **others: object) -> Gap:
    one = Gap("d1", EPOCH, "outbox-full", first, last, T, T + 60_000, 1, readings)
    return replace(one, **others)  # type: ignore[arg-type]  # a test's own keywords


def verdict_of(record: Record, samples: list[Stored], **evidence: object) -> Verdict:
    found = Evidence({("d1", "p"): samples}, **evidence)  # type: ignore[arg-type]  # a test's own keywords
    return check({"d1": record}, found)


def test_everything_stored_once_is_good() -> None:
    verdict = verdict_of(record_of(4), stored(1, 2, 3, 4))
    assert verdict.good
    assert (verdict.readings, verdict.stored, verdict.sentences) == (4, 4, [])


def test_a_missing_reading_is_lost() -> None:
    verdict = verdict_of(record_of(4), stored(1, 2, 4))
    assert (verdict.lost, verdict.good) == (1, False)
    assert "p number 3" in verdict.sentences[0]


def test_a_reading_under_two_times_is_doubled() -> None:
    again = Stored(T + 99_000, 2, intact=True)
    verdict = verdict_of(record_of(4), [*stored(1, 2, 3, 4), again])
    assert (verdict.doubled, verdict.lost, verdict.good) == (1, 0, False)


@pytest.mark.parametrize(
    "sample", [Stored(T + 2001, 2, intact=True), Stored(T + 2000, 2, intact=False)], ids=["time", "value"]
)
def test_a_changed_reading_is_wrong(sample: Stored) -> None:
    verdict = verdict_of(record_of(3), [*stored(1, 3), sample])
    assert (verdict.wrong, verdict.lost, verdict.good) == (1, 0, False)


def test_a_reading_that_nobody_made_is_wrong() -> None:
    verdict = verdict_of(record_of(2), stored(1, 2, 9))
    assert (verdict.wrong, verdict.good) == (1, False)


def test_a_gap_record_names_exactly_its_numbers() -> None:
    verdict = verdict_of(record_of(6), stored(1, 2, 5, 6), gaps=[gap(2, 2, 2)])
    assert (verdict.named, verdict.lost, verdict.gaps_wrong, verdict.good) == (2, 0, 0, True)
    beside = verdict_of(record_of(6), stored(1, 2, 5, 6), gaps=[gap(3, 3, 2)])
    assert (beside.lost, beside.named_though_stored) == (2, 2)
    of_another_epoch = verdict_of(record_of(6), stored(1, 2, 5, 6), gaps=[gap(2, 2, 2, epoch="f" * 16)])
    assert of_another_epoch.lost == 2
    of_another_device = verdict_of(record_of(6), stored(1, 2, 5, 6), gaps=[gap(2, 2, 2, device="d2")])
    assert of_another_device.lost == 2


@pytest.mark.parametrize("readings", [1, 3])
def test_a_gap_record_that_miscounts_is_wrong(readings: int) -> None:
    verdict = verdict_of(record_of(6), stored(1, 2, 5, 6), gaps=[gap(2, 2, readings)])
    assert (verdict.gaps_wrong, verdict.good) == (1, False)


def test_a_record_may_count_a_put_that_a_kill_cut_off_and_no_more() -> None:
    record = record_of(6)
    record.held[1] = held(2, 3)  # reading 4 was put, the kill came before the journal said so
    record.ended_s = [104.5]
    for readings, wrong in ((1, 0), (2, 0), (3, 1)):
        verdict = verdict_of(record, stored(1, 2, 5, 6), gaps=[gap(2, 2, readings)])
        assert (verdict.gaps_wrong, verdict.lost) == (wrong, 0)


def test_ingest_does_not_know_how_many_readings_did_not_come() -> None:
    verdict = verdict_of(record_of(6), stored(1, 2, 5, 6), gaps=[gap(2, 2, 0, by_ingest=True)])
    assert (verdict.named, verdict.lost, verdict.gaps_wrong) == (2, 0, 0)


def test_a_reading_that_a_number_names_uses_up_no_place_of_a_record_without_numbers() -> None:
    unnumbered = gap(None, None, 2)
    verdict = verdict_of(record_of(6), stored(1, 2), gaps=[unnumbered, gap(2, 2, 2)])
    assert (verdict.named, verdict.lost) == (4, 0)
    refused = frozenset({("d1", "p", 3), ("d1", "p", 4)})
    verdict = verdict_of(record_of(6), stored(1, 2), gaps=[unnumbered], refused=refused)
    assert (verdict.named, verdict.refused, verdict.lost) == (2, 2, 0)


def test_two_records_about_one_number_are_wrong() -> None:
    verdict = verdict_of(record_of(6), stored(1, 2), gaps=[gap(2, 3, 4), gap(3, 3, 2)])
    assert (verdict.lost, verdict.gaps_wrong, verdict.good) == (0, 1, False)


def test_a_record_without_numbers_names_as_many_readings_of_its_time_as_it_counts() -> None:
    record = record_of(8)
    inside = gap(None, None, 2, from_unix_ms=T + 3000, until_unix_ms=T + 4000)
    assert verdict_of(record, stored(1, 2, 5, 6, 7, 8), gaps=[inside]).good
    of_another_time = replace(inside, from_unix_ms=T + 7000, until_unix_ms=T + 8000)
    assert verdict_of(record, stored(1, 2, 5, 6, 7, 8), gaps=[of_another_time]).lost == 2
    of_one_reading = replace(inside, readings_count=1)
    verdict = verdict_of(record, stored(1, 2, 5, 6, 7, 8), gaps=[of_one_reading])
    assert (verdict.named, verdict.lost) == (1, 1)


def test_a_reading_that_was_only_in_memory_uses_up_no_record_s_place() -> None:
    record = record_of(4)
    record.held[0] = held(1, 1)  # the kill came before the `put` of reading 2
    record.ended_s = [102.5]
    lost = gap(None, None, 2, from_unix_ms=T + 1000, until_unix_ms=T + 4000)
    verdict = verdict_of(record, stored(1), gaps=[lost])
    assert (verdict.in_memory, verdict.named, verdict.lost) == (1, 2, 0)


def test_records_without_numbers_whose_times_overlap_name_all_that_they_count_together() -> None:
    record = record_of(40)
    early = gap(None, None, 10, from_unix_ms=T + 11_000, until_unix_ms=T + 20_000)
    late = gap(None, None, 10, from_unix_ms=T + 11_000, until_unix_ms=T + 30_000)
    there = [*range(1, 11), *range(31, 41)]
    for gaps in ([late, early], [early, late]):
        assert verdict_of(record, stored(*there), gaps=gaps).good
        assert verdict_of(record, stored(*there[1:]), gaps=gaps).lost == 1


def test_a_refused_reading_is_in_the_dead_letter() -> None:
    verdict = verdict_of(record_of(2), stored(1), refused=frozenset({("d1", "p", 2)}))
    assert (verdict.refused, verdict.lost, verdict.good) == (1, 0, True)


def test_memory_excuses_only_what_was_fresh_and_held_by_no_outbox() -> None:
    record = record_of(4)
    record.ended_s = [104.5]  # reading 4 was made at 104.0
    assert verdict_of(record, stored(1, 2, 3)).lost == 1, "its put had returned"
    record.held[1] = held(2, 3)
    assert verdict_of(record, stored(1, 2, 3)).in_memory == 1
    record.ended_s = [106.5]
    assert verdict_of(record, stored(1, 2, 3)).lost == 1, "it had time enough to reach the disk"
    record.ended_s = [103.5]
    assert verdict_of(record, stored(1, 2, 3)).lost == 1, "nobody was killed after it was made"


def test_a_time_that_the_outbox_did_not_take_is_wrong_however_near() -> None:
    assert verdict_of(record_of(1), [Stored(T + 1001, 1, intact=True)]).wrong == 1


def test_a_time_from_before_the_clock_was_set_may_be_off_by_the_slack() -> None:
    record = record_of(1)
    record.held[0] = held(1, 1, boot_id="boot-2")
    assert verdict_of(record, [Stored(T + 1900, 1, intact=True)]).good
    assert verdict_of(record, [Stored(T + 9000, 1, intact=True)]).wrong == 1


def test_a_time_that_the_outbox_took_is_wrong_when_the_clock_was() -> None:
    record = record_of(1)
    day_ms = 86_400_000
    record.held[0] = Held(EPOCH, 1, (("p", 1),), (T + 1000 + day_ms,))
    assert verdict_of(record, [Stored(T + 1000 + day_ms, 1, intact=True)]).wrong == 1


def test_every_held_alarm_must_be_among_the_incidents() -> None:
    record = Record()
    first, second = ("a" * 32, "raised"), ("a" * 32, "cleared")
    record.alarms_made = {first: 10.0, second: 12.0}
    record.alarms_held = {first, second}
    record.ended_s = [12.5]
    verdict = verdict_of(record, [], alarms={"d1": frozenset({first})})
    assert (verdict.alarms, verdict.alarms_stored, verdict.alarms_lost, verdict.good) == (2, 1, 1, False)
    record.alarms_held = {first}
    assert verdict_of(record, [], alarms={"d1": frozenset({first})}).alarms_in_memory == 1
    record.alarms_held = {second}  # it came later and reached the disk: the first one was not in memory any more
    assert verdict_of(record, [], alarms={"d1": frozenset({second})}).alarms_lost == 1
