from collections.abc import Callable
from threading import Barrier, Thread

import pytest
from sqlalchemy import Connection, Engine, select

from broker.stores.leases import Leases, Term, is_current
from broker.stores.schema import leases as table

NAME = "alerts"


def nothing(_connection: Connection) -> None:
    """Nothing has to be done first."""


@pytest.fixture
def leases(engine: Engine) -> Leases:
    return Leases(engine)


@pytest.fixture
def mine(leases: Leases) -> Term:
    term = leases.begin(NAME, "1", 1_000)
    assert term is not None
    return term


def test_nobody_has_it_at_first(leases: Leases) -> None:
    assert leases.read(NAME) is None


def test_the_first_to_ask_has_it(leases: Leases, mine: Term) -> None:
    assert leases.read(NAME) == mine == Term(NAME, "1", 1_000, 1)
    assert leases.begin(NAME, "2", 2_000) is None


def test_of_many_that_take_it_at_once_one_does(leases: Leases, mine: Term) -> None:
    gate, got = Barrier(6), list[Term]()

    def take(holder: str) -> None:
        gate.wait()
        term = leases.take(mine, holder, 9_000, nothing)
        if term is not None:
            got.append(term)

    threads = [Thread(target=take, args=(str(number),)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    (winner,) = got
    assert winner.term == 2
    assert leases.read(NAME) == winner


def test_a_renewal_always_shows(leases: Leases, mine: Term) -> None:
    renewed = leases.renew(mine, mine.until_unix_ms)
    assert renewed is not None
    assert renewed.until_unix_ms != mine.until_unix_ms
    assert renewed.term == mine.term
    assert leases.take(mine, "2", 5_000, nothing) is None, "what was seen before the renewal is not free any more"


def test_a_term_that_another_has_ended_is_not_renewed(leases: Leases, mine: Term) -> None:
    taken = leases.take(mine, "2", 5_000, nothing)
    assert leases.renew(mine, 6_000) is None
    leases.give_back(mine)
    assert leases.read(NAME) == taken


def test_a_renewal_whose_answer_was_lost_is_renewed_again(leases: Leases, mine: Term) -> None:
    leases.renew(mine, 4_000)
    renewed = leases.renew(mine, 5_000)
    assert renewed is not None
    assert leases.read(NAME) == renewed


def test_given_back_is_free(leases: Leases, mine: Term) -> None:
    leases.give_back(mine)
    row = leases.read(NAME)
    assert row is not None
    assert row.is_given_back


def test_what_comes_first_is_done_with_the_taking_or_not_at_all(leases: Leases, mine: Term) -> None:
    def fail(_connection: Connection) -> None:
        raise LookupError("not now")

    with pytest.raises(LookupError):
        leases.take(mine, "2", 5_000, fail)
    assert leases.read(NAME) == mine
    seen = list[Term]()
    stale = Term(NAME, "1", 999, 1)
    assert leases.take(stale, "2", 5_000, lambda _connection: seen.append(stale)) is None
    assert seen == [], "nothing was taken, so nothing came first"


@pytest.mark.parametrize(("after", "found"), [(lambda _leases, _mine: None, 1), (None, 0)])
def test_a_fence_holds_while_its_term_does(
    engine: Engine, leases: Leases, mine: Term, after: Callable[[Leases, Term], object] | None, found: int
) -> None:
    if after is None:
        leases.take(mine, "2", 5_000, nothing)
    with engine.connect() as connection:
        assert len(connection.execute(select(table.c.name).where(is_current(mine))).all()) == found
