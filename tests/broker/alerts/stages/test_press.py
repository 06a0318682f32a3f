"""The button's presses: which fires they stand for, each taken once, and when one has to come again."""

from dataclasses import dataclass, field

import pytest
from sqlalchemy import Engine, select

from broker.alerts.counters import Counters
from broker.alerts.flow import Flow, Heard, Number
from broker.alerts.stages.press import WAIT_FOR_FIRES_S, Press
from broker.stores.database import StoreUnavailableError
from broker.stores.incident_models import Incident
from broker.stores.incidents import Incidents
from broker.stores.presses import Presses
from broker.stores.schema import incident_events
from contract.access import DeviceIdentity
from contract.events import AcknowledgeEvent, Phase
from runtime.clock import ManualClock
from tests.broker.alerts.central import EPOCH, MARKET, NOW_UNIX_MS, event_id, sighting


@dataclass
class Centre:
    engine: Engine
    clock: ManualClock
    seq: int = 5000
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.incidents = Incidents(self.engine, self.clock)
        self.stage = Press(self.incidents, Presses(self.engine), self.clock, self.counters)

    def fire(self, number: int = 1, zone: str = "b", unix_ms: int = NOW_UNIX_MS) -> int:
        (change,) = self.incidents.record([sighting(number, zone=zone, unix_ms=unix_ms)], lambda _change: ())
        assert change.incident is not None
        return change.incident.incident_id

    def press(self, *fires: int, market: str = MARKET, device: str = "fire-2", **changes: object) -> AcknowledgeEvent:
        self.seq += 1
        event = AcknowledgeEvent.model_validate(
            {
                "epoch": EPOCH,
                "seq": self.seq,
                "event_id": f"{self.seq:032x}",
                "time_unix_ms": self.clock.unix_ms(),
                "button": "office",
                "fires": [event_id(one) for one in fires],
                **changes,
            }
        )
        self.is_confirmed = self.hear(event, market, device)
        return event

    def hear(self, event: AcknowledgeEvent, market: str = MARKET, device: str = "fire-2") -> bool:
        """Whether the event is confirmed to its device."""
        identity = DeviceIdentity(market, device)
        number = Number(identity, event.epoch, event.seq)
        flow = Flow([], heard=[Heard(identity, event, "", b"")], confirmed=[number])
        self.stage(flow)
        return flow.confirmed == [number]

    def acknowledged(self) -> dict[int, str | None]:
        found: tuple[Incident, ...] = self.incidents.open_and_recent()
        return {one.incident_id: one.acknowledged_by for one in found}

    def kept(self) -> int:
        with self.engine.connect() as connection:
            rows = connection.execute(select(incident_events).where(incident_events.c.name == "acknowledge")).all()
        return len(rows)


@pytest.fixture
def centre(engine: Engine, clock: ManualClock) -> Centre:
    return Centre(engine, clock)


def test_a_press_acknowledges_the_market_s_fires_by_the_button_s_name(centre: Centre) -> None:
    first, second = centre.fire(1), centre.fire(2, "a")
    centre.press(1)
    assert centre.acknowledged() == {first: "office (fire-2)", second: "office (fire-2)"}
    assert {one.acknowledged_via for one in centre.incidents.open_and_recent()} == {"button"}
    assert (centre.is_confirmed, centre.kept()) == (True, 1)
    assert centre.counters.all()["acknowledged_by_button_total"] == 2


def test_a_zone_s_button_stands_for_its_zone_alone(centre: Centre) -> None:
    here, there = centre.fire(1, "b"), centre.fire(2, "a")
    centre.press(zone="b")
    assert centre.acknowledged() == {here: "office (fire-2)", there: None}


def test_another_market_s_button_and_its_fires_by_name_do_nothing(centre: Centre) -> None:
    fire = centre.fire(1)
    centre.press(1, market="seomun")
    assert centre.acknowledged() == {fire: None}


def test_a_press_that_comes_late_does_not_stand_for_what_began_after_it(centre: Centre) -> None:
    before = centre.fire(1, "a", unix_ms=NOW_UNIX_MS - 10_000)
    after = centre.fire(2, "b", unix_ms=NOW_UNIX_MS - 1_000)
    centre.press(time_unix_ms=NOW_UNIX_MS - 5_000)
    assert centre.acknowledged() == {before: "office (fire-2)", after: None}


@pytest.mark.parametrize(("clock_set", "time_unix_ms"), [(False, NOW_UNIX_MS), (True, 90_000), (True, 4 * 10**12)])
def test_without_a_true_time_it_stands_for_the_fires_that_it_names(
    centre: Centre, clock_set: bool, time_unix_ms: int
) -> None:
    named, other = centre.fire(1, "a"), centre.fire(2, "b")
    centre.press(1, clock_set=clock_set, time_unix_ms=time_unix_ms)
    assert centre.acknowledged() == {named: "office (fire-2)", other: None}
    assert centre.is_confirmed


def test_a_resend_does_nothing_even_when_something_has_begun_since(centre: Centre) -> None:
    centre.fire(1)
    event = centre.press(1)
    later = centre.fire(2, "a")
    assert centre.hear(event)
    assert centre.acknowledged()[later] is None
    assert centre.kept() == 1


def test_a_press_that_overtook_its_fire_comes_again(centre: Centre) -> None:
    event = centre.press(1)
    assert (centre.is_confirmed, centre.kept()) == (False, 0)
    fire = centre.fire(1)
    assert centre.hear(event)
    assert centre.acknowledged() == {fire: "office (fire-2)"}


def test_a_fire_that_never_comes_is_not_waited_for_for_ever(centre: Centre) -> None:
    event = centre.press(1)
    centre.clock.advance(WAIT_FOR_FIRES_S - 1)
    assert not centre.hear(event)
    centre.clock.advance(1)
    assert centre.hear(event)
    assert centre.kept() == 1


def test_a_fire_that_is_over_but_unacknowledged_is_meant_too_and_what_somebody_took_stays_theirs(
    centre: Centre,
) -> None:
    over, taken = centre.fire(1, "a"), centre.fire(2, "b")
    centre.incidents.record([sighting(1, Phase.CLEARED, zone="a", unix_ms=NOW_UNIX_MS + 1)], lambda _change: ())
    centre.incidents.acknowledge(taken, "김관리", "console")
    centre.press()
    assert centre.acknowledged() == {over: "office (fire-2)", taken: "김관리"}


def test_while_the_store_is_away_the_batch_is_held(centre: Centre) -> None:
    centre.fire(1)
    with centre.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE incidents RENAME TO away")
    with pytest.raises(StoreUnavailableError):
        centre.press(1)
