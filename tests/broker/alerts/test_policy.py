from dataclasses import replace

import pytest
from sqlalchemy import Engine

from broker.alerts.policy import Composer, load_rosters, trouble_kind
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from broker.stores.registry import Recipient, Registry
from contract.events import Phase
from contract.ids import ID_LENGTH_MAX, check_id
from runtime.clock import ManualClock
from tests.broker.alerts.central import (
    DEPUTY,
    DEVICE,
    MANAGER,
    MARKET,
    NOW_UNIX_MS,
    SECOND_MANAGER,
    composer,
    enrol,
    sighting,
)


def told(engine: Engine, clock: ManualClock) -> dict[str, tuple[str, str]]:
    """Recipient to (step, first word) of everything that was written."""
    found = Messages(engine, clock).newest(MARKET)
    return {one.recipient: (one.message_key.rsplit(":", 1)[1], one.text.split("]")[0] + "]") for one in found}


def test_each_step_has_its_people_and_later_steps_say_that_nobody_answered(engine: Engine, clock: ManualClock) -> None:
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    found = told(engine, clock)
    assert found[MANAGER] == found[SECOND_MANAGER] == ("0", "[화재]")
    assert found[DEPUTY] == ("1", "[화재 미확인]")


def test_without_managers_everybody_is_told_at_once(engine: Engine, clock: ManualClock) -> None:
    enrol(engine, recipients=(Recipient("박", DEPUTY, "deputy"), Recipient("최", MANAGER, "merchant")))
    Incidents(engine, clock).record([sighting()], composer(engine, clock))
    assert told(engine, clock) == {DEPUTY: ("0", "[화재]"), MANAGER: ("0", "[화재]")}


def test_without_anybody_the_incident_is_there_all_the_same(engine: Engine, clock: ManualClock) -> None:
    enrol(engine, recipients=())
    (change,) = Incidents(engine, clock).record([sighting()], composer(engine, clock))
    assert change.messages_due == 0
    assert change.incident is not None
    assert (change.incident.market, change.incident.kind) == (MARKET, "fire")


@pytest.mark.parametrize(
    ("part", "sent"), [("camera", 2), ("siren", 2), ("device-offline", 2), ("bay", 0), ("gate", 0)]
)
def test_only_troubles_that_make_blind_or_mute_are_sent(
    engine: Engine, clock: ManualClock, part: str, sent: int
) -> None:
    seen = replace(sighting(), kind=trouble_kind(part, "x", DEVICE), severity="trouble", part=part, reason="frozen")
    (change,) = Incidents(engine, clock).record([seen], composer(engine, clock))
    assert change.messages_due == sent
    assert {step for step, _ in told(engine, clock).values()} == ({"t0"} if sent else set())


def test_a_market_that_the_registry_does_not_know_still_has_its_incident(engine: Engine, clock: ManualClock) -> None:
    (change,) = Incidents(engine, clock).record([sighting()], Composer({}, NOW_UNIX_MS))
    assert change.incident is not None
    assert (change.incident.market, change.incident.kind) == (MARKET, "fire")


def test_rosters_have_the_names_for_people(engine: Engine) -> None:
    roster = load_rosters(Registry(engine), {MARKET})[MARKET]
    assert (roster.market.name_ko, roster.zone_name("b"), roster.zone_name("new")) == ("중앙시장", "B구역", "new구역")


def test_clearing_sends_nothing(engine: Engine, clock: ManualClock) -> None:
    seen = [sighting(1), sighting(1, Phase.CLEARED, unix_ms=NOW_UNIX_MS + 1000)]
    changes = Incidents(engine, clock).record(seen, composer(engine, clock))
    assert [one.messages_due for one in changes] == [4, 0]


def test_two_long_subjects_stay_two_kinds() -> None:
    first, second = (trouble_kind("bay", "x" * 60 + tail, DEVICE) for tail in ("aaa", "bbb"))
    assert first != second
    assert trouble_kind("bay", "a-01", DEVICE) == "bay-a-01"
    assert trouble_kind("component", "session", "fire-2") == "component-fire-2-session"
    for kind in (first, second):
        assert len(kind) <= ID_LENGTH_MAX
        check_id(kind, "kind")
