"""The market's alarm, on a clock that moves when told."""

import uuid
from dataclasses import replace

import pytest

from contract.cameras import DRILL_SOUND_S
from contract.events import FireEvent, Phase
from edge.ports import ActiveFire, FireDecision
from edge.safety.alarm import BUS_AGE_S_MAX, FIRES_MAX, REMOTE_TTL_S, RESTORED_TTL_S, MarketAlarm
from runtime.clock import ManualClock

OWN, OTHER = "fire-1", "fire-2"


SEEN_UNIX_MS = ManualClock().unix_ms() - 1000


def decision(phase: Phase = Phase.RAISED, event_id: str | None = None) -> FireDecision:
    return FireDecision(event_id or uuid.uuid4().hex, phase, "b", "cam-1", 0.9, 1000, 2000)


def event(
    clock: ManualClock, phase: Phase = Phase.RAISED, event_id: str | None = None, age_s: float = 0.0
) -> FireEvent:
    return FireEvent(
        epoch="0" * 16,
        seq=1,
        event_id=event_id or uuid.uuid4().hex,
        time_unix_ms=clock.unix_ms() - round(age_s * 1000),
        phase=phase,
        zone="c",
        camera="cam-9",
        score=0.8,
        first_seen_unix_ms=1000,
        decided_unix_ms=2000,
    )


def test_a_watch_sounds_nowhere_and_its_rise_does(clock: ManualClock, alarm: MarketAlarm) -> None:
    heard: list[int] = []
    alarm.listen(lambda fires: heard.append(len(fires)))
    seen = event(clock)
    alarm.on_event(OTHER, seen.model_copy(update={"level": "watch"}))
    assert heard == [0]
    alarm.on_event(OTHER, seen)
    assert heard == [0, 1]
    alarm.on_event(OTHER, seen.model_copy(update={"level": "watch", "phase": Phase.CLEARED}))
    assert heard == [0, 1, 0], "an end is an end"


def test_a_drill_sounds_nowhere_and_its_end_ends_nothing(clock: ManualClock, alarm: MarketAlarm) -> None:
    heard: list[int] = []
    alarm.listen(lambda fires: heard.append(len(fires)))
    alarm.on_decision(replace(decision(), drill=True))
    alarm.on_event(OTHER, event(clock).model_copy(update={"drill": True}))
    assert heard == [0]
    real = event(clock)
    alarm.on_event(OTHER, real)
    ended = event(clock, Phase.CLEARED, real.event_id)
    alarm.on_event(OTHER, ended.model_copy(update={"drill": True}))
    assert [one.event_id for one in alarm.fires] == [real.event_id]
    alarm.on_event(OTHER, ended)
    assert heard == [0, 1, 0]


def test_a_drill_that_shall_be_heard_is_so_for_a_moment(clock: ManualClock, alarm: MarketAlarm) -> None:
    drill = replace(decision(), drill=True)
    alarm.sound_drill(drill)
    assert alarm.drill_sounds
    assert not alarm.fires, "no fire is held for it, no screen evacuates"
    clock.advance(DRILL_SOUND_S - 0.1)
    alarm.sound_drill(replace(drill, phase=Phase.ONGOING))
    assert alarm.drill_sounds
    clock.advance(0.1)
    assert not alarm.drill_sounds, "what goes on does not sound again"


def test_a_drill_that_is_over_sounds_no_more_and_ends_no_other(clock: ManualClock, alarm: MarketAlarm) -> None:
    first, second = (replace(decision(), drill=True) for _ in range(2))
    alarm.sound_drill(first)
    clock.advance(1)
    alarm.sound_drill(second)
    alarm.sound_drill(replace(first, phase=Phase.CLEARED))
    assert alarm.drill_sounds
    alarm.sound_drill(replace(second, phase=Phase.CLEARED))
    assert not alarm.drill_sounds


def test_a_fire_goes_before_a_drill(alarm: MarketAlarm) -> None:
    alarm.sound_drill(replace(decision(), drill=True))
    fire = decision()
    alarm.on_decision(fire)
    assert not alarm.drill_sounds
    alarm.sound_drill(replace(decision(), drill=True))
    alarm.on_decision(replace(fire, phase=Phase.CLEARED))
    assert not alarm.drill_sounds, "neither the one before nor the one during the fire is heard after it"


def told(device: str = OTHER, event_id: str | None = None) -> ActiveFire:
    return ActiveFire(SEEN_UNIX_MS, event_id or uuid.uuid4().hex, device, "c", "cam-9")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def alarm(clock: ManualClock) -> MarketAlarm:
    return MarketAlarm(OWN, clock)


def test_a_decision_is_an_alarm_at_once_and_its_clearing_ends_it(alarm: MarketAlarm) -> None:
    heard: list[int] = []
    alarm.listen(lambda fires: heard.append(len(fires)))
    fire = decision()

    alarm.on_decision(fire)
    alarm.on_decision(FireDecision(fire.event_id, Phase.ONGOING, "b", "cam-1", 0.9, 1000, 2000))
    alarm.on_decision(FireDecision(fire.event_id, Phase.CLEARED, "b", "cam-1", 0.9, 1000, 2000))

    assert heard == [0, 1, 0]


def test_an_own_fire_never_expires_by_itself(alarm: MarketAlarm, clock: ManualClock) -> None:
    alarm.on_decision(decision())
    clock.advance(86_400)
    alarm.expire()

    assert len(alarm.fires) == 1


def test_a_fire_from_the_bus_expires_unless_it_is_repeated(alarm: MarketAlarm, clock: ManualClock) -> None:
    event_id = uuid.uuid4().hex
    alarm.on_event(OTHER, event(clock, event_id=event_id))
    clock.advance(REMOTE_TTL_S - 1)
    alarm.on_event(OTHER, event(clock, Phase.ONGOING, event_id))
    clock.advance(REMOTE_TTL_S - 1)
    alarm.expire()
    assert len(alarm.fires) == 1

    clock.advance(2)
    alarm.expire()
    assert not alarm.fires


def test_a_fire_is_cleared_whoever_told_of_it(alarm: MarketAlarm, clock: ManualClock) -> None:
    fire = told()
    alarm.on_link(OTHER, [fire])
    alarm.on_event(OTHER, event(clock, event_id=fire.event_id))

    alarm.on_event(OTHER, event(clock, Phase.CLEARED, fire.event_id))

    assert not alarm.fires


def test_a_cleared_fire_does_not_come_back_when_it_is_raised_late(alarm: MarketAlarm, clock: ManualClock) -> None:
    event_id = uuid.uuid4().hex
    alarm.on_event(OTHER, event(clock, Phase.CLEARED, event_id))
    alarm.on_event(OTHER, event(clock, Phase.RAISED, event_id))
    alarm.on_link(OTHER, [told(event_id=event_id)])

    assert not alarm.fires


def test_history_from_an_outbox_is_no_alarm(alarm: MarketAlarm, clock: ManualClock) -> None:
    alarm.on_event(OTHER, event(clock, age_s=BUS_AGE_S_MAX + 1))

    assert not alarm.fires


def test_a_sender_whose_clock_runs_ahead_is_believed(alarm: MarketAlarm, clock: ManualClock) -> None:
    alarm.on_event(OTHER, event(clock, age_s=-86_400))

    assert len(alarm.fires) == 1


def test_what_a_device_no_longer_tells_on_the_link_is_over(alarm: MarketAlarm) -> None:
    first, second = told(), told()
    alarm.on_link(OTHER, [first, second])
    alarm.on_link(OTHER, [second])

    assert alarm.fires == (second,)


def test_a_device_speaks_only_for_itself(alarm: MarketAlarm) -> None:
    own = decision()
    alarm.on_decision(own)
    alarm.on_link(OTHER, [told(device=OWN), told(device="third")])

    assert [fire.event_id for fire in alarm.fires] == [own.event_id]


def test_an_own_event_that_comes_back_over_the_bus_is_passed_over(alarm: MarketAlarm, clock: ManualClock) -> None:
    fire = decision()
    alarm.on_decision(fire)
    alarm.on_event(OWN, event(clock, Phase.CLEARED, fire.event_id))

    assert len(alarm.fires) == 1


def test_a_fire_of_an_earlier_run_sounds_until_the_cameras_have_had_their_time(
    alarm: MarketAlarm, clock: ManualClock
) -> None:
    alarm.restore([told(device=OWN)])
    clock.advance(RESTORED_TTL_S - 1)
    alarm.expire()
    assert len(alarm.fires) == 1

    clock.advance(2)
    alarm.expire()
    assert not alarm.fires


def test_a_listener_that_fails_does_not_keep_the_alarm_from_the_next(alarm: MarketAlarm) -> None:
    heard: list[int] = []

    def broken(_fires: tuple[ActiveFire, ...]) -> None:
        raise RuntimeError("a defect")

    alarm.listen(broken)
    alarm.listen(lambda fires: heard.append(len(fires)))
    alarm.on_decision(decision())

    assert heard == [0, 1]


def test_a_flood_from_elsewhere_is_bounded_and_never_keeps_out_an_own_fire(
    alarm: MarketAlarm, clock: ManualClock
) -> None:
    for _ in range(FIRES_MAX * 2):
        alarm.on_event(OTHER, event(clock))
    own = decision()
    alarm.on_decision(own)

    assert len(alarm.fires) == FIRES_MAX + 1
    assert own.event_id in {fire.event_id for fire in alarm.own_fires}
