import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.incident_models import CODE_LETTERS, Change, Effect, Picture, Sighting, UnstorableError, new_code
from broker.stores.incidents import Incidents, UnknownIncidentError
from broker.stores.messages import Messages
from broker.stores.policy_models import FIRE_POLICY
from broker.stores.registry import Recipient
from broker.stores.schema import incident_events, incidents
from contract.events import Phase
from runtime.clock import ManualClock
from tests.broker.alerts.central import (
    DEPUTY,
    MANAGER,
    MARKET,
    MERCHANT,
    NOW_UNIX_MS,
    SECOND_MANAGER,
    composer,
    enrol,
    sighting,
)

RAISED, ONGOING, CLEARED = Phase.RAISED, Phase.ONGOING, Phase.CLEARED


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    sqlite = request.param == "sqlite"
    url = sqlite_url(tmp_path / "central.db") if sqlite else request.getfixturevalue("postgres_url")
    made = open_database(url)
    migrate(made)
    enrol(made)
    yield made
    made.dispose()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_UNIX_MS)


@pytest.fixture
def store(engine: Engine, clock: ManualClock) -> Incidents:
    return Incidents(engine, clock)


def record(engine: Engine, clock: ManualClock, *seen: Sighting | Picture) -> tuple[Change, ...]:
    return Incidents(engine, clock).record(seen, composer(engine, clock))


def states(engine: Engine, clock: ManualClock) -> dict[str, str]:
    """The last part of each message's key (recipient, step) and its state."""
    found = Messages(engine, clock).newest(MARKET)
    return {":".join(one.message_key.split(":")[1::2]): one.state for one in found}


def rows(engine: Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        counts = (select(func.count()).select_from(table) for table in (incidents, incident_events))
        first, second = (int(connection.execute(one).scalar_one()) for one in counts)
    return first, second


def test_a_fire_is_one_incident_with_a_message_for_everybody_at_their_step(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    (change,) = record(engine, clock, sighting())
    assert change.effect is Effect.OPENED
    assert change.messages_due == 4
    (found,) = store.open_and_recent(MARKET)
    assert found == change.incident
    assert (found.state, found.severity, found.zone, found.opened_unix_ms) == ("raised", "fire", "b", NOW_UNIX_MS)
    due = {
        one.recipient: one.due_unix_ms - NOW_UNIX_MS for one in Messages(engine, clock).of_incident(found.incident_id)
    }
    assert due == {MANAGER: 0, SECOND_MANAGER: 0, DEPUTY: 60_000, MERCHANT: 120_000}


def test_a_resend_changes_nothing(engine: Engine, clock: ManualClock) -> None:
    first = sighting()
    record(engine, clock, first)
    before = rows(engine), states(engine, clock)
    assert [one.effect for one in record(engine, clock, first, first)] == [Effect.DUPLICATE] * 2
    assert (rows(engine), states(engine, clock)) == before


def test_repeats_and_other_cameras_of_the_zone_stay_one_incident(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    record(engine, clock, sighting(1), *(sighting(1, ONGOING) for _ in range(5)))
    record(engine, clock, sighting(2, device="fire-2", camera="cam-2"))
    (found,) = store.open_and_recent(MARKET)
    assert found.event_count == 7
    first_words = [key for key in states(engine, clock) if ":u" not in key]
    assert len(first_words) == 4, "and an update that a second camera confirms it"


def test_another_zone_is_another_incident(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    record(engine, clock, sighting(1, zone="a"), sighting(2, zone="b"))
    assert {one.zone for one in store.open_and_recent(MARKET)} == {"a", "b"}


def test_it_is_cleared_when_every_camera_has_cleared(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    record(engine, clock, sighting(1), sighting(2, device="fire-2", camera="cam-2"))
    record(engine, clock, sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 30_000))
    assert store.open_and_recent(MARKET)[0].state == "raised"
    last = sighting(2, CLEARED, unix_ms=NOW_UNIX_MS + 50_000, device="fire-2", camera="cam-2")
    (change,) = record(engine, clock, last)
    assert change.effect is Effect.CLEARED
    (found,) = store.open_and_recent(MARKET)
    assert (found.state, found.cleared_unix_ms) == ("cleared", NOW_UNIX_MS + 50_000)


def test_clearing_does_not_stop_the_escalation_of_a_live_fire(engine: Engine, clock: ManualClock) -> None:
    record(engine, clock, sighting(1), sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 5_000))
    assert set(states(engine, clock).values()) == {"due"}


def test_an_old_fire_that_is_over_tells_the_managers_only(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    old = NOW_UNIX_MS - 3_600_000
    record(engine, clock, sighting(1, unix_ms=old, late=True), sighting(1, CLEARED, unix_ms=old + 60_000, late=True))
    assert store.open_and_recent(MARKET)[0].detail == "late"
    assert states(engine, clock) == {
        f"{MANAGER}:0": "due",
        f"{SECOND_MANAGER}:0": "due",
        f"{DEPUTY}:1": "cancelled",
        f"{MERCHANT}:2": "cancelled",
    }


def test_an_old_fire_that_may_still_burn_escalates(engine: Engine, clock: ManualClock) -> None:
    record(engine, clock, sighting(1, unix_ms=NOW_UNIX_MS - 3_600_000, late=True))
    assert set(states(engine, clock).values()) == {"due"}


def drill(number: int, phase: Phase = RAISED, *, late_s: int = 0, offset_s: int = 0) -> Sighting:
    seen = sighting(number, phase, unix_ms=NOW_UNIX_MS + (offset_s - late_s) * 1000, late=late_s > 600)
    return replace(seen, name="drill", kind="drill", severity="drill", part="drill")


def test_a_drill_and_a_fire_of_the_same_zone_know_nothing_of_each_other(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    record(engine, clock, drill(1), sighting(2), drill(1, CLEARED, offset_s=5))
    found = {one.severity: (one.kind, one.state) for one in store.open_and_recent(MARKET)}
    assert found == {"fire": ("fire", "raised"), "drill": ("drill", "cleared")}
    record(engine, clock, drill(3, offset_s=6), sighting(2, CLEARED, unix_ms=NOW_UNIX_MS + 7_000))
    newest = {one.severity: one.state for one in store.open_and_recent(MARKET) if one.state != "closed"}
    assert newest == {"fire": "cleared", "drill": "raised"}


def test_a_drill_tells_the_managers_once_each_time_and_nobody_later(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    (change,) = record(engine, clock, drill(1))
    assert change.messages_due == 2
    sent = Messages(engine, clock).claim(10)
    assert {one.recipient for one in sent} == {MANAGER, SECOND_MANAGER}
    assert all(one.text.startswith("[훈련] 중앙시장 B구역 cam-1") for one in sent)
    record(engine, clock, drill(1, CLEARED, offset_s=5), drill(2, offset_s=20))
    drills = [one for one in store.open_and_recent(MARKET) if one.severity == "drill"]
    assert len(drills) == 2, "another test within the window is another incident, with messages of its own"
    assert len(Messages(engine, clock).newest(MARKET)) == 4


def test_a_drill_that_arrives_late_tells_nobody(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    (change,) = record(engine, clock, drill(1, late_s=3_600))
    assert (change.messages_due, store.open_and_recent(MARKET)[0].detail) == (0, "late")


def test_a_drill_without_managers_tells_nobody_else(engine: Engine, clock: ManualClock) -> None:
    enrol(engine, recipients=(Recipient("박부장", DEPUTY, "deputy"),))
    (change,) = record(engine, clock, drill(1))
    assert change.messages_due == 0


def test_an_old_trouble_that_is_over_tells_nobody_and_rising_again_makes_it_due_again(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    old = NOW_UNIX_MS - 3_600_000

    def camera(number: int, phase: Phase, unix_ms: int, *, late: bool) -> Sighting:
        seen = sighting(number, phase, unix_ms=unix_ms, late=late)
        return replace(seen, kind="camera-cam-1", severity="trouble", part="camera", reason="frozen", detail="frozen")

    record(engine, clock, camera(1, RAISED, old, late=True), camera(1, CLEARED, old + 60_000, late=True))
    assert states(engine, clock) == dict.fromkeys((f"{MANAGER}:t0", f"{SECOND_MANAGER}:t0"), "cancelled")
    clock.advance(5)
    (again,) = record(engine, clock, camera(2, RAISED, old + 90_000, late=False))
    assert (again.effect, again.messages_due) == (Effect.REOPENED, 2)
    found = Messages(engine, clock).claim(10)
    assert [(one.due_unix_ms, one.created_unix_ms, one.error) for one in found] == [
        (NOW_UNIX_MS + 5_000, NOW_UNIX_MS + 5_000, None)
    ] * 2
    assert store.open_and_recent(MARKET)[0].detail == "frozen"


def test_the_first_word_of_an_old_fire_that_is_tried_again_goes_out_although_it_is_over(
    engine: Engine, clock: ManualClock
) -> None:
    old = NOW_UNIX_MS - 3_600_000
    record(engine, clock, sighting(1, unix_ms=old, late=True))
    for one in Messages(engine, clock).claim(10):
        Messages(engine, clock).retry(one, NOW_UNIX_MS + 30_000, "busy")
    record(engine, clock, sighting(1, CLEARED, unix_ms=old + 60_000, late=True))
    assert [key for key, state in states(engine, clock).items() if state == "due"] == [
        f"{SECOND_MANAGER}:0",
        f"{MANAGER}:0",
    ]


def test_rising_again_within_the_window_is_an_update(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    record(engine, clock, sighting(1), sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 10_000))
    (again,) = record(engine, clock, sighting(2, unix_ms=NOW_UNIX_MS + 309_000))
    assert again.effect is Effect.REOPENED
    (found,) = store.open_and_recent(MARKET)
    assert (found.state, found.cleared_unix_ms) == ("raised", None)
    assert sum(key.endswith(":0") for key in states(engine, clock)) == 2
    assert sum(key.endswith(":u3") for key in states(engine, clock)) == 2


def test_rising_after_the_window_is_a_new_incident(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    record(engine, clock, sighting(1), sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 10_000))
    (again,) = record(engine, clock, sighting(2, unix_ms=NOW_UNIX_MS + 311_000))
    assert again.effect is Effect.OPENED
    assert [one.state for one in store.open_and_recent(MARKET)] == ["raised", "closed"]


def test_updates_are_capped_and_the_first_word_never_is(engine: Engine, clock: ManualClock) -> None:
    seen = []
    for number in range(1, FIRE_POLICY.cap_per_hour + 6):
        at = NOW_UNIX_MS + number * 1000
        seen += [sighting(number, unix_ms=at), sighting(number, CLEARED, unix_ms=at + 500)]
    record(engine, clock, *seen)
    updates = [state for key, state in states(engine, clock).items() if key.startswith(f"{MANAGER}:u")]
    assert (updates.count("due"), updates.count("cancelled")) == (FIRE_POLICY.cap_per_hour, 4)
    record(engine, clock, sighting(99, zone="a", unix_ms=NOW_UNIX_MS + 40_000))
    assert [state for key, state in states(engine, clock).items() if key == f"{MANAGER}:0"] == ["due"]


def test_events_out_of_order_come_to_the_same_end(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    changes = record(
        engine,
        clock,
        sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 10_000),
        sighting(1),
        sighting(1, ONGOING, unix_ms=NOW_UNIX_MS + 5_000),
    )
    assert [one.effect for one in changes] == [Effect.NOTED, Effect.OPENED, Effect.REPEATED]
    assert store.open_and_recent(MARKET)[0].state == "cleared"
    assert len(states(engine, clock)) == 4


def test_a_straggler_of_a_fire_long_over_opens_nothing(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    record(engine, clock, sighting(1), sighting(1, CLEARED, unix_ms=NOW_UNIX_MS + 1_000))
    (change,) = record(engine, clock, sighting(1, ONGOING, unix_ms=NOW_UNIX_MS - 400_000))
    assert change.effect is Effect.NOTED
    assert len(store.open_and_recent(MARKET)) == 1


def test_a_camera_that_forgot_its_alarm_ends_it_with_its_next_one(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    record(engine, clock, sighting(1), sighting(2, unix_ms=NOW_UNIX_MS + 60_000))
    record(engine, clock, sighting(2, CLEARED, unix_ms=NOW_UNIX_MS + 90_000))
    assert store.open_and_recent(MARKET)[0].state == "cleared"


def test_acknowledging_cancels_what_is_due_and_the_first_one_stands(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    (change,) = record(engine, clock, sighting())
    assert change.incident is not None
    clock.advance(5)
    done = store.acknowledge(change.incident.incident_id, "김관리", "console")
    found = done.incident
    assert done.is_first
    assert (found.acknowledged_by, found.acknowledged_unix_ms) == ("김관리", NOW_UNIX_MS + 5_000)
    assert (found.state, found.acknowledged_via) == ("acknowledged", "console")
    assert set(states(engine, clock).values()) == {"cancelled"}
    again = store.acknowledge(change.incident.incident_id, "이관리", "link")
    assert (again.incident, again.is_first) == (found, False)
    assert Messages(engine, clock).claim(10) == ()


def test_an_unknown_incident_is_said_to_be_unknown(store: Incidents) -> None:
    with pytest.raises(UnknownIncidentError, match="no incident 7"):
        store.acknowledge(7, "x", "reply")
    with pytest.raises(UnknownIncidentError, match="no incident 7"):
        store.get(7)


def test_many_who_acknowledge_at_once_are_one_first(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    (change,) = record(engine, clock, sighting())
    assert change.incident is not None
    incident_id = change.incident.incident_id
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda number: store.acknowledge(incident_id, f"m{number}", "link"), range(8)))
    assert [one.is_first for one in done].count(True) == 1
    assert len({one.incident for one in done}) == 1


def test_changes_are_seen_by_this_sides_clock(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    record(engine, clock, sighting(1, unix_ms=NOW_UNIX_MS - 5_000_000))
    assert len(store.changed_since(NOW_UNIX_MS)) == 1
    assert store.changed_since(NOW_UNIX_MS + 1) == ()


def test_many_writers_at_once_make_one_incident(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    compose = composer(engine, clock)
    gate = threading.Barrier(8)
    errors: list[Exception] = []

    def write(number: int) -> None:
        mine = Incidents(engine, clock)
        gate.wait()
        try:
            for round_number in range(5):
                mine.record([sighting(number, camera=f"cam-{number}", seq=number * 100 + round_number)], compose)
        except Exception as error:  # noqa: BLE001 — kept for the assertion below
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []
    (found,) = store.open_and_recent(MARKET)
    assert found.event_count == 40
    assert len([key for key in states(engine, clock) if ":u" not in key]) == 4


def test_codes_that_are_taken_are_drawn_again(engine: Engine, clock: ManualClock) -> None:
    codes = iter(("AAAA", "AAAA", "AAAA", "BBBB"))
    store = Incidents(engine, clock, code=lambda: next(codes))
    store.record([sighting(1, zone="a"), sighting(2, zone="b")], lambda _change: ())
    assert {one.code for one in store.open_and_recent(MARKET)} == {"AAAA", "BBBB"}
    assert set(new_code()) <= set(CODE_LETTERS)


def test_reevaluation_tells_whoever_was_not_told(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    fresh = sighting(1)
    store.record([fresh], lambda _change: ())
    assert store.reevaluate(lambda _markets: composer(engine, clock), lambda _event, _incident: fresh) == 4
    assert store.reevaluate(lambda _markets: composer(engine, clock), lambda _event, _incident: fresh) == 0


def test_a_value_that_the_database_cannot_hold_says_so(postgres_url: str, clock: ManualClock) -> None:
    engine = open_database(postgres_url)
    migrate(engine)
    enrol(engine)
    with pytest.raises(UnstorableError):
        record(engine, clock, replace(sighting(1), zone="z" * 64))
    assert rows(engine) == (0, 0)
    engine.dispose()
