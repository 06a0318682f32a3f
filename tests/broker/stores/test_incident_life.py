"""An incident's life as the store writes it: states, levels, the log, and who learns of an acknowledgement."""

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Engine, select

from broker.stores.database import transaction
from broker.stores.incident_models import Change, Compose, Effect, Incident, Sighting, Told
from broker.stores.incident_moves import IllegalMoveError, Move, write_moves
from broker.stores.incident_states import Action
from broker.stores.incidents import REEVALUATED_AT_ONCE_MAX, WINDOW_S, Incidents
from broker.stores.message_models import NewMessage
from broker.stores.messages import Messages
from broker.stores.schema import incidents
from contract.events import Phase
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEPUTY, MANAGER, MARKET, NOW_UNIX_MS, SECOND_MANAGER, enrol, event_id, sighting

RAISED, ONGOING, CLEARED = Phase.RAISED, Phase.ONGOING, Phase.CLEARED
DEPUTY_AFTER_MS = 60_000


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_UNIX_MS)


@pytest.fixture
def store(engine: Engine, clock: ManualClock) -> Incidents:
    enrol(engine)
    return Incidents(engine, clock)


def steps(change: Change) -> Sequence[NewMessage]:
    """A first word to two, a later one to a third; an update for all else that people should know."""
    now = change.incident.updated_unix_ms if change.incident else 0
    if change.effect in {Effect.OPENED, Effect.ROSE} and change.incident and change.incident.level == "alarm":
        first = [NewMessage("0", name, name, "[화재]", now) for name in (MANAGER, SECOND_MANAGER)]
        return [*first, NewMessage("1", DEPUTY, DEPUTY, "[화재 미확인]", now + DEPUTY_AFTER_MS)]
    return ()


def see(store: Incidents, *seen: Sighting) -> tuple[Change, ...]:
    return store.record(seen, steps)


def watch(
    number: int, phase: Phase = RAISED, *, camera: str = "cam-1", device: str = "fire-1", offset_s: int = 0
) -> Sighting:
    seen = sighting(number, phase, unix_ms=NOW_UNIX_MS + offset_s * 1000, device=device, camera=camera)
    return replace(seen, level="watch")


def newest(store: Incidents) -> Incident:
    return max(store.open_and_recent(MARKET), key=lambda one: one.incident_id)


def story(store: Incidents, incident: Incident) -> list[str]:
    return [f"{one.action}:{one.to_state}" for one in store.log(incident.incident_id)]


def open_keys(engine: Engine) -> set[str | None]:
    with engine.connect() as connection:
        return set(connection.execute(select(incidents.c.open_key)).scalars())


def test_acknowledged_then_cleared_it_closes_after_the_window(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    see(store, sighting(1))
    here = newest(store).incident_id
    assert store.acknowledge(here, "김관리", "link").incident.state == "acknowledged"
    see(store, sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 5_000))
    clock.advance(WINDOW_S - 1)
    assert (store.close_over(), store.get(here).state) == (0, "cleared")
    clock.advance(1)
    assert (store.close_over(), store.close_over()) == (1, 0)
    found = store.get(here)
    assert (found.state, found.closed_unix_ms, found.is_active) == ("closed", clock.unix_ms(), False)
    assert open_keys(engine) == {None}
    assert story(store, found) == [
        "raise:raised",
        "acknowledge:acknowledged",
        "clear:cleared",
        "close:closed",
    ]
    said = store.log(here)
    assert (said[1].who, said[1].via, said[3].detail) == ("김관리", "link", "window")
    assert [one.from_state for one in said] == [None, "raised", "acknowledged", "cleared"]


def test_a_fire_that_is_over_waits_for_somebody_however_long_and_goes_on_telling(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    see(store, sighting(1), sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 5_000))
    clock.advance(30 * 86_400)
    assert store.close_over() == 0
    found = newest(store)
    assert found.state == "cleared"
    assert {one.state for one in Messages(engine, clock).of_incident(found.incident_id)} == {"due"}
    done = store.acknowledge(found.incident_id, "이관리", "reply")
    assert (done.is_first, done.incident.state) == (True, "closed")
    assert {one.state for one in Messages(engine, clock).of_incident(found.incident_id)} == {"cancelled"}


def test_what_is_closed_by_somebody_is_followed_by_a_new_incident_even_within_the_window(store: Incidents) -> None:
    see(store, sighting(1), sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 5_000))
    first = newest(store)
    store.acknowledge(first.incident_id, "김관리", "console")
    (again,) = see(store, sighting(2, unix_ms=NOW_UNIX_MS + 9_000))
    assert (again.effect, again.messages_due) == (Effect.OPENED, 3)
    assert newest(store).incident_id != first.incident_id


def test_a_new_incident_after_the_window_closes_the_old_one_which_can_still_be_acknowledged(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    see(store, sighting(1), sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 5_000))
    old = newest(store)
    see(store, sighting(2, unix_ms=NOW_UNIX_MS + 600_000))
    assert store.get(old.incident_id).state == "closed"
    assert store.log(old.incident_id)[-1].detail == "succeeded"
    assert "due" in {one.state for one in Messages(engine, clock).of_incident(old.incident_id)}
    done = store.acknowledge(old.incident_id, "김관리", "link")
    assert (done.is_first, done.incident.state, done.incident.acknowledged_by) == (True, "closed", "김관리")
    assert newest(store).state == "raised", "the new one is not acknowledged by that"
    assert not store.acknowledge(old.incident_id, "이관리", "link").is_first


def test_reopened_within_the_window_an_acknowledgement_stands(store: Incidents) -> None:
    see(store, sighting(1))
    here = newest(store).incident_id
    store.acknowledge(here, "김관리", "button")
    (_, again) = see(
        store, sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 5_000), sighting(2, unix_ms=NOW_UNIX_MS + 60_000)
    )
    assert again.effect is Effect.REOPENED
    assert again.incident is not None
    assert (again.incident.state, again.incident.cleared_unix_ms) == ("acknowledged", None)
    assert again.incident.acknowledged_via == "button"


@pytest.mark.parametrize("severity", ["trouble", "drill"])
def test_troubles_and_drills_close_without_anybody(clock: ManualClock, store: Incidents, severity: str) -> None:
    def said(phase: Phase, offset_s: int) -> Sighting:
        seen = sighting(1, phase, unix_ms=NOW_UNIX_MS + offset_s * 1000)
        return replace(seen, kind=severity, severity=severity, name=severity)

    see(store, said(RAISED, 0), said(CLEARED, 5))
    clock.advance(WINDOW_S)
    assert store.close_over() == 1
    assert newest(store).state == "closed"


def test_a_watch_tells_nobody_and_rising_to_an_alarm_tells_everybody(store: Incidents) -> None:
    opened, risen = see(store, watch(1), sighting(1, ONGOING, unix_ms=NOW_UNIX_MS + 2_000))
    assert (opened.effect, opened.messages_due) == (Effect.OPENED, 0)
    assert (risen.effect, risen.messages_due) == (Effect.ROSE, 3)
    found = newest(store)
    assert (found.level, found.is_alarm, story(store, found)) == ("alarm", True, ["raise:raised", "rise:raised"])
    (after,) = see(store, watch(1, ONGOING, offset_s=4))
    assert after.effect is Effect.REPEATED
    assert newest(store).level == "alarm", "a level never falls"


def test_rising_after_an_acknowledgement_tells_again_and_waits_for_another(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    see(store, watch(1))
    here = newest(store).incident_id
    store.acknowledge(here, "김관리", "console")
    (risen,) = see(store, sighting(1, unix_ms=NOW_UNIX_MS + 2_000))
    assert (risen.effect, risen.messages_due) == (Effect.ROSE, 3)
    found = store.get(here)
    assert (found.state, found.acknowledged_by, found.acknowledged_via) == ("raised", None, None)
    assert {one.state for one in Messages(engine, clock).of_incident(here)} == {"due"}
    assert store.acknowledge(here, "이관리", "link").is_first
    assert [one.who for one in store.log(here) if one.action == "acknowledge"] == ["김관리", "이관리"]


def test_two_cameras_of_a_zone_that_watch_make_an_alarm_together(store: Incidents) -> None:
    _, second = see(store, watch(1), watch(2, camera="cam-2", device="fire-2"))
    assert (second.effect, second.cameras, second.messages_due) == (Effect.ROSE, 2, 3)
    assert store.log(newest(store).incident_id)[-1].detail == "cam-1, cam-2"


def test_one_camera_that_watches_twice_and_two_one_after_the_other_stay_a_watch(store: Incidents) -> None:
    changes = see(
        store,
        watch(1),
        watch(2, offset_s=10),
        watch(2, CLEARED, offset_s=20),
        watch(3, camera="cam-2", device="fire-2", offset_s=30),
    )
    assert {one.messages_due for one in changes} == {0}
    assert newest(store).level == "watch"


def test_a_watch_that_is_over_closes_without_anybody(clock: ManualClock, store: Incidents) -> None:
    see(store, watch(1), watch(1, CLEARED, offset_s=5))
    clock.advance(WINDOW_S)
    assert store.close_over() == 1


def test_further_cameras_confirm_the_fire_once_each(store: Incidents) -> None:
    changes = see(
        store,
        sighting(1),
        sighting(2, device="fire-2", camera="cam-2"),
        sighting(2, ONGOING, device="fire-2", camera="cam-2"),
        sighting(3, unix_ms=NOW_UNIX_MS + 1, device="fire-2", camera="cam-2"),
        sighting(4, device="fire-2", camera="cam-3"),
    )
    assert [(one.effect.value, one.cameras) for one in changes] == [
        ("opened", 1),
        ("confirmed", 2),
        ("repeated", 0),
        ("repeated", 2),
        ("confirmed", 3),
    ]
    here = newest(store).incident_id
    assert store.cameras([here, here + 1]) == {here: ("cam-1", "cam-2", "cam-3")}
    assert [one.detail for one in store.log(here)] == ["cam-1", "cam-1, cam-2", "cam-1, cam-2, cam-3"]


def test_a_raise_whose_end_was_counted_to_an_incident_that_is_closed_now_is_over_at_once(store: Incidents) -> None:
    see(store, sighting(1), sighting(2, CLEARED, device="fire-2", camera="cam-2", unix_ms=NOW_UNIX_MS + 4_000))
    see(store, sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 5_000))
    store.acknowledge(newest(store).incident_id, "김관리", "console")
    (late,) = see(store, sighting(2, device="fire-2", camera="cam-2", unix_ms=NOW_UNIX_MS + 2_000))
    assert (late.effect, late.messages_due) == (Effect.OPENED, 3), "people are told all the same"
    assert newest(store).state == "cleared"


def test_fires_that_burn_stand_first_and_fires_unseen_by_anybody_second(store: Incidents) -> None:
    see(store, sighting(1, zone="a"), sighting(1, CLEARED, zone="a"))
    see(store, sighting(2, zone="b"))
    trouble = replace(sighting(3, zone="c"), kind="camera-cam-9", severity="trouble", name="trouble")
    see(store, trouble, replace(watch(4), zone="d"))
    assert [(one.zone, one.state) for one in store.open_and_recent(MARKET)] == [
        ("b", "raised"),
        ("a", "cleared"),
        ("d", "raised"),
        ("c", "raised"),
    ]


def test_many_fires_are_looked_at_again_a_few_at_a_time_and_others_write_between(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    count = REEVALUATED_AT_ONCE_MAX + 3
    seen = {event_id(number): sighting(number, zone=f"z{number}") for number in range(count)}
    store.record(tuple(seen.values()), lambda _change: ())
    last = max(one.incident_id for one in store.open_and_recent(MARKET, limit=1000))
    made: list[set[str]] = []

    def composers(markets: Collection[str]) -> Compose:
        made.append(set(markets))
        if len(made) == 2:  # between two pieces somebody acknowledges one of the second
            store.acknowledge(last, "김관리", "link")
        return steps

    added = store.reevaluate(composers, lambda event, _incident: seen[event.event_id])
    assert (made, added) == ([{MARKET}, {MARKET}], 3 * (count - 1))
    assert Messages(engine, clock).of_incident(last) == ()


def test_nothing_is_written_over_what_somebody_else_has_written(engine: Engine, store: Incidents) -> None:
    see(store, sighting(1))
    here = incidents.c.incident_id == newest(store).incident_id
    with transaction(engine) as connection:
        read = connection.execute(select(incidents).where(here)).one()
        first = write_moves(connection, read, (Move(Action.ACKNOWLEDGE, "김관리", "link"),), {}, NOW_UNIX_MS)
        assert first is not None
        assert first.version == read.version + 1
        assert write_moves(connection, read, (Move(Action.CLEAR),), {}, NOW_UNIX_MS) is None
    found = newest(store)
    assert (found.state, story(store, found)) == ("acknowledged", ["raise:raised", "acknowledge:acknowledged"])


def test_an_action_without_a_place_is_a_defect(engine: Engine, store: Incidents) -> None:
    see(store, sighting(1))
    with transaction(engine) as connection, pytest.raises(IllegalMoveError, match="close has no place"):
        write_moves(connection, connection.execute(select(incidents)).one(), (Move(Action.CLOSE),), {}, NOW_UNIX_MS)


def others(incident: Incident, who: str, told: Sequence[Told]) -> Sequence[NewMessage]:
    now = incident.acknowledged_unix_ms or 0
    return [NewMessage("a0", one.name, one.recipient, f"{who} 확인", now) for one in told if one.name != who]


def test_who_was_told_learns_once_who_takes_care(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    see(store, sighting(1))
    messages = Messages(engine, clock)
    here = newest(store).incident_id
    assert store.acknowledged_untold() == ()
    assert len(messages.claim(10)) == 2, "the deputy's time has not come"
    store.acknowledge(here, MANAGER, "link")
    (waiting,) = store.acknowledged_untold()
    assert waiting.incident_id == here
    assert store.tell_acknowledged([waiting], others) == 1
    assert store.tell_acknowledged([waiting], others) == 0, "another service was as fast"
    assert store.acknowledged_untold() == ()
    said = [one for one in messages.of_incident(here) if one.text.endswith("확인")]
    assert [(one.recipient, one.state) for one in said] == [(SECOND_MANAGER, "due")]


def test_an_acknowledgement_after_the_level_rose_is_told_anew(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    see(store, sighting(1))
    here = newest(store).incident_id
    Messages(engine, clock).claim(10)
    store.acknowledge(here, MANAGER, "link")
    store.tell_acknowledged(store.acknowledged_untold(), others)
    with transaction(engine) as connection:  # as if what was acknowledged had been a watch
        connection.execute(incidents.update().values(level="watch"))
    see(store, sighting(2, unix_ms=NOW_UNIX_MS + 1_000))
    store.acknowledge(here, SECOND_MANAGER, "reply")
    assert store.tell_acknowledged(store.acknowledged_untold(), others) == 1
    keys = {one.message_key.rsplit(":", 1)[1] for one in Messages(engine, clock).of_incident(here)}
    assert {"a0", "a1"} <= keys


def test_an_acknowledgement_of_long_ago_is_not_told_any_more(clock: ManualClock, store: Incidents) -> None:
    see(store, sighting(1))
    store.acknowledge(newest(store).incident_id, "김관리", "console")
    clock.advance(601)
    assert store.acknowledged_untold() == ()
