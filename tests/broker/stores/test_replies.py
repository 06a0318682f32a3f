"""Replies as they are kept, in both databases: once, with their answer, for a year."""

from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, select

from broker.stores.messages import Messages
from broker.stores.replies import ALREADY, KEPT_S, UNKNOWN_CODE, UNKNOWN_SENDER, Answer, Person, Replies
from broker.stores.schema import replies
from runtime.clock import ManualClock
from tests.broker.stores.test_acknowledge_tokens import KIM, LEE, enrol, fire


def rows(engine: Engine) -> list[tuple[str, str, str]]:
    with engine.connect() as connection:
        return [(row.reference, row.sender, row.text) for row in connection.execute(select(replies))]


def test_told_by_many_at_once_a_reply_and_its_answer_are_one(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    fire(engine, clock)
    store = Replies(engine, clock)
    (person,) = store.people(LEE)
    answer = Answer(person, "[장터] 확인 안 됨.")
    with ThreadPoolExecutor(8) as pool:
        kept = list(pool.map(lambda _: store.keep("kannel", "r-1", LEE, "?", UNKNOWN_CODE, answer), range(16)))
    assert sum(kept) == 1
    assert [(one.recipient, one.text, one.state) for one in Messages(engine, clock).newest()] == [
        (LEE, "[장터] 확인 안 됨.", "due")
    ]
    assert store.is_known("kannel", "r-1")
    assert not store.is_known("solapi", "r-1")


def test_a_number_is_who_it_is_in_each_of_its_markets(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    store = Replies(engine, clock)
    assert store.people(KIM) == (Person("jungang", "김관리", KIM, "ko"), Person("seomun", "김관리", KIM, "ko"))
    assert store.people("01000000000") == ()


def test_a_code_means_incidents_of_these_markets_alone(engine: Engine, clock: ManualClock) -> None:
    enrol(engine)
    here, elsewhere = fire(engine, clock), fire(engine, clock, "seomun", seq=2)
    store = Replies(engine, clock)
    codes = [*store.unacknowledged(["jungang"]), *store.unacknowledged(["seomun"])]
    assert len(codes) == 2
    assert [one.incident_id for one in store.meant(codes, ["jungang"])] == [here]
    assert [one.incident_id for one in store.meant(codes, ["seomun", "jungang"])] == [here, elsewhere]
    assert store.meant([], ["jungang"]) == store.meant(codes, []) == ()


def test_what_changed_nothing_is_counted_for_an_hour_and_all_is_kept_for_a_year(
    engine: Engine, clock: ManualClock
) -> None:
    store = Replies(engine, clock)
    for number, outcome in enumerate((ALREADY, UNKNOWN_CODE, UNKNOWN_SENDER)):
        store.keep("kannel", str(number), KIM, "?", outcome, None)
    assert (store.futile_last_hour(KIM), store.futile_last_hour(LEE)) == (2, 0)
    clock.advance(3600)
    assert store.futile_last_hour(KIM) == 0
    clock.advance(KEPT_S)
    store.keep("kannel", "new", KIM, "?", UNKNOWN_CODE, None)
    assert [reference for reference, _, _ in rows(engine)] == ["new"]


def test_whatever_a_provider_hands_over_can_be_kept(engine: Engine, clock: ManualClock) -> None:
    store = Replies(engine, clock)
    assert store.keep("kannel", "r" * 400, "s" * 400, "가\0" * 400, UNKNOWN_SENDER, None)
    assert not store.keep("kannel", "r" * 400, "s", "?", UNKNOWN_SENDER, None)
    ((reference, sender, text),) = rows(engine)
    assert (len(reference), len(sender), len(text)) == (64, 40, 500)
    assert "\0" not in text
