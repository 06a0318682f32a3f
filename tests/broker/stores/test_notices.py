"""Notices: what is current, and what becomes of the rest."""

import pytest
from sqlalchemy import Engine

from broker.stores.notices import Asset, Draft, Notices
from broker.stores.registry import MarketEntry, Named, Registry
from runtime.clock import ManualClock

NOW = 1_000_000
PICTURE = Asset("ab" * 32, "image/png", 100)


def draft(title: str = "반값", *, start: int = NOW, end: int | None = None, picture: str | None = None) -> Draft:
    return Draft(title, "오늘만", picture, start, end, "kim")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(unix_ms=NOW)


@pytest.fixture
def notices(engine: Engine, clock: ManualClock) -> Notices:
    for name in ("jungang", "seomun"):
        Registry(engine).enrol(MarketEntry(Named(name, name, name)))
    return Notices(engine, clock)


def test_a_notice_is_read_back_with_its_picture(notices: Notices) -> None:
    notices.keep_asset(PICTURE)
    notices.keep_asset(PICTURE)
    made = notices.add("jungang", draft(picture=PICTURE.sha256))
    assert notices.get(made.notice_id) == made
    assert (made.title, made.text, made.picture, made.created_by) == ("반값", "오늘만", PICTURE, "kim")
    assert notices.asset(PICTURE.sha256) == PICTURE
    assert notices.asset("cd" * 32) is None
    assert notices.get(made.notice_id + 1) is None


def test_current_leaves_out_what_is_over_or_withdrawn_or_elsewhere(notices: Notices, clock: ManualClock) -> None:
    over = notices.add("jungang", draft("over", end=NOW + 1000))
    withdrawn = notices.add("jungang", draft("withdrawn"))
    later = notices.add("jungang", draft("later", start=NOW + 60_000))
    stays = notices.add("jungang", draft("stays"))
    notices.add("seomun", draft("elsewhere"))
    assert notices.count_current("jungang") == 4
    notices.withdraw(withdrawn.notice_id)
    clock.advance(1)
    assert [one.title for one in notices.current("jungang")] == ["stays", "later"]
    assert notices.count_current("jungang") == 2
    phases = {one.title: one.phase(clock.unix_ms()) for one in notices.newest("jungang")}
    assert phases == {"over": "over", "withdrawn": "withdrawn", "later": "waiting", "stays": "showing"}
    assert [one.notice_id for one in notices.newest("jungang", 2)] == [stays.notice_id, later.notice_id]
    assert over.notice_id not in {one.notice_id for one in notices.current("jungang")}


def test_withdrawing_twice_keeps_the_first_time(notices: Notices, clock: ManualClock) -> None:
    made = notices.add("jungang", draft())
    notices.withdraw(made.notice_id)
    clock.advance(5)
    notices.withdraw(made.notice_id)
    again = notices.get(made.notice_id)
    assert again is not None
    assert again.withdrawn_unix_ms == NOW


def test_pictures_in_use_are_those_of_current_notices(notices: Notices) -> None:
    notices.keep_asset(PICTURE)
    made = notices.add("jungang", draft(picture=PICTURE.sha256))
    assert notices.pictures_in_use() == {PICTURE.sha256}
    notices.withdraw(made.notice_id)
    assert notices.pictures_in_use() == frozenset()


def test_a_removed_notice_leaves_nothing(notices: Notices) -> None:
    made = notices.add("jungang", draft())
    notices.remove(made.notice_id)
    assert notices.newest("jungang") == ()
