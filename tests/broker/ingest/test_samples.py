"""The quick ways from batch to samples equal the port's own, and take nothing that the contract refuses."""

import json
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import model_validator

from broker.ingest.samples import BatchForm, batch_forms, of_batch
from broker.series.checks import FieldType, type_of
from broker.series.checks import complaint as complaint_of
from broker.series.dict_form import NoDictFormError
from broker.series.influx_lines import lines_of
from broker.series.ports import Sample, Series, sample_of
from broker.series.shapes import ShapedFields
from contract.catalog import CATALOG, channel_for
from contract.payload import BadPayloadError, Payload
from contract.telemetry import (
    AgentReading,
    AnyBatch,
    AnyReading,
    Batch,
    BayBatch,
    BayReading,
    BayState,
    CameraReading,
    GapCause,
    GapReading,
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
    "cameras": (
        CameraReading(time_unix_ms=T, camera="c", state="live", fire_score=0.2, frame_age_s=0.1),
        CameraReading(time_unix_ms=T, camera="c", state="live", fire_score=0.9, drill="confirmed"),
    ),
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
            outbox_oldest_age_s=1.5,
            clock_source="rtc",
            clock_skew_ms=-3.25,
        ),
    ),
    "gaps": (
        GapReading(
            time_unix_ms=T,
            device="pi",
            gap_epoch=EPOCH,
            first_seq=1,
            last_seq=2,
            from_unix_ms=T,
            until_unix_ms=T,
            batches_count=2,
            readings_count=9,
            cause=GapCause.DISK_FULL,
        ),
        GapReading(
            time_unix_ms=T,
            device="pi",
            gap_epoch=EPOCH,
            from_unix_ms=T,
            until_unix_ms=T,
            batches_count=0,
            readings_count=9,
            cause=GapCause.MEMORY_FULL,
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


FORMS = batch_forms()


def quick(kind: str, body: bytes) -> list[Sample] | None:
    """What the quick way makes of a body; every subject has a series."""
    batch = FORMS[kind].read(body)
    return None if batch is None else FORMS[kind].samples(batch["readings"], lambda one: Series("m", "d", kind, one))


def exactly(fields: object) -> str:
    """Values with their types: 1, 1.0 and True differ."""
    assert isinstance(fields, dict | ShapedFields)
    return repr(sorted(fields.items()))


def test_every_kind_has_a_quick_way() -> None:
    assert set(FORMS) == {row.name for row in CATALOG if row.channel == "telemetry"}


@pytest.mark.parametrize("kind", sorted(BATCHES))
def test_the_quick_way_makes_the_samples_that_the_port_makes(kind: str) -> None:
    readings = READINGS[kind]
    made = quick(kind, BATCHES[kind](epoch=EPOCH, seq=1, readings=readings).to_bytes())
    assert made is not None
    for reading, found in zip(readings, made, strict=True):
        expected = sample_of("m", "d", kind, reading)
        assert found == expected
        assert exactly(found.fields) == exactly(expected.fields)
        assert isinstance(found.fields, ShapedFields) == (reading.detail is None), "only free text is not vetted"


@pytest.mark.parametrize("kind", sorted(BATCHES))
def test_a_shaped_sample_is_the_line_that_its_fields_make(kind: str) -> None:
    batch = BATCHES[kind](epoch=EPOCH, seq=1, readings=READINGS[kind])
    for shaped in quick(kind, batch.to_bytes()) or ():
        plain = shaped._replace(fields=dict(shaped.fields))
        assert complaint_of(plain) is None
        words = lines_of([shaped]).decode().replace("=True", "=true").replace("=False", "=false")
        assert words == lines_of([plain]).decode()


def test_a_rule_that_only_the_model_knows_has_no_quick_way() -> None:
    class Ruled(BayBatch):
        @model_validator(mode="after")
        def _seq_is_even(self) -> "Ruled":
            return self

    with pytest.raises(NoDictFormError, match="_seq_is_even"):
        BatchForm("bays", Ruled)


def test_shaped_fields_behave_as_the_mapping_they_stand_for() -> None:
    made = quick("bays", BATCHES["bays"](epoch=EPOCH, seq=1, readings=READINGS["bays"]).to_bytes())
    assert made is not None
    fields, same = made[0].fields, dict(made[0].fields)
    assert fields == same
    assert (len(fields), list(fields), repr(fields)) == (len(same), list(same), repr(same))
    assert {name: fields[name] for name in fields.keys()} == same  # noqa: SIM118 - `keys` is what is tested
    assert list(fields.values()) == list(same.values())
    assert "detail" not in fields
    assert {type_of(value) for value in fields.values()} == {FieldType.TEXT, FieldType.NUMBER}


VALUES = st.sampled_from(
    [
        *("null", "true", "false", "0", "1", "-1", "1.0", "0.5", "1.5", "1e400", "NaN", "Infinity", "-0.0", "1e3"),
        *(str(T), str(-T), "9007199254740992", "9007199254740993", "4102444800001", "99999999999999999999"),
        *('"live"', '"unknown"', '"free"', '"closed"', '"no-echo"', '"x"', '"A"', '"a\\n"', '""', '"-"', '"1"'),
        *('"가"', '"\\u0000"', '"\\ud800"', '"quiet"', '"notice"', '"0123456789abcdef"', '"disk-full"', "[]", "{}"),
    ]
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes]:
    """A batch's JSON with fields changed, dropped, added or written twice."""
    kind = draw(st.sampled_from(sorted(BATCHES)))
    batch: Payload = BATCHES[kind](epoch=EPOCH, seq=1, readings=READINGS[kind])
    whole: dict[str, object] = json.loads(batch.to_bytes())
    readings = whole.pop("readings")
    assert isinstance(readings, list)
    made = [_changed(draw, [(name, json.dumps(value)) for name, value in one.items()]) for one in readings]
    head = _changed(draw, [(name, json.dumps(value)) for name, value in whole.items()])
    return kind, f'{head[:-1]},"readings":[{",".join(made)}]}}'.encode()


def _changed(draw: st.DrawFn, pairs: list[tuple[str, str]]) -> str:
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 1, 2, 3]))):
        name = draw(st.sampled_from([*(name for name, _ in pairs), "later"]))
        kept = pairs if draw(st.booleans()) else [pair for pair in pairs if pair[0] != name]
        added = [(name, draw(VALUES))] if draw(st.integers(0, 4)) else []
        pairs = added + kept if draw(st.booleans()) else kept + added
    return "{" + ",".join(f'"{name}":{value}' for name, value in pairs or [("later", "1")]) + "}"


@settings(max_examples=600, deadline=None)
@given(bodies())
def test_the_quick_way_takes_what_the_contract_takes_and_makes_the_same_of_it(given_body: tuple[str, bytes]) -> None:
    kind, body = given_body
    made = quick(kind, body)
    try:
        batch: Batch | None = BATCHES[kind].from_bytes(body)
    except BadPayloadError:  # then the quick way must refuse, too
        batch = None
    if batch is None:
        assert made is None
    else:
        assert made is not None
        expected = [sample_of("m", "d", kind, one) for one in getattr(batch, "readings")]  # noqa: B009 - every kind's own
        assert made == expected
        assert [exactly(one.fields) for one in made] == [exactly(one.fields) for one in expected]
