"""The dead letter: kept whole, cut where said, bounded."""

import threading

import pytest
from sqlalchemy import Engine

from broker.stores.database import StoreUnavailableError
from broker.stores.dead_letters import (
    DEAD_LETTER_BODY_BYTES_MAX,
    DeadLetter,
    DeadLetters,
    LetterFilter,
    NotReplayableError,
    UnknownLetterError,
)
from broker.stores.schema import dead_letters

NOW = 1_767_225_600_000


def letter(number: int, body: bytes = b"\x00\xff junk") -> DeadLetter:
    return DeadLetter(1_000 + number, "ingest", "malformed", f"reason {number}", "market/v1/a/b/c/d", body, len(body))


def test_letters_come_back_newest_first_byte_for_byte(engine: Engine) -> None:
    store = DeadLetters(engine)
    store.add([letter(1), letter(2)])
    store.add([letter(3)])
    found = store.newest(2)
    assert [one.reason for one in found] == ["reason 3", "reason 2"]
    assert found[0].body == b"\x00\xff junk"
    assert found[0].dead_letter_id is not None
    assert store.count() == 3


def test_a_long_body_is_cut_and_its_length_is_said(engine: Engine) -> None:
    store = DeadLetters(engine)
    store.add([letter(1, b"x" * (DEAD_LETTER_BODY_BYTES_MAX + 5))])
    (found,) = store.newest()
    assert (len(found.body), found.body_bytes) == (DEAD_LETTER_BODY_BYTES_MAX, DEAD_LETTER_BODY_BYTES_MAX + 5)


def test_a_long_reason_and_topic_are_cut(engine: Engine) -> None:
    store = DeadLetters(engine)
    store.add([DeadLetter(1, "ingest", "bad-topic", "가" * 5000, "t" * 5000, b"", 0)])
    (found,) = store.newest()
    assert (len(found.reason), len(found.topic)) == (2000, 400)


def test_over_the_bound_the_oldest_go(engine: Engine) -> None:
    store = DeadLetters(engine, rows_max=10)
    for start in range(0, 40, 4):
        store.add([letter(start + n) for n in range(4)])
    assert store.count() == 10
    assert [one.reason for one in store.newest()] == [f"reason {n}" for n in range(39, 29, -1)]


def test_no_letters_ask_no_database(engine: Engine) -> None:
    dead_letters.drop(engine)
    DeadLetters(engine).add([])


def test_a_database_that_fails_is_retryable(engine: Engine) -> None:
    dead_letters.drop(engine)
    with pytest.raises(StoreUnavailableError):
        DeadLetters(engine).add([letter(1)])


def of(kind: str, device: str = "pi-1", *, age_ms: int = 0, part: str = "ingest", body: bytes = b"x") -> DeadLetter:
    topic = f"market/v1/jungang/{device}/telemetry/bays"
    return DeadLetter(NOW - age_ms, part, kind, "why", topic, body, len(body), market="jungang", device=device)


@pytest.fixture
def several(engine: Engine) -> DeadLetters:
    store = DeadLetters(engine)
    store.add([of("clock"), of("clock", "pi-2"), of("malformed", age_ms=5000), of("late", part="alerts")])
    return store


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (LetterFilter(), [4, 3, 2, 1]),
        (LetterFilter(kind="clock"), [2, 1]),
        (LetterFilter(device="pi-2"), [2]),
        (LetterFilter(market="seomun"), []),
        (LetterFilter(since_unix_ms=NOW - 4000), [4, 2, 1]),
        (LetterFilter(until_unix_ms=NOW - 4000), [3]),
        (LetterFilter(below_id=3), [2, 1]),
        (LetterFilter(kind="clock", device="pi-1"), [1]),
    ],
)
def test_filters(several: DeadLetters, wanted: LetterFilter, numbers: list[int]) -> None:
    assert [one.dead_letter_id for one in several.find(wanted)] == numbers


def test_counts_are_by_device_and_kind_most_first(several: DeadLetters) -> None:
    several.add([of("clock", "pi-2")])
    first, *others = several.counts()
    assert (first.device, first.kind, first.letters, first.newest_unix_ms) == ("pi-2", "clock", 2, NOW)
    assert len(others) == 3


def test_a_letter_that_is_not_there_is_named(several: DeadLetters) -> None:
    for ask in (several.get, several.forget, lambda number: several.request_replay(number, NOW)):
        with pytest.raises(UnknownLetterError, match="no dead letter 99"):
            ask(99)


def test_a_letter_is_one_claimants_until_its_lease_ends(several: DeadLetters) -> None:
    assert several.claim(NOW, NOW + 100) is None, "nobody asked for any"
    several.request_replay(1, NOW)
    claimed = several.claim(NOW, NOW + 100)
    assert claimed is not None
    assert claimed.dead_letter_id == 1
    assert several.claim(NOW + 99, NOW + 200) is None
    assert several.claim(NOW + 100, NOW + 200) == claimed


def test_only_one_of_many_claimants_gets_a_letter(several: DeadLetters) -> None:
    several.request_replay(1, NOW)
    several.request_replay(2, NOW)
    got: list[int | None] = []

    def claim() -> None:
        for _ in range(4):
            letter = several.claim(NOW, NOW + 100)
            if letter is not None:
                got.append(letter.dead_letter_id)

    threads = [threading.Thread(target=claim) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(number or 0 for number in got) == [1, 2]


def test_a_replay_that_failed_keeps_both_reasons_and_is_not_wanted_any_more(several: DeadLetters) -> None:
    several.request_replay(1, NOW)
    claimed = several.claim(NOW, NOW + 100)
    assert claimed is not None
    several.replay_failed(claimed, "rejected", "type conflict")
    kept = several.get(1)
    assert (kept.reason, kept.reason_kind, kept.replay_error, kept.replay_attempts) == (
        ("why", "rejected", "type conflict", 1)
    )
    assert several.claim(NOW + 200, NOW + 300) is None


def test_what_can_never_be_replayed_is_refused_with_the_reason(several: DeadLetters) -> None:
    several.add([of("oversized", body=b"x" * (DEAD_LETTER_BODY_BYTES_MAX + 1))])
    with pytest.raises(NotReplayableError, match="only the first 65536 of its 65537 bytes"):
        several.request_replay(5, NOW)
    with pytest.raises(NotReplayableError, match="from the bus alone"):
        several.request_replay(4, NOW)
    assert several.request_replays(LetterFilter(), NOW) == 3


def test_letters_are_forgotten_one_by_one_or_by_filter(several: DeadLetters) -> None:
    several.forget(3)
    assert several.forget_all(LetterFilter(kind="clock")) == 2
    assert [one.dead_letter_id for one in several.newest()] == [4]


def test_what_two_hear_at_once_is_one_letter_whoever_is_first(engine: Engine) -> None:
    store, gate, stored = DeadLetters(engine), threading.Barrier(4), list[int]()

    def hear() -> None:
        gate.wait()
        stored.append(store.add_once([letter(1), letter(2, b"other")], 60))

    threads = [threading.Thread(target=hear) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(stored) == [0, 0, 0, 2]
    assert store.count() == 2


def test_the_same_again_after_a_while_is_another_letter(engine: Engine) -> None:
    store, long = DeadLetters(engine), b"x" * (DEAD_LETTER_BODY_BYTES_MAX + 5)
    assert store.add_once([letter(0, long)], 60) == 1
    assert store.add_once([letter(60_000, long)], 60) == 0
    assert store.add_once([letter(60_001, long)], 60) == 1
    assert store.add_once([], 60) == 0
