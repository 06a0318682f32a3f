"""The quick way from batch to samples equals the port's own."""

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.ingest.samples import of_batch
from broker.series.ports import sample_of
from contract.catalog import channel_for
from contract.telemetry import (
    AgentReading,
    AnyBatch,
    AnyReading,
    BayReading,
    BayState,
    CameraReading,
    GateReading,
    PeopleReading,
    Reason,
    ScreenReading,
    SirenReading,
)

EPOCH = "0123456789abcdef"
T = 1_767_225_600_000
READINGS: dict[str, tuple[AnyReading, ...]] = {
    "bays": (
        BayReading(time_unix_ms=T, bay="a", state=BayState.FREE, confidence=1.0, since_unix_ms=T),
        BayReading(time_unix_ms=T, bay="b", state=BayState.OCCUPIED, confidence=0.5, distance_mm=3.5, since_unix_ms=T),
        BayReading(
            time_unix_ms=T, bay="c", state=BayState.UNKNOWN, reason=Reason.FROZEN, confidence=0.0, since_unix_ms=T
        ),
        BayReading(time_unix_ms=T, bay="d", state=BayState.CLOSED, confidence=1.0, since_unix_ms=T, detail="공사"),
    ),
    "gates": (GateReading(time_unix_ms=T, gate="g", lot="l", state="live", in_count=3, out_count=2),),
    "people": (
        PeopleReading(time_unix_ms=T, counter="p", state="unknown", reason=Reason.DEAD, in_count=0, out_count=0),
    ),
    "cameras": (CameraReading(time_unix_ms=T, camera="c", state="live", fire_score=0.2, frame_age_s=0.1),),
    "screens": (ScreenReading(time_unix_ms=T, screen="s", state="live", showing="notice", item="i", since_unix_ms=T),),
    "sirens": (SirenReading(time_unix_ms=T, siren="s", state="live", sounding=True, since_unix_ms=T),),
    "agents": (
        AgentReading(
            time_unix_ms=T,
            agent="pi",
            uptime_s=2.5,
            rss_bytes=9,
            cpu_share=0.5,
            outbox_rows=1,
            outbox_bytes=2,
            outbox_dropped_count=0,
        ),
    ),
}
BATCHES = {channel_for(model).name: model for model in get_args(AnyBatch)}


@pytest.mark.parametrize("kind", sorted(BATCHES))
def test_each_kind_of_reading_is_the_sample_that_the_port_makes_of_it(kind: str) -> None:
    readings = READINGS[kind]
    batch = BATCHES[kind](epoch=EPOCH, seq=1, readings=readings)
    for reading, found in zip(readings, of_batch(kind, batch), strict=True):
        expected = sample_of("m", "d", kind, reading)
        assert (found.kind, found.subject) == (kind, expected.series.subject)
        assert (found.time_unix_ms, found.fields) == (expected.time_unix_ms, expected.fields)


def test_an_unknown_bay_is_neither_occupied_nor_free() -> None:
    batch = BATCHES["bays"](epoch=EPOCH, seq=1, readings=READINGS["bays"])
    shares = [(one.fields["known"], one.fields.get("occupied")) for one in of_batch("bays", batch)]
    assert shares == [(1, 0), (1, 1), (0, None), (1, None)]


COUNTS = st.integers(0, 2**53)
GATES = st.builds(
    GateReading,
    time_unix_ms=st.integers(0, 4_000_000_000_000),
    gate=st.from_regex(r"[a-z0-9][a-z0-9-]{0,5}", fullmatch=True),
    lot=st.just("l"),
    state=st.just("live"),
    in_count=COUNTS,
    out_count=COUNTS,
    reason=st.none(),
    detail=st.none() | st.text(max_size=20),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(GATES, min_size=1, max_size=5))
def test_any_gate_readings(readings: list[GateReading]) -> None:
    batch = BATCHES["gates"](epoch=EPOCH, seq=1, readings=tuple(readings))
    expected = [sample_of("m", "d", "gates", reading).fields for reading in readings]
    assert [one.fields for one in of_batch("gates", batch)] == expected
