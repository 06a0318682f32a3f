import threading

import pytest
from sqlalchemy import Connection, Engine

from broker.alerts.lease import RENEW_S, TTL_S, Lease
from broker.stores.database import StoreUnavailableError
from broker.stores.leases import Leases, Term
from runtime.clock import ManualClock, SystemClock
from tests.broker.alerts.central import NOW_UNIX_MS
from tests.eventually import eventually


class Machine:
    """A service on a machine of its own, whose clock is its own."""

    def __init__(self, engine: Engine, name: str, *, unix_ms: int = NOW_UNIX_MS) -> None:
        self.clock = ManualClock(unix_ms)
        self.lease = Lease(Leases(engine), self.clock, name)


@pytest.fixture
def first(engine: Engine) -> Machine:
    one = Machine(engine, "1")
    assert one.lease.look()
    return one


@pytest.fixture
def second(engine: Engine) -> Machine:
    return Machine(engine, "2", unix_ms=NOW_UNIX_MS - 900_000)  # a quarter of an hour behind: no matter


def test_the_first_one_has_it_and_keeps_it(first: Machine, second: Machine) -> None:
    for _ in range(10):
        first.clock.advance(RENEW_S)
        second.clock.advance(RENEW_S)
        assert not first.lease.look()
        assert not second.lease.look()
        assert (first.lease.held, second.lease.held) == (True, False)


def test_when_the_holder_dies_the_other_has_it_after_its_time(first: Machine, second: Machine) -> None:
    assert not second.lease.look()
    second.clock.advance(TTL_S - 0.1)
    assert not second.lease.look()
    second.clock.advance(0.2)
    assert second.lease.look()
    assert second.lease.held
    assert second.lease.term == 2
    assert first.lease.term == 1


def test_a_holder_that_slept_knows_that_its_term_is_over_before_it_asks(first: Machine, second: Machine) -> None:
    second.lease.look()
    second.clock.advance(TTL_S + 0.1)
    assert second.lease.look()
    first.clock.advance(TTL_S + 0.1)
    assert not first.lease.held
    assert not first.lease.look()
    assert first.lease.term is None
    assert second.lease.held


def test_for_the_holder_its_term_ends_before_another_can_take_it(first: Machine, second: Machine) -> None:
    """Both look at the same moment; whatever the order, there is none in which both may send."""
    first.clock.advance(RENEW_S)
    first.lease.look()
    second.lease.look()
    for _ in range(int(TTL_S * 20) + 2):
        first.clock.advance(0.05)
        second.clock.advance(0.05)
        second.lease.look()
        assert not (first.lease.held and second.lease.held)
    assert (first.lease.held, second.lease.held) == (False, True)


def test_a_lapse_that_nobody_used_is_no_end(first: Machine) -> None:
    states = [first.lease.held]
    first.clock.advance(60)
    states.append(first.lease.held)
    assert not first.lease.look(), "no new term: nobody sent meanwhile"
    states.append(first.lease.held)
    assert states == [True, False, True]
    assert first.lease.term == 1


def test_the_successor_of_a_process_need_not_wait(engine: Engine, first: Machine) -> None:
    again = Machine(engine, "1")
    assert again.lease.look()
    assert again.lease.term == 2
    assert not first.lease.look(), "the one before it, if it should still run, has lost it"
    assert not first.lease.held


def test_two_of_one_name_do_not_take_it_from_each_other_for_ever(engine: Engine, first: Machine) -> None:
    again = Machine(engine, "1")
    again.lease.look()
    for _ in range(5):
        first.lease.look()
        again.lease.look()
        first.clock.advance(RENEW_S)
        again.clock.advance(RENEW_S)
    assert again.lease.held
    assert again.lease.term == 2


def test_given_back_it_is_free_at_once(first: Machine, second: Machine) -> None:
    first.lease.give_back()
    assert not first.lease.held
    assert second.lease.look()


def test_while_the_database_is_away_it_runs_out(engine: Engine, first: Machine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE leases RENAME TO away")
    first.clock.advance(TTL_S / 2)
    with pytest.raises(StoreUnavailableError):
        first.lease.look()
    assert first.lease.held
    first.clock.advance(TTL_S)
    assert not first.lease.held


def test_nobody_sends_before_what_comes_first_is_done(engine: Engine, second: Machine) -> None:
    done = list[Term | None]()

    def note(_connection: Connection) -> None:
        done.append(None if lease.term is None else Leases(engine).read("alerts"))

    Machine(engine, "1").lease.look()
    lease = Lease(Leases(engine), second.clock, "2", first=note)
    lease.look()
    second.clock.advance(TTL_S + 0.1)
    assert lease.look()
    assert done == [None]


def test_running_it_renews_and_gives_back(engine: Engine) -> None:
    clock, stop, begun = SystemClock(), threading.Event(), threading.Event()
    lease = Lease(Leases(engine), clock, "1", ttl_s=0.6)
    beats = list[float]()
    work = threading.Thread(target=lease.run, args=(stop, begun.set, lambda: beats.append(clock.monotonic_s())))
    work.start()
    try:
        assert begun.wait(10)
        first = Leases(engine).read("alerts")
        eventually(lambda: Leases(engine).read("alerts") != first, what="it is renewed")
        assert beats
    finally:
        stop.set()
        work.join(10)
    row = Leases(engine).read("alerts")
    assert row is not None
    assert row.is_given_back
