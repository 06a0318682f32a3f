"""Storms: the first incidents have messages of their own, the rest becomes one message for each recipient."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from broker.alerts.policy import Composers, trouble_kind
from broker.alerts.storm import Storms
from broker.alerts.storm_control import FIRE_HOLD_S, OTHER_HOLD_S, OWN_MESSAGES_MAX
from broker.stores.carrier import form_of
from broker.stores.incident_models import Incident, Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import Message, Messages
from broker.stores.policies import Policies
from broker.stores.policy_models import Policy, Step
from broker.stores.registry import MarketEntry, Named, Recipient, Registry
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEPUTY, DEVICE, MANAGER, MARKET, MERCHANT, NOW_UNIX_MS, sighting

ZONES = 100
PEOPLE = (
    Recipient("김관리", MANAGER),
    Recipient("Deputy", DEPUTY, "deputy", "en"),
    Recipient("최상인", MERCHANT, "merchant"),
)


@pytest.fixture
def wide(engine: Engine) -> Engine:
    """The market with a hundred zones."""
    zones = tuple(Named(f"z{number}", f"{number}구역", f"Zone {number}") for number in range(1, ZONES + 1))
    entry = MarketEntry(Named(MARKET, "중앙시장", "Jungang Market"), zones, devices=(DEVICE,), recipients=PEOPLE)
    Registry(engine).enrol(entry)
    return engine


def fires(numbers: Sequence[int]) -> list[Sighting]:
    return [sighting(number, zone=f"z{number}", seq=1000 + number) for number in numbers]


def faults(numbers: Sequence[int], part: str = "camera") -> list[Sighting]:
    return [
        replace(
            sighting(number, seq=2000 + number),
            kind=trouble_kind(part, f"cam-{number}", DEVICE),
            severity="trouble",
            name="trouble",
            part=part,
            subject=f"cam-{number}",
            reason="frozen",
            detail="frozen",
            zone="z1",
        )
        for number in numbers
    ]


def record(engine: Engine, clock: ManualClock, seen: Sequence[Sighting]) -> list[Incident]:
    changes = Incidents(engine, clock).record(seen, Composers(engine, clock)({MARKET}))
    return [one.incident for one in changes if one.incident is not None]


def gather(engine: Engine, clock: ManualClock) -> int:
    return Storms(engine, clock, Composers(engine, clock)).gather()


def sent(engine: Engine, clock: ManualClock, *, by_now: bool = True) -> list[Message]:
    rows = reversed(Messages(engine, clock).newest(MARKET, 1000))
    now = clock.unix_ms()
    return [one for one in rows if one.channel != "storm" and (one.due_unix_ms <= now or not by_now)]


def test_a_hundred_fires_at_once_are_one_storm(wide: Engine, clock: ManualClock) -> None:
    incidents = record(wide, clock, fires(range(1, ZONES + 1)))
    assert len(incidents) == ZONES, "every fire is an incident of its own"
    assert [one.recipient for one in sent(wide, clock)] == [MANAGER] * OWN_MESSAGES_MAX
    assert gather(wide, clock) == 0, "it waits for more"
    clock.advance(FIRE_HOLD_S)
    assert gather(wide, clock) == 1
    assert gather(wide, clock) == 0
    summary = sent(wide, clock)[-1]
    assert summary.text.startswith("[화재 다발] 중앙시장 20:06 4구역 ")
    assert summary.text.endswith(" 외 93건")
    assert form_of(summary.text).kind == "sms"
    assert (summary.recipient, summary.incident_id) == (MANAGER, None)
    assert summary.message_key.startswith("storm-fire-")
    clock.advance(60)
    gather(wide, clock)
    deputy = [one for one in sent(wide, clock) if one.recipient == DEPUTY]
    assert len(deputy) == OWN_MESSAGES_MAX + 1
    assert deputy[-1].text.startswith("[MANY FIRES] Jungang Market 20:06 Zone 4 ")
    clock.advance(60)
    gather(wide, clock)
    assert len(sent(wide, clock)) == len(PEOPLE) * (OWN_MESSAGES_MAX + 1), "not a hundred times the roster"


def test_a_storm_that_comes_one_by_one_is_one_too(wide: Engine, clock: ManualClock) -> None:
    for number in range(1, 21):
        record(wide, clock, fires([number]))
        clock.advance(0.2)
    clock.advance(FIRE_HOLD_S)
    gather(wide, clock)
    assert [one.recipient for one in sent(wide, clock)] == [MANAGER] * (OWN_MESSAGES_MAX + 1)


def test_fires_that_come_one_after_another_are_no_storm(wide: Engine, clock: ManualClock) -> None:
    for number in range(1, 7):
        record(wide, clock, fires([number]))
        clock.advance(25)
    rows = [one for one in sent(wide, clock) if one.recipient == MANAGER]
    assert len({one.incident_id for one in rows}) == len(rows) == 6


def test_a_fire_is_never_gathered_with_or_for_faults(wide: Engine, clock: ManualClock) -> None:
    record(wide, clock, faults(range(1, 31)))
    (fire,) = record(wide, clock, fires([50]))
    own = [one for one in sent(wide, clock) if one.incident_id == fire.incident_id]
    assert [(one.recipient, one.text.split("]")[0]) for one in own] == [(MANAGER, "[화재")]


def test_thirty_faults_are_three_messages_and_a_summary(wide: Engine, clock: ManualClock) -> None:
    record(wide, clock, faults(range(1, 31)))
    assert len(sent(wide, clock)) == OWN_MESSAGES_MAX
    clock.advance(OTHER_HOLD_S)
    assert gather(wide, clock) == 1
    text = sent(wide, clock)[-1].text
    assert text.startswith("[장애 다발] 중앙시장 20:06 카메라 cam-4 ")
    assert text.endswith("건")


def test_what_somebody_acknowledged_meanwhile_is_not_in_the_summary(wide: Engine, clock: ManualClock) -> None:
    incidents = record(wide, clock, fires(range(1, 7)))
    Incidents(wide, clock).acknowledge(incidents[3].incident_id, "김관리", "console")
    clock.advance(FIRE_HOLD_S)
    gather(wide, clock)
    text = sent(wide, clock)[-1].text
    assert incidents[3].code not in text
    assert incidents[4].code in text
    assert incidents[5].code in text


def test_one_that_nothing_came_to_gather_with_has_its_own_messages(wide: Engine, clock: ManualClock) -> None:
    incidents = record(wide, clock, fires(range(1, 5)))
    clock.advance(FIRE_HOLD_S)
    assert gather(wide, clock) == 1
    last = sent(wide, clock)[-1]
    assert (last.incident_id, last.text.split("]")[0]) == (incidents[3].incident_id, "[화재")
    assert last.text.endswith(incidents[3].code)


@pytest.mark.parametrize("later_s", [1.0, 300.0])
def test_looking_at_open_fires_anew_tells_nobody_anew(wide: Engine, clock: ManualClock, later_s: float) -> None:
    record(wide, clock, fires(range(1, 11)))
    clock.advance(FIRE_HOLD_S)
    gather(wide, clock)
    before = len(Messages(wide, clock).newest(MARKET, 1000))
    clock.advance(later_s)
    again = {one.event_id: one for one in fires(range(1, 11))}
    added = Incidents(wide, clock).reevaluate(Composers(wide, clock), lambda event, _incident: again[event.event_id])
    assert added == 0
    assert len(Messages(wide, clock).newest(MARKET, 1000)) == before


def test_a_summary_of_what_may_wait_waits_for_the_morning(wide: Engine, clock: ManualClock) -> None:
    sleeper = Recipient("김관리", MANAGER, quiet_from_minute=20 * 60, quiet_to_minute=7 * 60)
    entry = MarketEntry(Named(MARKET, "중앙시장", "Jungang Market"), devices=(DEVICE,), recipients=(sleeper,))
    Registry(wide).enrol(entry)
    record(wide, clock, faults(range(1, 6), part="rule"))
    clock.advance(OTHER_HOLD_S)
    assert gather(wide, clock) == 1
    assert sent(wide, clock) == []
    seven = NOW_UNIX_MS - 400_000 + int(timedelta(hours=11).total_seconds() * 1000)
    assert {one.due_unix_ms for one in sent(wide, clock, by_now=False)} == {seven}


def test_summaries_of_faults_are_capped_and_those_of_fires_are_not(wide: Engine, clock: ManualClock) -> None:
    policy = Policy(steps=(Step(after_s=0, roles=("manager",)),), quiet_hours="ignores", cap_per_hour=1)
    for kind in ("camera", "fire"):
        Policies(wide, clock).save(MARKET, kind, policy, "kim")
    for first in (1, 11, 21):
        record(wide, clock, faults(range(first, first + 10)))
        clock.advance(OTHER_HOLD_S)
        gather(wide, clock)
        record(wide, clock, fires(range(first, first + 10)))
        clock.advance(FIRE_HOLD_S)
        gather(wide, clock)
    rows = sent(wide, clock)
    states = {
        start: [one.state for one in rows if one.message_key.startswith(start)]
        for start in ("storm-fire", "storm-other")
    }
    assert states == {"storm-fire": ["due"] * 3, "storm-other": ["due", "cancelled", "cancelled"]}
