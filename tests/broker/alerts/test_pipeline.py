"""The stages together, without a broker: bytes in; incidents, dead letters and receipts out."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from broker.alerts.counters import Counters
from broker.alerts.pipeline import Pipeline, Stores
from broker.alerts.policy import Composers
from broker.stores.database import StoreUnavailableError
from broker.stores.dead_letters import DeadLetters
from broker.stores.incident_models import Incident
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages
from broker.stores.presses import Presses
from broker.stores.registry import Registry
from broker.stores.stills import Stills
from broker.stores.told import DeviceTellings
from contract.catalog import topic_for
from contract.delivery import Delivered
from contract.events import Phase, StillEvent
from contract.payload import Payload
from contract.presence import Presence
from contract.topics import Topic
from runtime.clock import ManualClock
from tests.broker.alerts.central import DEVICE, EPOCH, MARKET, NOW_UNIX_MS, enrol, event_id, fire, trouble
from transport.ports import RawMessage

JPEG_BASE64 = "/9j/4AAQ"


@dataclass
class Answers:
    """A publisher that keeps what it was given."""

    sent: list[tuple[Topic, Payload]] = field(default_factory=list)

    def publish(self, topic: Topic, payload: Payload) -> None:
        self.sent.append((topic, payload))

    def confirmed(self) -> list[int]:
        receipts = [payload for _, payload in self.sent if isinstance(payload, Delivered)]
        assert all(one.store == "incidents" for one in receipts)
        return [seq for one in receipts for seq in one.seqs]


@dataclass
class Bench:
    engine: Engine
    clock: ManualClock
    answers: Answers = field(default_factory=Answers)
    counters: Counters = field(default_factory=Counters)
    woken: int = 0
    presence_changes: int = 0

    def __post_init__(self) -> None:
        incidents, letters = Incidents(self.engine, self.clock), DeadLetters(self.engine)
        stores = Stores(Registry(self.engine), incidents, letters, Presses(self.engine), DeviceTellings(self.engine))
        self.pipeline = Pipeline(
            stores,
            self.clock,
            self.counters,
            composers=Composers(self.engine, self.clock),
            publisher=lambda: self.answers,
            dispatch=self._wake,
            presence_changed=self._presence,
            stale_after_s=600.0,
        )

    def _wake(self) -> None:
        self.woken += 1

    def _presence(self) -> None:
        self.presence_changes += 1

    def hear(self, *payloads: Payload, device: str = DEVICE, market: str = MARKET) -> None:
        self.pipeline([raw(one, device, market) for one in payloads])

    def incidents(self) -> Sequence[Incident]:
        return Incidents(self.engine, self.clock).open_and_recent()

    def letters(self) -> list[tuple[str, str]]:
        return [(one.reason_kind, one.reason) for one in DeadLetters(self.engine).newest()]


def raw(payload: Payload, device: str = DEVICE, market: str = MARKET) -> RawMessage:
    return RawMessage(str(topic_for(market, device, type(payload))), payload.to_bytes())


@pytest.fixture
def bench(engine: Engine, clock: ManualClock) -> Bench:
    return Bench(engine, clock)


def test_a_fire_is_stored_confirmed_and_sets_the_dispatcher_going(bench: Bench) -> None:
    event = fire()
    bench.hear(event)
    assert len(bench.incidents()) == 1
    assert bench.answers.confirmed() == [event.seq]
    assert bench.woken == 1
    bench.hear(event)
    assert bench.answers.confirmed() == [event.seq] * 2, "a resend is confirmed again: its receipt may have been lost"
    assert bench.woken == 2, "another service may have been the first to commit it"
    assert bench.counters.all()["duplicates_total"] == 1


def test_a_drill_is_its_own_incident_beside_a_fire_and_counts_as_no_incident(bench: Bench) -> None:
    bench.hear(fire(1).model_copy(update={"drill": True}), fire(2))
    found = {one.severity: (one.kind, one.state) for one in bench.incidents()}
    assert found == {"drill": ("drill", "raised"), "fire": ("fire", "raised")}
    bench.hear(fire(1, Phase.CLEARED, unix_ms=NOW_UNIX_MS + 5_000).model_copy(update={"drill": True}))
    assert {one.severity: one.state for one in bench.incidents()} == {"drill": "cleared", "fire": "raised"}
    counted = bench.counters.all()
    assert (counted["drills_opened_total"], counted["incidents_opened_total"]) == (1, 1)
    heads = sorted(one.text.split()[0] for one in Messages(bench.engine, bench.clock).claim(10))
    assert heads == ["[화재]", "[화재]", "[훈련]", "[훈련]"]


def test_a_watch_tells_nobody_until_it_is_an_alarm(bench: Bench) -> None:
    bench.hear(fire(1).model_copy(update={"level": "watch"}))
    (found,) = bench.incidents()
    assert (found.severity, found.level, found.state) == ("fire", "watch", "raised")
    assert Messages(bench.engine, bench.clock).claim(10) == ()
    assert bench.counters.all()["incidents_without_recipients_total"] == 0
    bench.hear(fire(1, Phase.ONGOING, unix_ms=NOW_UNIX_MS + 2_000))
    assert [one.level for one in bench.incidents()] == ["alarm"]
    assert len(Messages(bench.engine, bench.clock).claim(10)) == 2


def test_nothing_is_confirmed_while_the_store_is_away(bench: Bench) -> None:
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE messages RENAME TO away")
    with pytest.raises(StoreUnavailableError):
        bench.hear(fire(1, seq=1), trouble(2, Phase.RAISED, "bay", "a-01"))
    assert bench.answers.sent == []
    with bench.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO messages")
    assert bench.incidents() == (), "all of the batch or nothing"
    bench.hear(fire(1, seq=1))
    assert bench.answers.confirmed() == [1]


def test_a_fire_from_twenty_minutes_ago_is_told_with_its_true_time(bench: Bench) -> None:
    bench.hear(fire(unix_ms=NOW_UNIX_MS - 1_200_000))
    (incident,) = bench.incidents()
    assert (incident.detail, incident.opened_unix_ms) == ("late", NOW_UNIX_MS - 1_200_000)
    texts = {one.text for one in Messages(bench.engine, bench.clock).claim(10)}
    assert texts == {f"[화재] 중앙시장 B구역 cam-1 화염감지 11/18 19:46 지연 수신 확인코드 {incident.code}"}


@pytest.mark.parametrize("unix_ms", [0, 1_000_000_000_000, NOW_UNIX_MS + 7_200_000])
def test_a_fire_from_a_device_with_a_broken_clock_is_now(bench: Bench, unix_ms: int) -> None:
    bench.hear(fire(unix_ms=unix_ms))
    (incident,) = bench.incidents()
    assert (incident.detail, incident.opened_unix_ms, incident.decided_unix_ms) == ("", NOW_UNIX_MS, NOW_UNIX_MS)


def test_a_fire_from_a_device_that_does_not_know_the_time_is_now_and_its_durations_hold(bench: Bench) -> None:
    since_boot = {"time_unix_ms": 90_000, "first_seen_unix_ms": 84_000, "decided_unix_ms": 88_500, "clock_set": False}
    bench.hear(fire().model_copy(update=since_boot))
    (incident,) = bench.incidents()
    assert (incident.detail, incident.opened_unix_ms) == ("", NOW_UNIX_MS)
    assert (incident.first_seen_unix_ms, incident.decided_unix_ms) == (NOW_UNIX_MS - 6_000, NOW_UNIX_MS - 1_500)


@pytest.mark.parametrize(("first_seen_unix_ms", "expected"), [(NOW_UNIX_MS - 70_000, -70_000), (4 * 10**12, 0)])
def test_a_true_time_in_an_event_without_a_clock_stays_unless_it_is_to_come(
    bench: Bench, first_seen_unix_ms: int, expected: int
) -> None:
    times = {"time_unix_ms": 90_000, "first_seen_unix_ms": first_seen_unix_ms, "clock_set": False}
    bench.hear(fire().model_copy(update=times))
    assert bench.incidents()[0].first_seen_unix_ms == NOW_UNIX_MS + expected


def test_a_receipt_tells_the_time(bench: Bench) -> None:
    bench.hear(fire())
    receipts = [one for _, one in bench.answers.sent if isinstance(one, Delivered)]
    assert [one.time_unix_ms for one in receipts] == [NOW_UNIX_MS]


def test_a_birth_without_a_clock_is_now(bench: Bench) -> None:
    bench.hear(presence("online", 90_000))
    found = next(one for one in Registry(bench.engine).devices(MARKET) if one.device == DEVICE)
    assert (found.state, found.state_unix_ms) == ("online", NOW_UNIX_MS)


def test_a_fire_in_a_zone_that_nobody_enrolled_is_not_refused(bench: Bench) -> None:
    bench.hear(fire(zone="new", camera="new"))
    assert [one.zone for one in bench.incidents()] == ["new"]


def test_troubles_are_one_incident_per_subject(bench: Bench) -> None:
    bench.hear(trouble(1, Phase.RAISED, "bay", "a-01"), trouble(2, Phase.RAISED, "bay", "a-02", detail="no\x00echo"))
    bench.hear(trouble(1, Phase.CLEARED, "bay", "a-01", unix_ms=NOW_UNIX_MS + 1))
    found = {one.kind: (one.state, one.zone, one.detail) for one in bench.incidents()}
    assert found == {
        "bay-a-01": ("cleared", "none", "frozen"),
        "bay-a-02": ("raised", "none", "frozen: no echo"),
    }


def test_a_still_is_kept_with_its_fire(bench: Bench) -> None:
    event = fire(1)
    picture = StillEvent(
        epoch=EPOCH, seq=event.seq + 1000, event_id=event_id(1), time_unix_ms=NOW_UNIX_MS, camera="cam-1", width_px=8,
        height_px=8, jpeg_base64=JPEG_BASE64,
    )  # fmt: skip
    bench.hear(event, picture, picture.model_copy(update={"seq": event.seq + 1001, "jpeg_base64": "AAAA"}))
    still = Stills(bench.engine).get(bench.incidents()[0].incident_id)
    assert still is not None
    assert still.jpeg.startswith(b"\xff\xd8\xff")
    assert [kind for kind, _ in bench.letters()] == ["malformed"]
    assert len(bench.answers.confirmed()) == 3


@pytest.mark.parametrize(
    ("topic", "body", "kind", "confirmed"),
    [
        ("market/v1/jungang/fire-1/event/fire", b"{not json", "malformed", []),
        ("market/v1/jungang/fire-1/event/fire", b'{"epoch":"0123456789abcdef","seq":5}', "malformed", [5]),
        ("market/v1/jungang/fire-1/event/fire", b'{"epoch":"0123456789abcdef","seq":true}', "malformed", []),
        ("market/v1/jungang/fire-1/event/fire", b"[" * 19_000, "malformed", []),
        ("market/v1/jungang/stranger/event/fire", b"{}", "unknown-device", []),
        ("market/v1/elsewhere/fire-1/event/fire", b"{}", "unknown-device", []),
        ("market/v1/jungang/fire-1/event/flood", b"{}", "bad-topic", []),
        ("market/v1/jungang/fire-1/telemetry/bays", b"{}", "malformed", []),
        ("somewhere/else", b"{}", "bad-topic", []),
        ("market/v1/jungang/fire-1/event/fire", b"x" * 20_001, "oversized", []),
    ],
)
def test_what_cannot_be_taken_is_a_dead_letter(
    bench: Bench, topic: str, body: bytes, kind: str, confirmed: list[int]
) -> None:
    bench.pipeline([RawMessage(topic, body), raw(fire(9))])
    assert [found for found, _ in bench.letters()] == [kind]
    assert len(bench.incidents()) == 1, "the fire beside it is taken"
    assert bench.answers.confirmed()[: len(confirmed)] == confirmed
    assert len(bench.answers.confirmed()) == len(confirmed) + 1


def test_a_device_enrolled_a_moment_ago_is_heard(bench: Bench) -> None:
    bench.hear(fire(1), device="fire-9")
    assert [kind for kind, _ in bench.letters()] == ["unknown-device"]
    entry_devices = {one.device for one in Registry(bench.engine).devices()}
    assert "fire-9" not in entry_devices
    enrol(bench.engine)
    bench.clock.advance(5)
    bench.hear(fire(1), device="fire-2")
    assert len(bench.incidents()) == 1


def presence(state: str, unix_ms: int = NOW_UNIX_MS) -> Presence:
    return Presence.model_validate(
        {"state": state, "epoch": EPOCH, "time_unix_ms": unix_ms, "agent_version": "1", "started_unix_ms": unix_ms}
    )


def test_being_offline_counts_from_when_it_was_heard(bench: Bench) -> None:
    registry = Registry(bench.engine)

    def said() -> tuple[str, int | None]:
        found = next(one for one in registry.devices(MARKET) if one.device == DEVICE)
        return found.state, found.state_unix_ms

    bench.hear(presence("online"))
    assert said() == ("online", NOW_UNIX_MS)
    bench.clock.advance(3600)
    bench.hear(presence("offline"))  # the last will carries the time of the connecting
    assert said() == ("offline", NOW_UNIX_MS + 3_600_000)
    bench.clock.advance(60)
    bench.hear(presence("offline"))  # retained: heard again, nothing new
    assert said() == ("offline", NOW_UNIX_MS + 3_600_000)
    assert bench.presence_changes == 3


topics = st.one_of(st.text(max_size=80), st.sampled_from(["market/v1/jungang/fire-1/event/fire"]))
bodies = st.one_of(st.binary(max_size=200), st.builds(lambda keep: fire(1).to_bytes()[:keep], st.integers(0, 400)))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(topics, bodies)
def test_no_message_stops_the_pipeline(bench: Bench, topic: str, body: bytes) -> None:
    before = len(bench.letters()), len(bench.incidents())
    bench.pipeline([RawMessage(topic, body)])
    after = len(bench.letters()), len(bench.incidents())
    assert sum(after) >= sum(before)
