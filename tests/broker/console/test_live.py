"""The live state: forward in time only, and never a word that is not true now."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.console.live import READING_OF_KIND, Heard, LiveState, judge, reading_of
from broker.series.freshness import STALE_AFTER_S
from broker.series.ports import Sample, Series, sample_of
from contract.access import DeviceIdentity
from contract.delivery import CommandReply
from contract.events import FireEvent, Phase
from contract.presence import Presence
from contract.telemetry import BayReading, BayState, GateReading, Reason
from tests.broker.console.conftest import NOW, bay

A_01 = Series("jungang", "parking-1", "bays", "a-01")
ALLEY = DeviceIdentity("jungang", "alley-1")
TIMES = st.integers(NOW - 10_000_000, NOW)


def newest(live: LiveState) -> Heard:
    heard = live.heard(A_01)
    assert heard is not None
    return heard


@given(st.lists(TIMES, min_size=1, max_size=30))
def test_an_older_reading_never_overwrites_a_newer_one(times: list[int]) -> None:
    live, best = LiveState(), 0
    for time in times:
        live.hear(A_01, bay("a-01", BayState.FREE, time), NOW)
        best = max(best, time)
        assert newest(live).reading.time_unix_ms == best


@given(st.lists(TIMES, min_size=1, max_size=10), st.randoms())
def test_the_order_of_arrival_does_not_matter(times: list[int], rng: object) -> None:
    shuffled = sorted(times, key=lambda _: rng.random())  # type: ignore[attr-defined]  # hypothesis hands over a Random
    first, second = LiveState(), LiveState()
    for live, order in ((first, times), (second, shuffled)):
        for time in order:
            live.hear(A_01, bay("a-01", BayState.FREE, time), NOW)
    assert newest(first).reading == newest(second).reading


def test_a_reading_from_the_future_counts_from_its_arrival_and_can_be_followed() -> None:
    live = LiveState()
    live.hear(A_01, bay("a-01", BayState.FREE, NOW + 3_600_000), NOW)
    assert newest(live).age_s(NOW + 61_000) == 61.0
    assert live.hear(A_01, bay("a-01", BayState.OCCUPIED, NOW + 1000), NOW + 1000)
    assert newest(live).reading == bay("a-01", BayState.OCCUPIED, NOW + 1000)


@pytest.mark.parametrize(
    ("ahead_ms", "waited_ms", "reason"),
    [
        (5_000, 0, None),
        (5_001, 0, Reason.IMPOSSIBLE),
        (3_600_000, 0, Reason.IMPOSSIBLE),
        (3_600_000, 60_000, Reason.IMPOSSIBLE),
        (6_000, 8_000, Reason.IMPOSSIBLE),
        (6_000, 26_000, Reason.STALE),
        (3_600_000, 3_600_000, Reason.STALE),
    ],
)
def test_what_comes_from_the_future_says_nothing_of_now(ahead_ms: int, waited_ms: int, reason: Reason | None) -> None:
    live = LiveState()
    live.hear(A_01, bay("a-01", BayState.FREE, NOW + ahead_ms), NOW)
    judged = judge(newest(live), offline=False, now_unix_ms=NOW + waited_ms, stale_after_s=25.0)
    assert judged.reason is reason


def test_every_kind_has_its_time_and_cameras_the_shortest() -> None:
    assert set(STALE_AFTER_S) == set(READING_OF_KIND)
    assert min(STALE_AFTER_S, key=lambda kind: STALE_AFTER_S[kind]) == "cameras"


def presence(state: str, time_unix_ms: int, started_unix_ms: int = NOW - 100_000) -> Presence:
    said = {"state": state, "epoch": "0" * 16, "agent_version": "0.1.0", "started_unix_ms": started_unix_ms}
    return Presence.model_validate({**said, "time_unix_ms": time_unix_ms})


PARKING = DeviceIdentity("jungang", "parking-1")


def reason_now(live: LiveState, now_unix_ms: int) -> Reason | None:
    state = live.device(PARKING)
    offline = state.presence is not None and state.presence.state == "offline"
    return judge(newest(live), offline=offline, now_unix_ms=now_unix_ms, stale_after_s=25.0, birth=state.birth).reason


def test_a_device_that_is_back_makes_no_old_reading_fresh() -> None:
    live = LiveState()
    live.note_presence(PARKING, presence("online", NOW - 100_000))
    live.hear(A_01, bay("a-01", BayState.FREE, NOW), NOW)
    assert reason_now(live, NOW) is None
    live.note_presence(PARKING, presence("offline", NOW - 100_000))
    assert reason_now(live, NOW + 1000) is Reason.DEVICE_OFFLINE
    live.note_presence(PARKING, presence("online", NOW + 3000, started_unix_ms=NOW + 2000))
    assert reason_now(live, NOW + 3000) is Reason.STALE
    live.hear(A_01, bay("a-01", BayState.OCCUPIED, NOW + 1500), NOW + 3100)  # what the dead run left in its outbox
    assert reason_now(live, NOW + 3100) is Reason.STALE
    live.hear(A_01, bay("a-01", BayState.FREE, NOW + 2500), NOW + 3200)
    assert reason_now(live, NOW + 3200) is None


def test_what_was_read_while_only_the_link_was_away_counts_when_it_comes() -> None:
    live = LiveState()
    live.hear(A_01, bay("a-01", BayState.FREE, NOW), NOW)
    live.note_presence(PARKING, presence("online", NOW + 9000))
    assert reason_now(live, NOW + 9000) is Reason.STALE
    live.hear(A_01, bay("a-01", BayState.FREE, NOW + 8000), NOW + 9100)
    assert reason_now(live, NOW + 9100) is None


def test_the_word_that_the_broker_keeps_is_no_new_birth_and_a_reading_may_overtake_it() -> None:
    live = LiveState()
    live.hear(A_01, bay("a-01", BayState.FREE, NOW), NOW)
    for _ in range(2):
        live.note_presence(PARKING, presence("online", NOW - 50))
        assert reason_now(live, NOW) is None


def test_a_start_by_a_clock_that_ran_ahead_holds_nothing_back() -> None:
    live = LiveState()
    live.note_presence(PARKING, presence("online", NOW + 3_600_000, started_unix_ms=NOW + 3_600_000))
    live.hear(A_01, bay("a-01", BayState.FREE, NOW), NOW)
    assert reason_now(live, NOW) is None


def test_a_birth_before_the_clock_was_set_makes_no_old_reading_fresh() -> None:
    live = LiveState()
    live.hear(A_01, bay("a-01", BayState.FREE, NOW), NOW)
    live.note_presence(PARKING, presence("online", 9_000, started_unix_ms=8_000))
    assert reason_now(live, NOW) is Reason.STALE
    live.hear(A_01, bay("a-01", BayState.OCCUPIED, NOW + 500), NOW + 600)
    assert reason_now(live, NOW + 600) is None


@given(
    st.one_of(st.none(), TIMES),
    st.booleans(),
    st.integers(0, 200_000),
    st.sampled_from([None, Reason.NO_ECHO, Reason.FROZEN]),
)
def test_a_value_is_trusted_only_when_heard_fresh_online_and_whole(
    time: int | None, offline: bool, waited_ms: int, own: Reason | None
) -> None:
    reading = None if time is None else bay("a-01", BayState.UNKNOWN if own else BayState.FREE, time, own)
    heard = None if reading is None else Heard(reading, reading.time_unix_ms)
    now = NOW + waited_ms
    judged = judge(heard, offline=offline, now_unix_ms=now, stale_after_s=60.0)
    trusted = time is not None and not offline and now - time <= 60_000 and own is None
    assert (judged.reason is None) == trusted
    if time is None:
        assert (judged.reason, judged.age_s) == (Reason.NEVER_REPORTED, None)
    elif offline:
        assert judged.reason is Reason.DEVICE_OFFLINE
    elif now - time > 60_000:
        assert judged.reason is Reason.STALE
    else:
        assert judged.reason is own


@given(st.sampled_from(list(BayState)), st.floats(0, 1), st.one_of(st.none(), st.floats(0, 20_000)), TIMES)
def test_a_stored_sample_becomes_the_reading_that_it_was(
    state: BayState, confidence: float, distance_mm: float | None, time: int
) -> None:
    reason = Reason.NO_ECHO if state is BayState.UNKNOWN else None
    reading = BayReading(
        time_unix_ms=time,
        bay="a-01",
        state=state,
        reason=reason,
        confidence=confidence,
        distance_mm=distance_mm,
        since_unix_ms=time,
    )
    assert reading_of(sample_of("jungang", "parking-1", "bays", reading)) == reading


def test_a_store_that_keeps_counts_as_floats_is_read() -> None:
    gate = GateReading(time_unix_ms=NOW, gate="g", lot="main", state="live", in_count=3, out_count=4)
    sample = sample_of("jungang", "parking-1", "gates", gate)
    floats = {name: float(value) if isinstance(value, int) else value for name, value in sample.fields.items()}
    assert reading_of(Sample(sample.series, NOW, floats)) == gate


def test_seeding_passes_over_events_and_counts_what_cannot_be_read() -> None:
    live = LiveState()
    samples = [
        sample_of("jungang", "parking-1", "bays", bay("a-01", BayState.FREE, NOW)),
        Sample(Series("jungang", "parking-1", "bays", "a-02"), NOW, {"state": "empty"}),
        Sample(Series("jungang", "alley-1", "fires", "cam-1"), NOW, {"score": 0.9}),
    ]
    assert live.seed(samples, NOW) == 1
    assert newest(live).reading.subject == "a-01"


def fire(seq: int, phase: Phase) -> FireEvent:
    return FireEvent(
        epoch="0" * 16,
        seq=seq,
        event_id="a" * 32,
        time_unix_ms=NOW,
        phase=phase,
        zone="b",
        camera="cam-1",
        score=0.9,
        first_seen_unix_ms=NOW,
        decided_unix_ms=NOW,
    )


def test_a_fire_burns_until_it_is_cleared_or_long_unheard() -> None:
    live = LiveState()
    live.note_fire(ALLEY, fire(1, Phase.RAISED), NOW)
    assert [one.event.camera for one in live.fires("jungang", NOW)] == ["cam-1"]
    assert live.fires("seomun", NOW) == ()
    assert live.fires("jungang", NOW + 601_000) == ()
    live.note_fire(ALLEY, fire(2, Phase.CLEARED), NOW)
    assert live.fires("jungang", NOW) == ()


def test_a_watch_is_no_fire() -> None:
    live = LiveState()
    live.note_fire(ALLEY, fire(1, Phase.RAISED).model_copy(update={"level": "watch"}), NOW)
    assert live.fires("jungang", NOW) == ()
    live.note_fire(ALLEY, fire(2, Phase.ONGOING), NOW)
    assert len(live.fires("jungang", NOW)) == 1
    live.note_fire(ALLEY, fire(3, Phase.CLEARED).model_copy(update={"level": "watch"}), NOW)
    assert live.fires("jungang", NOW) == ()


def test_a_late_word_of_a_fire_does_not_replace_a_newer_one() -> None:
    live = LiveState()
    live.note_fire(ALLEY, fire(3, Phase.ONGOING), NOW)
    live.note_fire(ALLEY, fire(2, Phase.CLEARED), NOW)
    assert len(live.fires("jungang", NOW)) == 1


def test_replies_are_bounded() -> None:
    live = LiveState()
    for number in range(300):
        live.note_reply(CommandReply(command_id=f"{number:032x}", outcome="done", time_unix_ms=NOW))
    assert live.reply(f"{0:032x}") is None
    assert live.reply(f"{299:032x}") is not None
