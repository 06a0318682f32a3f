"""Rosters as the console edits them, and that an enrolment leaves alone what was edited there."""

from threading import Barrier, Thread

import pytest
from sqlalchemy import Engine

from broker.stores.policies import BUILT_IN, SITE_FILE, Policies
from broker.stores.policy_models import Policy, PolicyTable, Step
from broker.stores.registry import Kept, MarketEntry, Named, Recipient, Registry
from broker.stores.rosters import (
    PEOPLE_MAX,
    DuplicatePhoneError,
    RosterBook,
    RosterFullError,
    UnknownPersonError,
)
from runtime.clock import ManualClock

MARKET = "jungang"
KIM = Recipient("김점장", "01012345678")
LEE = Recipient("이반장", "01087654321", "deputy", "ja", 22 * 60, 7 * 60)
CHANGED = PolicyTable(camera=Policy(steps=(Step(after_s=0, roles=("deputy",)),)))


@pytest.fixture
def book(engine: Engine) -> RosterBook:
    enrol(engine, KIM)
    return RosterBook(engine)


def enrol(engine: Engine, *people: Recipient, policies: PolicyTable | None = None) -> Kept:
    named = Named(MARKET, "중앙시장", "Jungang market")
    return Registry(engine).enrol(MarketEntry(named, recipients=people, policies=policies))


def people(book: RosterBook) -> list[Recipient]:
    return [one.recipient for one in book.of(MARKET).people]


def test_the_file_has_the_last_word_until_somebody_edits_here(engine: Engine, book: RosterBook) -> None:
    assert not book.of(MARKET).by_console
    assert enrol(engine, KIM, LEE) == Kept()
    assert people(book) == [KIM, LEE]
    book.remove(MARKET, book.of(MARKET).people[0].recipient_id)
    assert book.of(MARKET).by_console
    assert enrol(engine, KIM, LEE) == Kept(roster=True)
    assert people(book) == [LEE]
    assert book.give_back(MARKET)
    assert not book.give_back(MARKET)
    assert enrol(engine, KIM) == Kept()
    assert people(book) == [KIM]


def test_people_are_added_changed_and_removed(book: RosterBook) -> None:
    added = book.add(MARKET, LEE)
    assert people(book) == [KIM, LEE]
    assert book.change(MARKET, added.recipient_id, Recipient("이반장", "01000000009")) == LEE
    assert people(book)[1] == Recipient("이반장", "01000000009")
    assert book.remove(MARKET, added.recipient_id).phone == "01000000009"
    assert people(book) == [KIM]


def test_a_number_stands_once_in_a_market(engine: Engine, book: RosterBook) -> None:
    with pytest.raises(DuplicatePhoneError, match="김점장's number already"):
        book.add(MARKET, Recipient("박총무", KIM.phone))
    other = book.add(MARKET, LEE)
    with pytest.raises(DuplicatePhoneError):
        book.change(MARKET, other.recipient_id, Recipient("이반장", KIM.phone))
    assert people(book) == [KIM, LEE]
    Registry(engine).enrol(MarketEntry(Named("seo", "서부", "Seo")))
    book.add("seo", KIM)
    assert [one.recipient for one in book.of("seo").people] == [KIM]


def test_nobody_of_another_market_is_reached(engine: Engine, book: RosterBook) -> None:
    Registry(engine).enrol(MarketEntry(Named("seo", "서부", "Seo")))
    mine = book.of(MARKET).people[0].recipient_id
    with pytest.raises(UnknownPersonError):
        book.remove("seo", mine)
    with pytest.raises(UnknownPersonError):
        book.change("seo", mine, LEE)
    assert people(book) == [KIM]
    assert not book.of("seo").by_console, "what was refused changes nothing"


def test_a_roster_is_bounded(engine: Engine) -> None:
    enrol(engine, *(Recipient(f"r{number}", f"010{number:08}") for number in range(PEOPLE_MAX)))
    with pytest.raises(RosterFullError):
        RosterBook(engine).add(MARKET, KIM)


def test_without_anything_saved_the_built_in_policies_count(engine: Engine, clock: ManualClock) -> None:
    found = Policies(engine, clock).of(MARKET)
    assert (found.table, found.saved_by, found.is_own) == (BUILT_IN, "", False)


def test_a_market_has_its_own_policies_or_those_of_all(engine: Engine, clock: ManualClock, book: RosterBook) -> None:
    policies, told = Policies(engine, clock), CHANGED.camera
    policies.save("", "camera", told, "kim")
    assert policies.of(MARKET).table == CHANGED
    assert not policies.of(MARKET).is_own
    clock.advance(5)
    saved = policies.save(MARKET, "sensor", told, "lee")
    assert saved == policies.of(MARKET)
    assert (saved.saved_by, saved.saved_unix_ms, saved.is_own) == ("lee", clock.unix_ms(), True)
    assert (saved.table.camera, saved.table.sensor) == (told, told)
    assert policies.of_all([MARKET, "seo"])["seo"].table == CHANGED
    assert policies.forget(MARKET)
    assert not policies.forget(MARKET)
    assert policies.of(MARKET).table == CHANGED
    assert people(book) == [KIM]


def test_an_enrolment_brings_policies_until_somebody_edits_them_here(engine: Engine, clock: ManualClock) -> None:
    policies = Policies(engine, clock)
    assert enrol(engine, KIM, policies=CHANGED) == Kept()
    assert (policies.of(MARKET).table, policies.of(MARKET).saved_by) == (CHANGED, SITE_FILE)
    assert enrol(engine, KIM) == Kept()
    assert policies.of(MARKET).table == BUILT_IN
    policies.save(MARKET, "sensor", CHANGED.camera, "kim")
    assert enrol(engine, KIM, policies=CHANGED) == Kept(policies=True)
    assert policies.of(MARKET).saved_by == "kim"
    policies.forget(MARKET)
    assert enrol(engine, KIM, policies=CHANGED) == Kept()


def test_two_who_save_two_kinds_at_once_both_have_saved(engine: Engine, clock: ManualClock, book: RosterBook) -> None:
    policies, start = Policies(engine, clock), Barrier(2)
    assert people(book) == [KIM]

    def save(kind: str) -> None:
        start.wait()
        policies.save(MARKET, kind, CHANGED.camera, kind)

    threads = [Thread(target=save, args=(kind,)) for kind in ("camera", "sensor")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    table = policies.of(MARKET).table
    assert (table.camera, table.sensor) == (CHANGED.camera, CHANGED.camera)
