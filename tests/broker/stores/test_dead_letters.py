"""The dead letter: kept whole, cut where said, bounded."""

import pytest
from sqlalchemy import Engine

from broker.stores.database import StoreUnavailableError
from broker.stores.dead_letters import DEAD_LETTER_BODY_BYTES_MAX, DeadLetter, DeadLetters
from broker.stores.schema import dead_letters


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
