import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select, update

from broker.stores.acknowledge_tokens import LinkToken
from broker.stores.database import migrate, open_database, sqlite_url, transaction
from broker.stores.incidents import Incidents
from broker.stores.leases import Leases, is_current
from broker.stores.message_models import CANARY_KEY, HEDGE_S, LEASE_S, OVERDUE_ATTEMPTS_MIN, OVERDUE_S
from broker.stores.messages import (
    RANK,
    STORM,
    Messages,
    NewMessage,
    Stuck,
    add_messages,
    message_key,
    release_leased,
)
from broker.stores.schema import acknowledge_tokens, incidents
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEPUTY, MANAGER, MARKET, NOW_UNIX_MS, SECOND_MANAGER, composer, enrol, sighting


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


def test_two_claimers_never_get_the_same(clock: ManualClock, messages: Messages) -> None:
    for number in range(40):
        messages.write(f"k{number}", MARKET, NewMessage("0", "x", "010", "x", clock.unix_ms()))
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
    assert messages.retry(one, NOW_UNIX_MS + 300, "503")
    assert messages.claim(10) == ()
    clock.advance(0.3)
    (again,) = messages.claim(10)
    assert (again.message_id, again.attempts, again.error) == (one.message_id, 2, "503")
    assert other.message_id != one.message_id


def test_a_message_in_flight_when_its_incident_is_acknowledged_is_not_tried_again(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    (one, other) = messages.claim(10)
    clock.advance(0.5)
    Incidents(engine, clock).acknowledge(incident_id, "김관리", "console")
    messages.retry(one, NOW_UNIX_MS, "503")
    messages.accepted(other.message_id, "spool", "x")
    clock.advance(600)
    assert messages.claim(10) == ()
    found = {row.message_id: row.state for row in messages.newest()}
    assert (found[one.message_id], found[other.message_id]) == ("cancelled", "accepted")


# --- hedges, fences and what is left by the dead


@pytest.mark.usefixtures("incident_id")
def test_the_first_word_of_a_fire_has_a_short_lease_where_another_provider_waits(
    messages: Messages, clock: ManualClock
) -> None:
    (first, second) = messages.claim(10, hedged={"sms"})
    assert first.lease_until_unix_ms == second.lease_until_unix_ms == NOW_UNIX_MS + HEDGE_S * 1000
    clock.advance(HEDGE_S + 0.01)
    assert [one.attempts for one in messages.claim(10, hedged={"sms"})] == [2, 2]
    for one in (first, second):
        messages.accepted(one.message_id, "a", "r")
    clock.advance(60)
    (deputy,) = messages.claim(10, hedged={"sms"})
    assert deputy.lease_until_unix_ms == clock.unix_ms() + LEASE_S * 1000, "an escalation can wait its eight seconds"


@pytest.mark.usefixtures("incident_id")
def test_an_old_try_does_not_take_the_message_from_a_new_one(messages: Messages, clock: ManualClock) -> None:
    (old, _) = messages.claim(10)
    clock.advance(LEASE_S + 0.1)
    new = next(one for one in messages.claim(10) if one.message_id == old.message_id)
    assert not messages.retry(old, clock.unix_ms(), "no answer")
    assert not messages.failed(old.message_id, "refused", attempts=old.attempts)
    assert not messages.unknown(old.message_id, "no answer", attempts=old.attempts)
    assert messages.claim(10) == ()
    assert messages.retry(new, clock.unix_ms(), "503")


@pytest.mark.usefixtures("incident_id")
def test_behind_a_fence_that_fell_nothing_is_claimed(engine: Engine, messages: Messages) -> None:
    leases = Leases(engine)
    mine = leases.begin("alerts", "1", 1)
    assert mine is not None
    leases.take(mine, "2", 2, release_leased)
    assert messages.claim(10, fence=is_current(mine)) == ()
    seen = leases.read("alerts")
    assert seen is not None
    assert len(messages.claim(10, fence=is_current(seen))) == 2


@pytest.mark.usefixtures("incident_id")
def test_what_the_dead_were_sending_is_claimable_at_once(engine: Engine, messages: Messages) -> None:
    messages.claim(10)
    with transaction(engine) as connection:
        assert release_leased(connection) == 2
        assert release_leased(connection) == 0
    assert [one.attempts for one in messages.claim(10)] == [2, 2]


# --- channels, links, caps


def write(engine: Engine, clock: ManualClock, incident_id: int, *rows: NewMessage) -> int:
    with transaction(engine) as connection:
        code = connection.execute(select(incidents.c.code)).scalar_one()
        return add_messages(connection, MARKET, incident_id, code, rows, clock.unix_ms())


def test_each_channel_has_a_message_of_its_own(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    row = NewMessage("0", "webhook", "webhook", "x", clock.unix_ms(), channel="webhook")
    assert write(engine, clock, incident_id, row) == 1
    assert write(engine, clock, incident_id, row) == 0
    (found,) = [one for one in messages.claim(10) if one.channel == "webhook"]
    assert found.message_key.endswith(":webhook:webhook:0")


def test_rows_that_are_gathered_are_never_sent_themselves(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    for one in messages.claim(10):
        messages.accepted(one.message_id, "a", "r")
    next_due = messages.next_due_unix_ms()
    assert write(engine, clock, incident_id, NewMessage("9", STORM, STORM, "x", clock.unix_ms(), channel=STORM)) == 1
    assert messages.claim(10) == ()
    assert messages.next_due_unix_ms() == next_due, "nobody waits for it in vain"


def test_a_storm_in_one_message_goes_like_the_first_word_of_a_fire(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    clock.advance(60)
    assert write(engine, clock, incident_id, NewMessage("t0", "x", "01099990000", "x", clock.unix_ms())) == 1
    storm = NewMessage("s0", "x", MANAGER, "x", clock.unix_ms())
    assert messages.write("storm-fire-1:x", MARKET, storm)
    assert not messages.write("storm-fire-1:x", MARKET, storm)
    claimed = messages.claim(10, fires_only=True, hedged={"sms"})
    assert claimed[2].message_key == "storm-fire-1:x"
    assert claimed[2].lease_until_unix_ms == clock.unix_ms() + HEDGE_S * 1000
    assert claimed[2].incident_id is None


def test_a_cap_counts_what_one_recipient_got_on_one_channel(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    def update_number(number: int, channel: str = "sms") -> NewMessage:
        now = clock.unix_ms()
        return NewMessage(f"u{number}", "x", "0109", "x", now, capped=True, channel=channel, cap_per_hour=2)

    assert write(engine, clock, incident_id, *(update_number(number) for number in range(4))) == 2
    assert write(engine, clock, incident_id, update_number(5, channel="webhook")) == 1
    assert write(engine, clock, incident_id, NewMessage("0", "x", "0109", "x", clock.unix_ms())) == 1
    over = [one for one in messages.newest() if one.error == "more than 2 updates to this recipient within an hour"]
    assert {one.state for one in over} == {"cancelled"}
    assert len(over) == 2
    clock.advance(3601)
    assert write(engine, clock, incident_id, update_number(6)) == 1


def test_a_link_counts_from_when_its_message_is_written_and_only_then(
    engine: Engine, clock: ManualClock, incident_id: int
) -> None:
    link = LinkToken("https://a.kr/a/x", "f" * 64, clock.unix_ms() + 1000)
    again = LinkToken("https://a.kr/a/y", "e" * 64, clock.unix_ms() + 1000)
    write(engine, clock, incident_id, NewMessage("8", "x", "01099990000", "x", clock.unix_ms(), link=link))
    write(engine, clock, incident_id, NewMessage("8", "x", "01099990000", "x", clock.unix_ms(), link=again))
    with engine.connect() as connection:
        assert connection.execute(select(acknowledge_tokens.c.token_sha256)).scalars().all() == ["f" * 64]


def test_a_long_recipient_makes_no_long_key() -> None:
    long = "https://example.test/" + "x" * 170
    assert len(message_key("K7Q2", long, "webhook", "0")) < 60
    assert message_key("K7Q2", long, "webhook", "0") != message_key("K7Q2", long + "y", "webhook", "0")
    assert message_key("K7Q2", MANAGER, "sms", "0") == f"K7Q2:{MANAGER}:sms:0"


# --- acknowledged, and told so


def test_what_was_written_after_an_acknowledgement_is_tried_again(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    Incidents(engine, clock).acknowledge(incident_id, "김관리", "console")
    write(engine, clock, incident_id, NewMessage("a0", "x", "01099990000", "x", clock.unix_ms()))
    (told,) = messages.claim(10)
    assert messages.retry(told, clock.unix_ms(), "503")
    assert [one.message_id for one in messages.claim(10)] == [told.message_id]


# --- what reaches nobody


def stuck(messages: Messages, clock: ManualClock) -> tuple[Stuck, ...]:
    return messages.stuck(clock.unix_ms() - 7_200_000, besides_kind="undeliverable", besides_key=CANARY_KEY)


@pytest.mark.usefixtures("incident_id")
def test_given_up_messages_are_stuck_for_two_hours(messages: Messages, clock: ManualClock) -> None:
    (one, other) = messages.claim(10)
    assert stuck(messages, clock) == ()
    messages.failed(one.message_id, "400: no such number")
    messages.unknown(other.message_id, "no answer")
    assert stuck(messages, clock) == (Stuck(MARKET, 2, "이관리", "no answer"),)
    messages.delivered(other.message_id, "a")
    assert stuck(messages, clock) == (Stuck(MARKET, 1, "김관리", "400: no such number"),)
    clock.advance(7201)
    assert stuck(messages, clock) == ()


@pytest.mark.usefixtures("incident_id")
def test_what_is_tried_in_vain_for_a_minute_is_stuck(messages: Messages, clock: ManualClock) -> None:
    (one, other) = messages.claim(10)
    messages.accepted(other.message_id, "a", "r")
    for _ in range(OVERDUE_ATTEMPTS_MIN - 1):
        messages.retry(one, clock.unix_ms(), "503")
        (one,) = messages.claim(10)
    clock.advance(OVERDUE_S - 1)
    assert stuck(messages, clock) == ()
    clock.advance(1)
    assert stuck(messages, clock) == (Stuck(MARKET, 1, "김관리", "503"),)
    messages.accepted(one.message_id, "a", "r")
    assert stuck(messages, clock) == ()


def test_a_trouble_that_cannot_be_told_makes_no_further_one(
    engine: Engine, messages: Messages, clock: ManualClock, incident_id: int
) -> None:
    assert messages.write(f"{CANARY_KEY}x", MARKET, NewMessage("canary", "x", "010", "x", clock.unix_ms()))
    with transaction(engine) as connection:
        here = update(incidents).where(incidents.c.incident_id == incident_id)
        connection.execute(here.values(kind="undeliverable-messages"))
    for one in messages.claim(10):
        messages.failed(one.message_id, "400")
    assert {one.state for one in messages.newest() if one.due_unix_ms <= clock.unix_ms()} == {"failed"}
    assert stuck(messages, clock) == ()


def test_a_message_of_no_incident_is_found_by_its_key(messages: Messages, clock: ManualClock) -> None:
    assert messages.of_key("k") is None
    messages.write("k", MARKET, NewMessage("canary", "x", "010", "x", clock.unix_ms()))
    found = messages.of_key("k")
    assert found is not None
    assert (found.state, found.recipient, found.incident_id) == ("due", "010", None)
