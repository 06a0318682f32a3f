"""Two processes with many threads each at the same incident: there is one, and its log is a way through the table."""

import multiprocessing
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from sqlalchemy import Engine, func, select

from broker.stores.incident_states import BEGINS, TABLE, Action, Standing, State
from broker.stores.incidents import Incidents
from broker.stores.schema import incident_log, incidents, messages
from runtime.clock import ManualClock
from tests.broker.alerts.central import enrol
from tests.broker.stores.incident_race import (
    MARKET,
    NOW_UNIX_MS,
    ROUNDS,
    THREADS,
    Done,
    live,
    raise_and_acknowledge,
    wait_at,
)

PROCESSES = 2


def both(work: Callable[[str, int], Done], url: str) -> list[Done]:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, context, initializer=wait_at, initargs=(gate,)) as pool:
        return list(pool.map(work, [url] * PROCESSES, range(PROCESSES), timeout=120))


def check_logs(engine: Engine) -> None:
    """Every incident's log leads from its beginning to where it stands now, each step as the table has it."""
    with engine.connect() as connection:
        found = connection.execute(select(incidents)).all()
        lines = connection.execute(select(incident_log).order_by(incident_log.c.log_id)).all()
    for one in found:
        own = [line for line in lines if line.incident_id == one.incident_id]
        assert own[0].action == Action.RAISE
        standing = BEGINS[Action.RAISE]
        for line in own[1:]:
            assert line.from_state == standing.state
            standing = TABLE[standing][Action(line.action)]
            assert line.to_state == standing.state
        assert standing == Standing(State(one.state), one.acknowledged_unix_ms is not None)
        assert (one.open_key is None) == (one.state == "closed") == (one.closed_unix_ms is not None)


def test_all_raise_and_acknowledge_at_once_and_one_incident_is_there(engine: Engine, database_url: str) -> None:
    enrol(engine)
    done = both(raise_and_acknowledge, database_url)
    effects = Counter(effect for one in done for effect in one.effects)
    (found,) = Incidents(engine, ManualClock(NOW_UNIX_MS)).open_and_recent(MARKET)
    assert (found.state, found.event_count) == ("acknowledged", PROCESSES * THREADS * ROUNDS * 2)
    assert effects["opened"] == 1
    assert effects["confirmed"] == PROCESSES * THREADS - 1
    assert sum(one.firsts for one in done) == 1
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(messages)).scalar_one() == 1
    check_logs(engine)


def test_whatever_happens_at_once_at_most_one_is_open_and_nothing_is_lost(engine: Engine, database_url: str) -> None:
    enrol(engine)
    done = both(live, database_url)
    effects = Counter(effect for one in done for effect in one.effects)
    found = Incidents(engine, ManualClock(NOW_UNIX_MS)).open_and_recent(MARKET, limit=1000)
    assert effects["duplicate"] == 0
    assert len(found) == effects["opened"] >= ROUNDS
    assert sum(one.state != "closed" for one in found) <= 1
    assert not any(one.is_active for one in found), "every flame was lost again"
    assert sum(one.firsts for one in done) == sum(one.is_acknowledged for one in found)
    counted = sum(one.event_count for one in found) + effects["noted"]
    assert counted == PROCESSES * THREADS * ROUNDS * 2
    check_logs(engine)
