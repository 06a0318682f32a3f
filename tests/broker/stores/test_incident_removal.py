"""What is long over goes with everything that hangs on it; what is not closed stays."""

import pytest
from sqlalchemy import Engine, Table, func, insert, select

from broker.stores.database import transaction
from broker.stores.incident_models import Picture, Sighting
from broker.stores.incident_removal import INCIDENTS_AT_ONCE_MAX, IncidentRemoval
from broker.stores.incidents import WINDOW_S, Incidents
from broker.stores.message_models import NewMessage
from broker.stores.schema import (
    acknowledge_tokens,
    incident_events,
    incident_log,
    incidents,
    messages,
    stills,
)
from contract.events import Phase
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEVICE, EPOCH, MANAGER, MARKET, NOW_UNIX_MS, enrol, event_id, sighting

DAY_S = 86_400


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_UNIX_MS)


@pytest.fixture
def store(engine: Engine, clock: ManualClock) -> Incidents:
    enrol(engine)
    return Incidents(engine, clock)


def burn(store: Incidents, number: int, zone: str, *, over: bool = True) -> int:
    """A fire with a picture and a message; its incident."""
    picture = Picture(
        MARKET, DEVICE, EPOCH, 9_000_000 + number, event_id(number), "cam-1", NOW_UNIX_MS, b"\xff\xd8\xff"
    )
    message = NewMessage("0", "김관리", MANAGER, "[화재]", NOW_UNIX_MS)
    seen: list[Sighting | Picture] = [sighting(number, zone=zone), picture]
    if over:
        seen.append(sighting(number, Phase.CLEARED, zone=zone))
    change = store.record(seen, lambda change: (message,) if change.effect.value == "opened" else ())[0]
    assert change.incident is not None
    return change.incident.incident_id


def count(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def test_a_closed_incident_goes_with_all_that_hangs_on_it_and_the_others_stay(
    engine: Engine, clock: ManualClock, store: Incidents
) -> None:
    closed, unseen, burning = burn(store, 1, "a"), burn(store, 2, "b"), burn(store, 3, "c", over=False)
    store.acknowledge(closed, "김관리", "link")
    token = {"token_sha256": "0" * 64, "market": MARKET, "recipient_name": "김관리", "recipient": MANAGER}
    with transaction(engine) as connection:
        for number, incident_id in enumerate((closed, unseen)):
            values = {**token, "token_sha256": f"{number:064x}", "incident_id": incident_id}
            connection.execute(insert(acknowledge_tokens).values(**values, created_unix_ms=1, expires_unix_ms=2))
    removal = IncidentRemoval(engine)
    assert removal.remove_closed(clock.unix_ms()) == 0
    clock.advance(30 * DAY_S)
    assert removal.remove_closed(clock.unix_ms()) == 1
    assert removal.remove_closed(clock.unix_ms()) == 0
    assert {one.incident_id for one in store.open_and_recent()} == {unseen, burning}
    for table in (messages, stills):
        assert count(engine, table) == 2
    assert (count(engine, acknowledge_tokens), count(engine, incident_events)) == (1, 5)
    assert {one.action for one in store.log(unseen)} == {"raise", "clear"}
    assert store.log(closed) == ()
    assert count(engine, incident_log) == 3


def test_many_go_a_few_at_a_time(engine: Engine, clock: ManualClock, store: Incidents) -> None:
    for number in range(INCIDENTS_AT_ONCE_MAX + 2):
        store.acknowledge(burn(store, number, f"z{number}"), "김관리", "console")
    clock.advance(WINDOW_S)
    removal = IncidentRemoval(engine)
    assert [removal.remove_closed(clock.unix_ms()) for _ in range(3)] == [INCIDENTS_AT_ONCE_MAX, 2, 0]
    assert count(engine, incidents) == 0


def test_what_belongs_to_no_incident_goes_by_its_own_time(engine: Engine, store: Incidents) -> None:
    store.record([sighting(1, Phase.CLEARED)], lambda _change: ())
    store.record([sighting(2, Phase.CLEARED, unix_ms=NOW_UNIX_MS + 10_000)], lambda _change: ())
    burn(store, 3, "a")
    with transaction(engine) as connection:
        row = {"market": MARKET, "recipient_name": "", "recipient": MANAGER, "text": "", "state": "accepted"}
        for key, created in (("old", NOW_UNIX_MS), ("new", NOW_UNIX_MS + 10_000)):
            said = {"message_key": key, "created_unix_ms": created, "due_unix_ms": created}
            connection.execute(insert(messages).values(**row, **said))
    removal = IncidentRemoval(engine)
    assert removal.remove_strays(NOW_UNIX_MS + 5_000) == 2
    assert removal.remove_strays(NOW_UNIX_MS + 5_000) == 0
    assert count(engine, messages) == 2
    assert count(engine, incident_events) == 4
