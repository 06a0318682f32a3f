"""Part status: the newest word of each part, and silence as stale."""

import pytest
from sqlalchemy import Engine

from broker.stores.parts import Parts
from runtime.clock import ManualClock


@pytest.fixture
def parts(engine: Engine, clock: ManualClock) -> Parts:
    return Parts(engine, clock)


def test_the_newest_word_of_each_part(parts: Parts, clock: ManualClock) -> None:
    started = clock.unix_ms()
    parts.report("ingest", "ok", {"messages_total": 1})
    parts.report("alerts", "degraded", {}, detail="no provider")
    clock.advance(3)
    parts.report("ingest", "ok", {"messages_total": 7.5})
    alerts, ingest = parts.all()
    assert (alerts.part, alerts.state, alerts.detail, alerts.age_s) == ("alerts", "degraded", "no provider", 3.0)
    assert (ingest.part, ingest.age_s, dict(ingest.counters)) == ("ingest", 0.0, {"messages_total": 7.5})
    assert ingest.started_unix_ms == started


def test_silence_shows_as_stale_whatever_was_said_last(parts: Parts, clock: ManualClock) -> None:
    parts.report("ingest", "ok", {}, stale_after_s=10)
    clock.advance(10)
    assert parts.all()[0].state == "ok"
    clock.advance(0.1)
    assert parts.all()[0].state == "stale"
    parts.report("ingest", "ok", {})
    assert parts.all()[0].state == "ok"


def test_a_clock_that_was_set_back_gives_no_negative_age(parts: Parts, clock: ManualClock) -> None:
    parts.report("ingest", "ok", {})
    clock.jump(-60)
    assert parts.all()[0].age_s == 0.0


def test_nobody_has_reported_yet(parts: Parts) -> None:
    assert parts.all() == ()


def test_a_part_that_is_retired_is_forgotten_by_hand(parts: Parts) -> None:
    parts.report("ingest-w1", "ok", {})
    parts.report("ingest-w3", "ok", {})
    assert parts.forget("ingest-w3")
    assert not parts.forget("ingest-w3")
    assert [one.part for one in parts.all()] == ["ingest-w1"]


def test_a_long_silent_part_is_forgotten_where_another_does_its_work(parts: Parts, clock: ManualClock) -> None:
    for name in ("ingest-w1", "ingest-w3", "upkeep"):
        parts.report(name, "ok", {})
    clock.advance(100)
    parts.report("ingest-w1", "ok", {})
    assert parts.forget_older_than(100) == ()
    clock.advance(0.1)
    assert parts.forget_older_than(100) == ("ingest-w3",)
    assert [(one.part, one.state) for one in parts.all()] == [("ingest-w1", "ok"), ("upkeep", "stale")], (
        "nobody took over from upkeep: it is missed"
    )
    clock.advance(1000)
    assert parts.forget_older_than(100) == (), "when all are silent the house is down, and nobody is retired"
    parts.report("ingest-w3", "ok", {})
    assert parts.forget_older_than(100) == ("ingest-w1",)
