from dataclasses import replace
from datetime import date, time, timedelta

import pytest
from sqlalchemy import Engine

from broker.alerts.canary import Canary, CanarySettings, due_day, judged
from broker.stores.carrier import form_of
from broker.stores.messages import Message, Messages
from runtime.clock import ManualClock
from tests.broker.alerts.central import MARKET, NOW_UNIX_MS
from tests.broker.alerts.test_providers import ONE

PHONE = "01099998888"
NOON = time(12, 0)  # it is 20:06 in Korea when the clock starts


@pytest.fixture
def messages(engine: Engine, clock: ManualClock) -> Messages:
    return Messages(engine, clock)


@pytest.fixture
def canary(messages: Messages) -> Canary:
    return Canary(CanarySettings(phone=PHONE, at=NOON, receipt_within_s=600), MARKET, messages)


def newest(messages: Messages) -> Message:
    return messages.newest(limit=1)[0]


@pytest.mark.parametrize(
    ("at", "day"), [(time(20, 6), date(2026, 11, 18)), (time(20, 7), None), (time(0, 0), date(2026, 11, 18))]
)
def test_it_is_due_from_its_time_on_in_korea(at: time, day: date | None) -> None:
    assert due_day(NOW_UNIX_MS, at) == day


def test_one_a_day_however_often_and_by_whomever_it_is_asked_for(
    canary: Canary, messages: Messages, clock: ManualClock
) -> None:
    assert canary.send(clock.unix_ms())
    assert not canary.send(clock.unix_ms())
    assert not Canary(canary.settings, MARKET, messages).send(clock.unix_ms())
    clock.advance(timedelta(hours=4).total_seconds())
    assert not canary.send(clock.unix_ms()), "past midnight, but not noon yet"
    clock.advance(timedelta(hours=12).total_seconds())
    assert canary.send(clock.unix_ms())
    (one, other) = messages.newest()
    assert {one.recipient, other.recipient} == {PHONE}
    assert form_of(one.text).kind == "sms"


def test_its_receipt_has_its_time_and_no_longer(canary: Canary, messages: Messages, clock: ManualClock) -> None:
    assert canary.look(clock.unix_ms()) is None, "never sent: nothing is known"
    canary.send(clock.unix_ms())
    (claimed,) = messages.claim(10)
    messages.accepted(claimed.message_id, "kannel", "r")
    clock.advance(600)
    assert canary.look(clock.unix_ms()) is None
    clock.advance(0.1)
    said = canary.look(clock.unix_ms())
    assert said == "no receipt for the test SMS of 11-18 20:06: kannel took it"
    messages.delivered(claimed.message_id, "kannel")
    assert canary.look(clock.unix_ms()) == "", "late, but it came"


def test_yesterdays_counts_until_todays_is_sent(canary: Canary, messages: Messages, clock: ManualClock) -> None:
    canary.send(clock.unix_ms())
    messages.failed(newest(messages).message_id, "4000: no such number")
    clock.advance(timedelta(hours=10).total_seconds())
    assert "4000: no such number" in str(canary.look(clock.unix_ms()))
    clock.advance(timedelta(hours=6).total_seconds())
    assert canary.send(clock.unix_ms())
    assert canary.look(clock.unix_ms()) is None


@pytest.mark.parametrize(("state", "said"), [("failed", "was not delivered"), ("unknown", "was not delivered")])
def test_what_can_never_arrive_is_said_at_once(state: str, said: str) -> None:
    assert said in str(judged(replace(ONE, state=state, error="x"), NOW_UNIX_MS, 600))


def test_that_nobody_took_it_is_said_with_the_reason() -> None:
    due = replace(ONE, state="due", error="Kannel cannot be reached")
    assert "nobody took it: Kannel cannot be reached" in str(judged(due, NOW_UNIX_MS + 601_000, 600))
