"""Repeats: what nobody acknowledges is told again and again, to everybody who was told, as often as the policy says."""

from dataclasses import replace

import pytest
from sqlalchemy import Engine

from broker.alerts.policy import Composers
from broker.alerts.repeats import Repeats, repeat_number
from broker.stores.incident_models import Incident
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from broker.stores.policies import Policies
from broker.stores.policy_models import FIRE_POLICY, Policy, Step
from contract.events import Phase
from runtime.clock import ManualClock
from tests.broker.alerts.central import MARKET, NOW_UNIX_MS, enrol, sighting
from tests.broker.alerts.test_policy import trouble

EVERYBODY = 4


def raise_fire(engine: Engine, clock: ManualClock, number: int = 1, zone: str = "b") -> Incident:
    compose = Composers(engine, clock)({MARKET})
    (change,) = Incidents(engine, clock).record([sighting(number, zone=zone, unix_ms=clock.unix_ms())], compose)
    assert change.incident is not None
    return change.incident


def look(engine: Engine, clock: ManualClock) -> int:
    return Repeats(engine, clock, Composers(engine, clock)).look()


def steps(engine: Engine, clock: ManualClock) -> list[str]:
    found = (one.message_key.rsplit(":", 1)[1] for one in Messages(engine, clock).newest(MARKET, 1000))
    return sorted((one for one in found if one.startswith("r")), key=lambda one: int(one[1:]))


def test_a_fire_is_told_again_until_somebody_acknowledges(engine: Engine, clock: ManualClock) -> None:
    incident = raise_fire(engine, clock)
    clock.advance(120 + 179)
    assert look(engine, clock) == 0
    clock.advance(1)
    assert look(engine, clock) == EVERYBODY
    assert look(engine, clock) == 0, "looking twice tells nobody twice"
    again = Messages(engine, clock).newest(MARKET)[0]
    assert (again.text.split("]")[0], again.due_unix_ms) == ("[화재 미확인", clock.unix_ms())
    clock.advance(180)
    assert look(engine, clock) == EVERYBODY
    Incidents(engine, clock).acknowledge(incident.incident_id, "김관리", "console")
    clock.advance(180)
    assert look(engine, clock) == 0
    assert steps(engine, clock) == ["r1"] * EVERYBODY + ["r2"] * EVERYBODY


def test_it_ends_after_as_many_as_the_policy_says_and_skips_what_was_missed(engine: Engine, clock: ManualClock) -> None:
    raise_fire(engine, clock)
    clock.advance(120 + 180 * 4 + 30)
    assert look(engine, clock) == EVERYBODY
    assert steps(engine, clock) == ["r4"] * EVERYBODY
    clock.advance(180 * 20)
    assert look(engine, clock) == 0


def test_a_fire_that_went_out_unseen_is_told_again_a_fault_is_not(engine: Engine, clock: ManualClock) -> None:
    repeating = Policy(steps=(Step(after_s=0, roles=("manager",)),), repeat_every_s=60, repeats_max=5)
    Policies(engine, clock).save(MARKET, "camera", repeating, "kim")
    raise_fire(engine, clock)
    compose = Composers(engine, clock)({MARKET})
    fault = trouble(number=2)
    Incidents(engine, clock).record([fault], compose)
    clock.advance(61)
    assert look(engine, clock) == 2, "the fault's managers"
    over = [replace(fault, phase=Phase.CLEARED, seq=901), sighting(1, Phase.CLEARED, seq=902)]
    Incidents(engine, clock).record(over, compose)
    clock.advance(240)
    assert look(engine, clock) == EVERYBODY, "the fire's"


def test_a_recipient_gets_no_more_of_them_than_the_cap(engine: Engine, clock: ManualClock) -> None:
    policy = FIRE_POLICY.model_copy(update={"repeat_every_s": 60, "repeats_max": 10, "cap_per_hour": 2})
    Policies(engine, clock).save(MARKET, "fire", policy, "kim")
    raise_fire(engine, clock)
    clock.advance(120)
    written = []
    for _ in range(4):
        clock.advance(60)
        written.append(look(engine, clock))
    assert written == [EVERYBODY, EVERYBODY, 0, 0]


def test_many_at_once_are_repeated_in_one_message(engine: Engine, clock: ManualClock) -> None:
    for number in range(1, 6):
        raise_fire(engine, clock, number, zone=f"z{number}")
        clock.advance(25)
    clock.advance(120 + 180)
    look(engine, clock)
    rows = [one for one in Messages(engine, clock).newest(MARKET, 1000) if ":r" in one.message_key]
    assert {one.channel for one in rows} == {"storm"}
    assert len(rows) == 5


def test_a_drill_and_what_nobody_was_told_of_are_not_repeated(engine: Engine, clock: ManualClock) -> None:
    enrol(engine, recipients=())
    raise_fire(engine, clock)
    clock.advance(500)
    assert look(engine, clock) == 0


@pytest.mark.parametrize(
    ("after_s", "number"), [(0, 0), (120, 0), (299.9, 0), (300, 1), (479, 1), (480, 2), (1920, 10), (2100, 0)]
)
def test_which_repeat_it_has_come_to(after_s: float, number: int) -> None:
    assert repeat_number(FIRE_POLICY, NOW_UNIX_MS, NOW_UNIX_MS + int(after_s * 1000)) == number
    assert repeat_number(Policy(), NOW_UNIX_MS, NOW_UNIX_MS + int(after_s * 1000)) == 0
