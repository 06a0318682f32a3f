"""A trouble that is long over when its backlog arrives disturbs nobody; one that is still there is told."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Engine

from broker.alerts.flow import Heard
from broker.alerts.policy import LATE_TROUBLE_DELAY_S
from broker.alerts.stages.recognise import STALE_AFTER_S, trouble_sighting
from broker.stores.incident_models import Change, Effect
from broker.stores.incidents import Incidents
from broker.stores.messages import CAP_PER_HOUR, OVER_UNTOLD, Message, Messages
from contract.access import DeviceIdentity
from contract.events import Phase, TroubleEvent
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEVICE, MANAGER, MARKET, NOW_UNIX_MS, SECOND_MANAGER, composer, trouble

RAISED, CLEARED = Phase.RAISED, Phase.CLEARED
OLD_UNIX_MS = NOW_UNIX_MS - 1_200_000  # 19:46 in Korea


class Backlog:
    """What alerts does with the troubles that come."""

    def __init__(self, engine: Engine, clock: ManualClock) -> None:
        self.engine, self.clock = engine, clock
        self.incidents, self.messages = Incidents(engine, clock), Messages(engine, clock)

    def hear(self, *events: TroubleEvent) -> Sequence[Change]:
        now, who = self.clock.unix_ms(), DeviceIdentity(MARKET, DEVICE)
        seen = [trouble_sighting(Heard(who, one, "", b""), one, now, STALE_AFTER_S) for one in events]
        return self.incidents.record(seen, composer(self.engine, self.clock))

    def told(self) -> list[str]:
        """The texts that may go out now; they are gone then."""
        claimed: tuple[Message, ...] = self.messages.claim(10)
        for one in claimed:
            self.messages.accepted(one.message_id, "carrier", "1")
        return sorted({one.text for one in claimed})

    def states(self) -> set[tuple[str, str | None]]:
        return {(one.state, one.error) for one in self.messages.newest(MARKET)}


@pytest.fixture
def backlog(engine: Engine, clock: ManualClock) -> Backlog:
    return Backlog(engine, clock)


def camera(number: int, phase: Phase, unix_ms: int, subject: str = "cam-1") -> TroubleEvent:
    return trouble(number, phase, "camera", subject, unix_ms=unix_ms)


@pytest.mark.parametrize(("age_s", "late"), [(0, False), (STALE_AFTER_S, False), (STALE_AFTER_S + 1, True)])
def test_what_is_older_than_ten_minutes_on_arrival_is_late(age_s: float, late: bool) -> None:
    event = camera(1, RAISED, NOW_UNIX_MS - int(age_s * 1000))
    seen = trouble_sighting(Heard(DeviceIdentity(MARKET, DEVICE), event, "", b""), event, NOW_UNIX_MS, STALE_AFTER_S)
    assert seen.late is late


def test_a_trouble_of_now_is_told_at_once(backlog: Backlog) -> None:
    (change,) = backlog.hear(camera(1, RAISED, NOW_UNIX_MS - 300_000))
    assert change.incident is not None
    assert backlog.told() == [f"[장애] 중앙시장 카메라 cam-1 화면 멈춤 20:01 확인코드 {change.incident.code}"]


def test_an_old_trouble_that_is_still_there_after_a_minute_is_told_with_its_date(backlog: Backlog) -> None:
    (change,) = backlog.hear(camera(1, RAISED, OLD_UNIX_MS))
    assert change.incident is not None
    assert change.incident.detail == "frozen", "why it is stays known"
    backlog.clock.advance(LATE_TROUBLE_DELAY_S - 1)
    assert backlog.told() == []
    backlog.clock.advance(1)
    text = f"[장애] 중앙시장 카메라 cam-1 화면 멈춤 11/18 19:46 지연 수신 확인코드 {change.incident.code}"
    assert backlog.told() == [text]
    assert {one.recipient for one in backlog.messages.newest(MARKET)} == {MANAGER, SECOND_MANAGER}


def test_a_trouble_that_came_and_went_in_the_backlog_is_not_told(backlog: Backlog) -> None:
    backlog.hear(camera(1, RAISED, OLD_UNIX_MS))
    backlog.hear(camera(1, CLEARED, OLD_UNIX_MS + 60_000))
    backlog.clock.advance(3600)
    assert backlog.told() == []
    assert backlog.states() == {("cancelled", OVER_UNTOLD)}
    assert [one.state for one in backlog.incidents.open_and_recent()] == ["cleared"], "the console has it"


def test_an_old_trouble_that_ends_within_the_minute_is_not_told(backlog: Backlog) -> None:
    backlog.hear(camera(1, RAISED, OLD_UNIX_MS))
    backlog.clock.advance(LATE_TROUBLE_DELAY_S - 1)
    backlog.hear(camera(1, CLEARED, backlog.clock.unix_ms()))
    backlog.clock.advance(3600)
    assert backlog.told() == []


def test_one_whose_end_arrives_first_is_not_told(backlog: Backlog) -> None:
    changes = backlog.hear(camera(1, CLEARED, OLD_UNIX_MS + 60_000), camera(1, RAISED, OLD_UNIX_MS))
    assert [one.effect for one in changes] == [Effect.NOTED, Effect.OPENED]
    backlog.clock.advance(3600)
    assert backlog.told() == []


@pytest.mark.parametrize("again_unix_ms", [OLD_UNIX_MS + 90_000, NOW_UNIX_MS])
def test_one_that_rises_again_and_stays_is_told(backlog: Backlog, again_unix_ms: int) -> None:
    cleared_unix_ms = again_unix_ms - 30_000
    backlog.hear(camera(1, RAISED, OLD_UNIX_MS), camera(1, CLEARED, cleared_unix_ms))
    (again,) = backlog.hear(camera(2, RAISED, again_unix_ms))
    assert (again.effect, again.messages_due) == (Effect.REOPENED, 2)
    late = again_unix_ms < NOW_UNIX_MS
    assert bool(backlog.told()) is not late
    backlog.clock.advance(LATE_TROUBLE_DELAY_S)
    told = backlog.messages.newest(MARKET)
    backlog.told()
    assert {("11/18 19:48 지연 수신" in one.text, "20:06 확인코드" in one.text) for one in told} == {(late, not late)}
    assert {state for state, _ in backlog.states()} == {"accepted"}


def test_one_that_was_told_is_not_told_again_when_it_rises_again(backlog: Backlog) -> None:
    backlog.hear(camera(1, RAISED, NOW_UNIX_MS))
    assert len(backlog.told()) == 1
    backlog.hear(camera(1, CLEARED, NOW_UNIX_MS + 1000))
    (again,) = backlog.hear(camera(2, RAISED, NOW_UNIX_MS + 2000))
    assert (again.effect, again.messages_due) == (Effect.REOPENED, 0)
    assert backlog.told() == []


def test_one_that_somebody_takes_care_of_is_not_told_when_it_rises_again(backlog: Backlog) -> None:
    (raised,) = backlog.hear(camera(1, RAISED, OLD_UNIX_MS))
    assert raised.incident is not None
    backlog.incidents.acknowledge(raised.incident.incident_id, "김관리", "console")
    _, again = backlog.hear(camera(1, CLEARED, OLD_UNIX_MS + 1000), camera(2, RAISED, OLD_UNIX_MS + 2000))
    assert (again.effect, again.messages_due) == (Effect.REOPENED, 0)


def test_one_that_was_over_when_somebody_acknowledged_it_is_new_when_it_rises_again(backlog: Backlog) -> None:
    changes = backlog.hear(camera(1, RAISED, NOW_UNIX_MS), camera(1, CLEARED, NOW_UNIX_MS + 1000))
    assert changes[0].incident is not None
    backlog.incidents.acknowledge(changes[0].incident.incident_id, "김관리", "console")
    (again,) = backlog.hear(camera(2, RAISED, NOW_UNIX_MS + 2000))
    assert (again.effect, again.messages_due) == (Effect.OPENED, 2)


def test_a_trouble_whose_message_is_being_tried_is_told_although_it_ends(backlog: Backlog) -> None:
    backlog.hear(camera(1, RAISED, NOW_UNIX_MS))
    for one in backlog.messages.claim(10):
        backlog.messages.retry(one, NOW_UNIX_MS + 5000, "busy")
    backlog.hear(camera(1, CLEARED, NOW_UNIX_MS + 1000))
    backlog.clock.advance(5)
    assert len(backlog.told()) == 1


def test_those_that_went_by_in_the_backlog_do_not_use_up_the_hours_messages(backlog: Backlog) -> None:
    for number in range(CAP_PER_HOUR + 2):
        backlog.hear(camera(number, RAISED, OLD_UNIX_MS, f"c-{number}"))
        backlog.hear(camera(number, CLEARED, OLD_UNIX_MS + 1000, f"c-{number}"))
    backlog.hear(camera(99, RAISED, NOW_UNIX_MS, "cam-9"))
    assert len(backlog.told()) == 1
