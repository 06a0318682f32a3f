"""Decoding: what is taken, what is refused and why, and that no bytes can stop it."""

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from broker.ingest.known import REFRESH_S, KnownSeries
from broker.ingest.refusal import RefusalKind
from broker.ingest.stages.decode import CLOCK_AHEAD_MS_MAX, LATE_MS, SUBJECTS_KEPT_MS, Decode
from broker.ingest.work import Work
from broker.series.checks import complaint
from broker.series.freshness import ROLLUP_STEP_MS
from broker.stores.registry import Registry
from contract.access import DeviceIdentity
from contract.catalog import CATALOG, Role
from contract.events import FireEvent, FireReason, FireSign, Phase, TroubleEvent
from contract.ids import CLOCK_FLOOR_UNIX_MS, UNIX_MS_MAX
from contract.telemetry import AgentBatch, AgentReading, GapBatch, GapCause, GapReading, Reason
from runtime.clock import ManualClock
from tests.broker.ingest.conftest import BAYS, EPOCH, MARKET, WorkOf, bay_batch
from transport.ports import RawMessage

PI_1 = DeviceIdentity("jungang", "pi-1")
FIRE = "market/v1/jungang/pi-1/event/fire"
TROUBLE = "market/v1/jungang/pi-1/event/trouble"


@pytest.fixture
def decode(known: KnownSeries) -> Decode:
    return Decode(known)


def fire(time_unix_ms: int, camera: str = "cam-1") -> FireEvent:
    return FireEvent(
        epoch=EPOCH,
        seq=4,
        event_id="a" * 32,
        time_unix_ms=time_unix_ms,
        phase=Phase.RAISED,
        zone="b",
        camera=camera,
        score=0.9,
        first_seen_unix_ms=time_unix_ms - 900,
        decided_unix_ms=time_unix_ms,
    )


def trouble(time_unix_ms: int, subject: str) -> TroubleEvent:
    return TroubleEvent(
        epoch=EPOCH,
        seq=5,
        event_id="b" * 32,
        time_unix_ms=time_unix_ms,
        phase=Phase.RAISED,
        kind="bays",
        subject=subject,
        reason=Reason.NO_ECHO,
    )


def test_a_batch_becomes_samples_and_a_receipt(decode: Decode, work_of: WorkOf, clock: ManualClock) -> None:
    now = clock.unix_ms()
    work = work_of((BAYS, bay_batch(now, "bay-1", "bay-2", seq=7).to_bytes()))
    decode(work)
    assert work.letters == []
    assert [(one.series.subject, one.time_unix_ms) for one in work.samples] == [("bay-1", now), ("bay-2", now + 1)]
    assert work.samples[0].fields == {
        "state": "occupied",
        "confidence": 0.75,
        "distance_mm": 321.5,
        "since_unix_ms": now,
        "known": 1,
        "occupied": 1,
    }
    assert work.receipts == {(PI_1, EPOCH): [7]}
    assert work.origins == [0, 0]
    assert work.newest_live_unix_ms == now + 1


def test_a_replayed_batch_is_stored_but_is_not_live(decode: Decode, work_of: WorkOf, clock: ManualClock) -> None:
    work = work_of((BAYS, bay_batch(clock.unix_ms(), "bay-1", replayed=True).to_bytes()))
    decode(work)
    assert len(work.samples) == 1
    assert work.newest_live_unix_ms is None


def test_a_fire_is_a_sample_under_its_camera_without_a_receipt(
    decode: Decode, work_of: WorkOf, clock: ManualClock
) -> None:
    work = work_of((FIRE, fire(clock.unix_ms()).to_bytes()))
    decode(work)
    (sample,) = work.samples
    assert (sample.series.kind, sample.series.subject) == ("fires", "cam-1")
    assert sample.fields["phase"] == "raised"
    assert "seq" not in sample.fields
    assert work.receipts == {}
    assert work.numbers == [((PI_1, EPOCH), 4)]


def test_a_drill_is_of_a_kind_of_its_own_and_its_lists_are_no_fields(
    decode: Decode, work_of: WorkOf, clock: ManualClock
) -> None:
    reasons = (FireReason(sign=FireSign.FLICKERS, strength=0.7),)
    drill = fire(clock.unix_ms()).model_copy(update={"drill": True, "reasons": reasons, "scores": (0.1, 0.9)})
    real = fire(clock.unix_ms()).model_copy(update={"seq": 5, "reasons": reasons, "scores": (0.1, 0.9)})
    work = work_of((FIRE, drill.to_bytes()), (FIRE, real.to_bytes()))
    decode(work)
    assert [(one.series.kind, one.fields["drill"]) for one in work.samples] == [("drills", True), ("fires", False)]
    assert all(complaint(one) is None for one in work.samples), "a store takes it"


def test_a_watch_is_of_a_kind_of_its_own(decode: Decode, work_of: WorkOf, clock: ManualClock) -> None:
    work = work_of((FIRE, fire(clock.unix_ms()).model_copy(update={"level": "watch"}).to_bytes()))
    decode(work)
    assert [one.series.kind for one in work.samples] == ["watches"]
    assert not {"level"} & set(work.samples[0].fields)


@pytest.mark.parametrize("subject", ["bay-1", "cam-1", "pi-1"])
def test_a_trouble_is_a_sample_under_any_subject_of_the_device(
    decode: Decode, work_of: WorkOf, clock: ManualClock, subject: str
) -> None:
    work = work_of((TROUBLE, trouble(clock.unix_ms(), subject).to_bytes()))
    decode(work)
    (sample,) = work.samples
    assert (sample.series.kind, sample.series.subject, sample.fields["kind"]) == ("troubles", subject, "bays")


def test_a_device_is_a_subject_of_its_own_agent_readings(decode: Decode, work_of: WorkOf, clock: ManualClock) -> None:
    reading = AgentReading(
        time_unix_ms=clock.unix_ms(),
        agent="pi-1",
        uptime_s=1.0,
        rss_bytes=1,
        cpu_share=0.1,
        outbox_rows=0,
        outbox_bytes=0,
        outbox_dropped_count=0,
    )
    topic = "market/v1/jungang/pi-1/telemetry/agents"
    work = work_of((topic, AgentBatch(epoch=EPOCH, seq=1, readings=(reading,)).to_bytes()))
    decode(work)
    assert [one.series.subject for one in work.samples] == ["pi-1"]


def test_a_gap_record_is_a_sample_of_its_device(decode: Decode, work_of: WorkOf, clock: ManualClock) -> None:
    reading = GapReading(
        time_unix_ms=clock.unix_ms(),
        device="pi-1",
        gap_epoch=EPOCH,
        first_seq=3,
        last_seq=9,
        from_unix_ms=clock.unix_ms() - 5000,
        until_unix_ms=clock.unix_ms(),
        batches_count=7,
        readings_count=140,
        cause=GapCause.OUTBOX_FULL,
    )
    topic = "market/v1/jungang/pi-1/telemetry/gaps"
    work = work_of((topic, GapBatch(epoch=EPOCH, seq=10, readings=(reading,)).to_bytes()))
    decode(work)
    (sample,) = work.samples
    assert (sample.series.kind, sample.series.subject) == ("gaps", "pi-1")
    assert (sample.fields["cause"], sample.fields["last_seq"]) == ("outbox-full", 9)
    assert work.receipts == {(PI_1, EPOCH): [10]}


def unset(event: FireEvent, uptime_ms: int) -> bytes:
    times = {"time_unix_ms": uptime_ms, "first_seen_unix_ms": uptime_ms - 900, "decided_unix_ms": uptime_ms - 10}
    return event.model_copy(update={"clock_set": False, **times}).to_bytes()


def test_an_event_from_before_the_clock_was_set_has_the_time_of_its_arrival(
    decode: Decode, work_of: WorkOf, clock: ManualClock
) -> None:
    now, body = clock.unix_ms(), unset(fire(clock.unix_ms()), 60_000)
    work = work_of((FIRE, body))
    decode(work)
    (sample,) = work.samples
    assert sample.time_unix_ms == now
    fields = sample.fields
    assert (fields["first_seen_unix_ms"], fields["decided_unix_ms"]) == (now - 900, now - 10)
    clock.advance(30)
    again = work_of((FIRE, body))
    decode(again)
    assert again.samples == work.samples, "tried again, or sent again: it overwrites itself"


def test_an_event_with_an_unset_clock_and_impossible_times_is_taken(
    decode: Decode, work_of: WorkOf, clock: ManualClock
) -> None:
    work = work_of((FIRE, unset(fire(clock.unix_ms()), UNIX_MS_MAX)))
    decode(work)
    assert [sample.time_unix_ms for sample in work.samples] == [clock.unix_ms()]


@pytest.mark.parametrize(
    ("ago_ms", "replayed", "is_late"),
    [
        (0, False, False),
        (LATE_MS, False, False),
        (LATE_MS + 1, False, True),
        (LATE_MS + 1, True, True),
        (0, True, True),
    ],
)
@pytest.mark.parametrize("bay", ["bay-1", "ghost"], ids=["the quick way", "one reading refused"])
def test_late_and_replayed_readings_name_their_window(
    decode: Decode, work_of: WorkOf, clock: ManualClock, ago_ms: int, replayed: bool, is_late: bool, bay: str
) -> None:
    clock.advance((ROLLUP_STEP_MS - clock.unix_ms() % ROLLUP_STEP_MS + 100) / 1000)  # just behind a window's beginning
    made = clock.unix_ms() - ago_ms
    work = work_of((BAYS, bay_batch(made, "bay-2", bay, replayed=replayed).to_bytes()))
    decode(work)
    assert work.late_windows == ({("jungang", made - made % ROLLUP_STEP_MS)} if is_late else set())
    assert len(work.letters) == (bay == "ghost")


def test_a_subject_that_left_the_registry_is_refused_soon(
    decode: Decode, work_of: WorkOf, clock: ManualClock, engine: Engine
) -> None:
    def letters() -> int:
        work = work_of((BAYS, bay_batch(clock.unix_ms(), "bay-1").to_bytes()))
        decode(work)
        return len(work.letters)

    assert letters() == 0
    kept = tuple(one for one in MARKET.subjects if one.subject != "bay-1")
    Registry(engine).enrol(replace(MARKET, subjects=kept))
    clock.advance((REFRESH_S + SUBJECTS_KEPT_MS / 1000) + 1)
    assert letters() == 1


NOW = ManualClock().unix_ms()
GOOD = bay_batch(NOW, "bay-1").to_bytes()
REFUSED = [
    ("market/v1/jungang/pi-1/telemetry/bays/extra", GOOD, RefusalKind.BAD_TOPIC, "is not market/v1/"),
    ("market/v1/Jungang/pi-1/telemetry/bays", GOOD, RefusalKind.BAD_TOPIC, "is not an id"),
    ("", GOOD, RefusalKind.BAD_TOPIC, "is not market/v1/"),
    ("market/v1/jungang/pi-1/telemetry/weather", GOOD, RefusalKind.BAD_TOPIC, "not in the catalogue"),
    ("market/v1/jungang/pi-1/desired/signage", GOOD, RefusalKind.BAD_TOPIC, "not for ingest"),
    ("market/v1/jungang/pi-9/telemetry/bays", GOOD, RefusalKind.UNKNOWN_DEVICE, "'pi-9' of market 'jungang'"),
    ("market/v1/nambu/pi-1/telemetry/bays", GOOD, RefusalKind.UNKNOWN_DEVICE, "of market 'nambu'"),
    ("market/v1/jungang/pi-2/telemetry/bays", GOOD, RefusalKind.UNKNOWN_SUBJECT, "no bays subject 'bay-1'"),
    (BAYS, b"", RefusalKind.MALFORMED, "Invalid JSON"),
    (BAYS, b"\xff\xfe", RefusalKind.MALFORMED, "Invalid JSON"),
    (BAYS, b"[" * 100_000, RefusalKind.MALFORMED, "JSON"),
    (BAYS, b'{"a":' * 50_000, RefusalKind.MALFORMED, "JSON"),
    (BAYS, b"null", RefusalKind.MALFORMED, "BayBatch: body"),
    (BAYS, GOOD.replace(b'"seq":1', b'"seq":"1"'), RefusalKind.MALFORMED, "BayBatch: seq"),
    (BAYS, GOOD.replace(b"0.75", b"1.75"), RefusalKind.MALFORMED, "readings.0.confidence"),
    (BAYS, GOOD.replace(b'"occupied"', b'"full"'), RefusalKind.MALFORMED, "readings.0.state"),
    (BAYS, GOOD + b" " * 262_144, RefusalKind.OVERSIZED, "262144 bytes of telemetry/bays"),
    (FIRE, b"x" * 20_001, RefusalKind.OVERSIZED, "20000 bytes of event/fire"),
    (BAYS, bay_batch(NOW + CLOCK_AHEAD_MS_MAX + 1, "bay-1").to_bytes(), RefusalKind.CLOCK, "5.0 min ahead"),
    (BAYS, bay_batch(CLOCK_FLOOR_UNIX_MS - 1, "bay-1").to_bytes(), RefusalKind.CLOCK, "before 2025"),
]


@pytest.mark.parametrize(("topic", "body"), [(FIRE, fire(NOW, "cam-9")), (TROUBLE, trouble(NOW, "fire-link-peers"))])
def test_an_event_about_something_unregistered_is_kept_under_its_device(
    decode: Decode, work_of: WorkOf, topic: str, body: FireEvent | TroubleEvent
) -> None:
    work = work_of((topic, body.to_bytes()))
    decode(work)
    assert work.letters == []
    assert [sample.series.subject for sample in work.samples] == ["pi-1"]
    told = body.camera if isinstance(body, FireEvent) else body.subject
    assert [sample.fields["reported_subject"] for sample in work.samples] == [told]


@pytest.mark.parametrize(("topic", "body", "kind", "words"), REFUSED)
def test_what_is_refused_has_its_kind_and_reason(
    decode: Decode, work_of: WorkOf, topic: str, body: bytes, kind: RefusalKind, words: str
) -> None:
    work = work_of((BAYS, GOOD), (topic, body), (BAYS, GOOD))
    decode(work)
    (letter,) = work.letters
    assert letter.reason_kind == kind.value
    assert words in letter.reason
    assert (letter.part, letter.topic) == ("ingest", topic)
    assert len(work.samples) == 2, "the messages around it are taken"


def test_a_reading_just_within_a_day_ahead_is_taken(decode: Decode, work_of: WorkOf, clock: ManualClock) -> None:
    work = work_of((BAYS, bay_batch(clock.unix_ms() + CLOCK_AHEAD_MS_MAX, "bay-1").to_bytes()))
    decode(work)
    assert len(work.samples) == 1


def test_only_the_unknown_reading_of_a_batch_is_refused(decode: Decode, work_of: WorkOf, clock: ManualClock) -> None:
    work = work_of((BAYS, bay_batch(clock.unix_ms(), "bay-1", "ghost", "bay-2").to_bytes()))
    decode(work)
    assert [one.series.subject for one in work.samples] == ["bay-1", "bay-2"]
    (letter,) = work.letters
    assert json.loads(letter.body)["subject"] == "ghost"
    assert work.receipts == {(PI_1, EPOCH): [1]}, "stored or in the dead letter: the device may forget it"


@pytest.mark.parametrize(
    "body",
    [
        b'{"epoch":"0123456789abcdef","seq":12,"readings":[]}',
        b'{"epoch":"0123456789abcdef","seq":12,"replayed":false,"readings":[{"time_',
        b' { "epoch" : "0123456789abcdef" , "seq" : 12 , \xff\xff\xff',
        b'{"readings":"none","seq":12,"epoch":"0123456789abcdef"}',
        b'{"epoch":"0123456789abcdef","seq":12,"readings":[' + b" " * 300_000,
    ],
)
def test_a_hopeless_batch_with_readable_numbers_is_receipted(decode: Decode, work_of: WorkOf, body: bytes) -> None:
    work = work_of((BAYS, body))
    decode(work)
    assert len(work.letters) == 1
    assert work.receipts == {(PI_1, EPOCH): [12]}


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        (BAYS, b'{"epoch":"XYZ","seq":12,"readings":[]}'),
        (BAYS, b'{"epoch":"0123456789abcdef","seq":0,"readings":[]}'),
        (BAYS, b'{"epoch":"0123456789abcdef","seq":99999999999999999999,"readings":[]}'),
        ("market/v1/jungang/pi-9/telemetry/bays", GOOD),
        (FIRE, b'{"epoch":"0123456789abcdef","seq":12,"phase":"raised"}'),
    ],
)
def test_no_receipt_without_numbers_for_strangers_or_for_events(
    decode: Decode, work_of: WorkOf, topic: str, body: bytes
) -> None:
    work = work_of((topic, body))
    decode(work)
    assert len(work.letters) == 1
    assert work.receipts == {}


def test_ingest_decodes_every_channel_that_it_subscribes_to() -> None:
    wanted = {row.path for row in CATALOG if Role.INGEST in row.readers}
    kinds = ("bays", "gates", "people", "cameras", "screens", "sirens", "agents", "gaps")
    assert wanted == {*(f"telemetry/{kind}" for kind in kinds), "event/fire", "event/trouble"}


OURS = st.sampled_from([BAYS, FIRE, TROUBLE, "market/v1/jungang/pi-1/telemetry/agents"])
TOPICS = OURS | st.text(max_size=80) | st.just("market/v1/\0/\ud800/telemetry/bays")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["epoch", "seq", "readings", "time_unix_ms", "bay", "state"]), inner, max_size=6
        )
    ),
    max_leaves=20,
)
BODIES = st.one_of(
    st.binary(max_size=400),
    JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")),
    st.tuples(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=3)).map(
        lambda cut: GOOD[: cut[0]] + cut[1] + GOOD[cut[0] + len(cut[1]) :]
    ),
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(topic=TOPICS, body=BODIES)
def test_no_message_raises_and_each_is_taken_or_refused(known: KnownSeries, topic: str, body: bytes) -> None:
    work = Work([RawMessage(topic, body)], NOW)
    Decode(known)(work)
    assert work.samples or work.letters
    assert len(work.letters) == len(work.refusals)
    for letter in work.letters:
        for text in (letter.reason, letter.topic):
            text.encode()
            assert "\0" not in text
