import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.incidents import Incidents
from broker.stores.messages import RANK, Messages
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEPUTY, MANAGER, NOW_UNIX_MS, SECOND_MANAGER, composer, enrol, sighting


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
def messages(engine: Engine, clock: ManualClock) -> Messages:
    return Messages(engine, clock)


@pytest.fixture
def incident_id(engine: Engine, clock: ManualClock) -> int:
    (change,) = Incidents(engine, clock).record([sighting()], composer(engine, clock))
    assert change.incident is not None
    return change.incident.incident_id


def test_only_what_is_due_is_claimed_and_only_once(messages: Messages, clock: ManualClock, incident_id: int) -> None:
    first = messages.claim(10)
    assert [one.recipient for one in first] == [MANAGER, SECOND_MANAGER]
    assert {(one.state, one.attempts, one.incident_id) for one in first} == {("leased", 1, incident_id)}
    assert messages.claim(10) == ()
    clock.advance(8.1)
    assert [(one.recipient, one.attempts) for one in messages.claim(10)] == [(MANAGER, 2), (SECOND_MANAGER, 2)]


@pytest.mark.usefixtures("incident_id")
def test_escalation_becomes_due_in_its_time(messages: Messages, clock: ManualClock) -> None:
    for one in messages.claim(10):
        messages.accepted(one.message_id, "spool", "x")
    assert messages.next_due_unix_ms() == NOW_UNIX_MS + 60_000
    clock.advance(60)
    assert [one.recipient for one in messages.claim(10)] == [DEPUTY]


def test_the_first_word_of_a_fire_goes_before_older_messages(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    clock.advance(130)
    Incidents(engine, clock).record([sighting(2, zone="a")], composer(engine, clock))
    claimed = messages.claim(20)
    assert [one.message_key.rsplit(":", 1)[1] for one in claimed] == ["0", "0", "0", "0", "1", "2"]
    assert {one.incident_id for one in claimed[4:]} == {incident_id}


def test_two_claimers_never_get_the_same(engine: Engine, clock: ManualClock, messages: Messages) -> None:
    compose, store = composer(engine, clock), Incidents(engine, clock)
    store.record([sighting(number, zone=f"z{number}") for number in range(20)], compose)
    gate, got = threading.Barrier(4), list[int]()

    def take() -> None:
        gate.wait()
        while claimed := messages.claim(3):
            got.extend(one.message_id for one in claimed)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(got) == len(set(got)) == 40


@pytest.mark.usefixtures("incident_id")
def test_marks_only_move_forward(messages: Messages) -> None:
    (one, _) = messages.claim(10)
    assert messages.delivered(one.message_id, "kannel")  # a receipt may overtake the answer
    assert not messages.accepted(one.message_id, "kannel", "r")
    assert not messages.failed(one.message_id, "late receipt")
    after = next(row for row in messages.newest() if row.message_id == one.message_id)
    assert (after.state, after.provider, after.provider_reference) == ("delivered", "kannel", "r")
    assert after.accepted_unix_ms == NOW_UNIX_MS


@pytest.mark.usefixtures("incident_id")
@pytest.mark.parametrize(
    "order", [("failed", "delivered"), ("accepted", "failed", "delivered"), ("unknown", "accepted")]
)
def test_each_mark_that_is_further_along_counts(messages: Messages, order: tuple[str, ...]) -> None:
    (one, _) = messages.claim(10)
    marks = {
        "accepted": lambda: messages.accepted(one.message_id, "kannel", "r"),
        "failed": lambda: messages.failed(one.message_id, "no"),
        "delivered": lambda: messages.delivered(one.message_id, "kannel"),
        "unknown": lambda: messages.unknown(one.message_id, "no answer"),
    }
    assert [marks[name]() for name in order] == [True] * len(order)
    assert [RANK[name] for name in order] == sorted(RANK[name] for name in order)
    assert next(row for row in messages.newest() if row.message_id == one.message_id).state == order[-1]


@pytest.mark.usefixtures("incident_id")
def test_a_message_given_back_is_due_later_with_its_reason(messages: Messages, clock: ManualClock) -> None:
    (one, other) = messages.claim(10)
    messages.retry(one.message_id, NOW_UNIX_MS + 300, "503")
    assert messages.claim(10) == ()
    clock.advance(0.3)
    (again,) = messages.claim(10)
    assert (again.message_id, again.attempts, again.error) == (one.message_id, 2, "503")
    assert other.message_id != one.message_id


def test_a_message_in_flight_when_its_incident_is_acknowledged_is_not_tried_again(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    (one, other) = messages.claim(10)
    Incidents(engine, clock).acknowledge(incident_id, "김관리")
    messages.retry(one.message_id, NOW_UNIX_MS, "503")
    messages.accepted(other.message_id, "spool", "x")
    clock.advance(600)
    assert messages.claim(10) == ()
    found = {row.message_id: row.state for row in messages.newest()}
    assert (found[one.message_id], found[other.message_id]) == ("cancelled", "accepted")
