"""How far the roll-ups are, and the windows to do again: nothing that comes late is forgotten."""

import pytest
from sqlalchemy import Engine

from broker.stores.database import StoreUnavailableError, transaction
from broker.stores.rollups import Rollups, Window
from broker.stores.schema import dirty_claims, dirty_windows

W = 300_000


@pytest.fixture
def rollups(engine: Engine) -> Rollups:
    return Rollups(engine)


def dirty(engine: Engine, *windows: Window) -> None:
    with transaction(engine) as connection:
        for market, window in windows:
            connection.execute(dirty_windows.insert().values(market=market, window_unix_ms=window))


def test_done_only_goes_forward(rollups: Rollups) -> None:
    assert rollups.done_until() == {}
    rollups.note_done("jungang", 5 * W)
    rollups.note_done("nambu", W)
    rollups.note_done("jungang", 4 * W)
    assert rollups.done_until() == {"jungang": 5 * W, "nambu": W}
    rollups.note_done("jungang", 6 * W)
    assert rollups.done_until()["jungang"] == 6 * W


def test_only_what_was_done_is_done_again_in_order_and_bounded(engine: Engine, rollups: Rollups) -> None:
    rollups.note_done("jungang", 5 * W)
    dirty(engine, ("jungang", 6 * W), ("jungang", 3 * W), ("jungang", 1 * W), ("jungang", 2 * W), ("nambu", W))
    assert rollups.claim(2) == (("jungang", W), ("jungang", 2 * W))
    assert rollups.waiting() == (5, W)
    rollups.finished([("jungang", W), ("jungang", 2 * W)])
    assert rollups.claim(2) == (("jungang", 3 * W),)
    rollups.finished([("jungang", 3 * W)])
    assert rollups.claim(2) == ()
    assert rollups.waiting() == (2, W)


def test_a_job_that_died_finds_its_claims(engine: Engine, rollups: Rollups) -> None:
    rollups.note_done("jungang", 9 * W)
    dirty(engine, ("jungang", W), ("jungang", 2 * W))
    claimed = rollups.claim(1)
    assert Rollups(engine).claim(5) == claimed == (("jungang", W),)


def test_a_reading_that_comes_while_its_window_is_done_again_makes_it_dirty_anew(
    engine: Engine, rollups: Rollups
) -> None:
    rollups.note_done("jungang", 9 * W)
    dirty(engine, ("jungang", W))
    claimed = rollups.claim(5)
    dirty(engine, ("jungang", W))
    rollups.finished(claimed)
    assert rollups.claim(5) == (("jungang", W),)


def test_beginning_forgets_what_was_late_until_then_and_nothing_else(engine: Engine, rollups: Rollups) -> None:
    dirty(engine, ("jungang", W), ("jungang", 2 * W), ("jungang", 3 * W), ("nambu", W))
    rollups.begin("jungang", W, 3 * W)
    with engine.connect() as connection:
        left = connection.execute(dirty_windows.select().order_by(*dirty_windows.c)).all()
    assert [tuple(row) for row in left] == [("jungang", 3 * W), ("nambu", W)]


def test_markets_that_are_gone_leave_nothing(engine: Engine, rollups: Rollups) -> None:
    for market in ("jungang", "nambu"):
        rollups.note_done(market, 9 * W)
        dirty(engine, (market, W))
    rollups.claim(9)
    dirty(engine, ("nambu", 2 * W), ("jungang", 2 * W))
    rollups.forget_others(["jungang"])
    assert rollups.done_until() == {"jungang": 9 * W}
    assert rollups.waiting() == (2, W)
    rollups.forget_others([])
    assert rollups.waiting() == (0, None)


def test_a_database_that_is_away_is_waited_for(engine: Engine, rollups: Rollups) -> None:
    with transaction(engine) as connection:
        dirty_claims.drop(connection)
        connection.exec_driver_sql("ALTER TABLE rollups RENAME TO away")
    for work in (rollups.done_until, rollups.waiting, lambda: rollups.claim(1), lambda: rollups.note_done("m", 1)):
        with pytest.raises(StoreUnavailableError):
            work()
