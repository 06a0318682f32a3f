"""Storm control and repeats on both databases, and two processes that gather at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from broker.alerts.policy import Composers
from broker.alerts.repeats import Repeats
from broker.alerts.storm import Storms
from broker.alerts.storm_control import FIRE_HOLD_S, OWN_MESSAGES_MAX
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages
from runtime.clock import ManualClock
from tests.broker.alerts.central import MARKET, NOW_UNIX_MS, enrol, sighting

FIRES = 8
MANAGERS, PEOPLE = 2, 4


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_UNIX_MS)


@pytest.fixture
def burning(engine: Engine, clock: ManualClock) -> Engine:
    enrol(engine)
    fires = [sighting(number, zone=f"z{number}", seq=7000 + number) for number in range(FIRES)]
    Incidents(engine, clock).record(fires, Composers(engine, clock)({MARKET}))
    clock.advance(FIRE_HOLD_S)
    return engine


def sms(engine: Engine, clock: ManualClock) -> list[Message]:
    due = clock.unix_ms()
    rows = Messages(engine, clock).newest(MARKET, 1000)
    return [one for one in rows if one.channel == "sms" and one.due_unix_ms <= due]


def test_what_is_gathered_is_told_once_whoever_gathers(burning: Engine, clock: ManualClock) -> None:
    storms = [Storms(burning, clock, Composers(burning, clock)) for _ in range(4)]
    with ThreadPoolExecutor(len(storms)) as pool:
        written = list(pool.map(lambda one: one.gather(), storms))
    assert sorted(written) == [0, 0, 0, MANAGERS]
    assert len(sms(burning, clock)) == MANAGERS * (OWN_MESSAGES_MAX + 1)
    gathered = [one for one in Messages(burning, clock).newest(MARKET, 1000) if one.provider == "storm"]
    assert len(gathered) == FIRES - OWN_MESSAGES_MAX
    assert {one.state for one in gathered} == {"accepted"}


def test_a_dispatcher_never_claims_what_is_to_be_gathered(burning: Engine, clock: ManualClock) -> None:
    Storms(burning, clock, Composers(burning, clock)).gather()
    clock.advance(300)
    claimed = Messages(burning, clock).claim(1000)
    assert {one.channel for one in claimed} == {"sms"}
    first = claimed[: MANAGERS * (OWN_MESSAGES_MAX + 1)]
    assert sum(one.message_key.startswith("storm-fire-") for one in first) == MANAGERS, (
        "it is as urgent as a first word"
    )


def test_repeats_of_a_storm_are_gathered_too(burning: Engine, clock: ManualClock) -> None:
    composers = Composers(burning, clock)
    Storms(burning, clock, composers).gather()
    clock.advance(120 + 180)
    assert Repeats(burning, clock, composers).look() == FIRES
    assert Repeats(burning, clock, composers).look() == 0
    before = len(sms(burning, clock))
    Storms(burning, clock, composers).gather()
    assert len(sms(burning, clock)) - before == PEOPLE, "one message for each, with the steps that were due besides"
