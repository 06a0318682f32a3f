"""Every model of the catalogue: parsing and printing are inverses, and what does not fit is refused in words."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.cameras import DRILL_S_MAX
from contract.catalog import (
    CATALOG,
    PAYLOAD_BYTES_MAX,
    Channel,
    UnknownChannelError,
    channel_for,
    channel_of,
    topic_for,
)
from contract.ids import UNIX_MS_MAX
from contract.payload import BadPayloadError, Payload
from contract.telemetry import BayReading, GapCause, StatedReading
from contract.topics import Topic
from tests.contract.samples import SAMPLES

STATED_ROWS = [row for row in CATALOG if row.channel == "telemetry" and row.name not in {"agents", "gaps"}]  # no state
IDS = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


def values_like(name: str, sample: object) -> st.SearchStrategy[Any]:
    """Values of the same kind as a field's sample that its model accepts."""
    table: dict[str, st.SearchStrategy[Any]] = {
        "epoch": st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
        "key_id": st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
        "event_id": st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        "command_id": st.from_regex(r"[0-9a-f]{32}", fullmatch=True),
        "settings_sha256": st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        "seq": st.integers(1, 2**53),
        "first_seq": st.integers(1, 2**53),
        "last_seq": st.integers(1, 2**53),
        "gap_epoch": st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
        "cause": st.sampled_from(sorted(GapCause)),
        "jpeg_base64": st.from_regex(r"[A-Za-z0-9+/]{1,200}={0,2}", fullmatch=True),
        "detail": st.text(max_size=500),
        "agent_version": st.text(max_size=40),
        "manifest_json": st.text(max_size=500),
        "seqs": st.lists(st.integers(1, 2**53), min_size=1, max_size=20),
        "player_urls": st.dictionaries(st.text(max_size=20), st.text(max_size=200), max_size=5),
        "distance_mm": st.none() | st.floats(0, 20_000),
        "cpu_share": st.floats(0, 64),
        "fps": st.floats(0, 1000),
        "lasts_s": st.integers(0, DRILL_S_MAX),
    }
    if name in {"zone", "camera", "subject", "bay", "gate", "lot", "counter", "screen", "siren", "agent", "kind"}:
        return IDS
    if name.endswith("unix_ms"):
        return st.integers(0, UNIX_MS_MAX)
    by_type: dict[type, st.SearchStrategy[Any]] = {
        bool: st.booleans(),
        int: st.integers(0, 2**53),
        float: st.floats(0, 1),
    }
    return table.get(name, by_type.get(type(sample), st.just(sample)))


@st.composite
def payloads(draw: st.DrawFn, row: Channel) -> Payload:
    """A payload of the row's model in which every free field is drawn."""

    def vary(fields: dict[str, Any]) -> dict[str, Any]:
        return {name: draw(values_like(name, value)) for name, value in fields.items()}

    fields = json.loads(SAMPLES[row.path].to_bytes())
    readings = fields.pop("readings", None)
    fields = vary(fields)
    if readings is not None:
        fields["readings"] = [vary(readings[0]) for _ in range(draw(st.integers(1, 4)))]
    return row.model.model_validate_json(json.dumps(fields))


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.path)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data())
def test_parsing_undoes_printing(row: Channel, data: st.DataObject) -> None:
    payload = data.draw(payloads(row))
    assert row.model.from_bytes(payload.to_bytes()) == payload
    assert row.model.from_bytes(payload.to_bytes()).to_bytes() == payload.to_bytes()


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.path)
def test_a_number_in_quotes_is_no_number(row: Channel) -> None:
    fields = json.loads(SAMPLES[row.path].to_bytes())
    quoted: dict[str, object] = {name: str(value) for name, value in fields.items() if isinstance(value, int | float)}
    if "seqs" in fields:
        quoted["seqs"] = ["1"]
    assert quoted, "every payload counts or dates something"
    for name, value in quoted.items():
        with pytest.raises(BadPayloadError, match=name):
            row.model.from_bytes(json.dumps({**fields, name: value}).encode())


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.path)
def test_a_field_that_a_later_version_adds_is_passed_over(row: Channel) -> None:
    fields = json.loads(SAMPLES[row.path].to_bytes())
    assert row.model.from_bytes(json.dumps({**fields, "added_later": 1}).encode()) == SAMPLES[row.path]


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.path)
@given(body=st.binary(max_size=200))
@settings(max_examples=30)
def test_any_bytes_are_a_payload_or_a_sentence(row: Channel, body: bytes) -> None:
    sentence = ""
    try:
        row.model.from_bytes(body)
    except BadPayloadError as error:
        sentence = str(error)
    assert not sentence or sentence.startswith(f"{row.model.__name__}: ")
    assert len(sentence) < 500
    assert "\n" not in sentence


@pytest.mark.parametrize("bad", ["NaN", "Infinity", "-1", "20001", '"1"', "true"])
def test_a_distance_is_a_finite_number_in_range(bad: str) -> None:
    fields = json.loads(SAMPLES["telemetry/bays"].to_bytes())["readings"][0]
    text = json.dumps({**fields, "distance_mm": "HERE"}).replace('"HERE"', bad)
    with pytest.raises(BadPayloadError, match="distance_mm"):
        BayReading.from_bytes(text.encode())


@pytest.mark.parametrize("row", STATED_ROWS, ids=lambda row: row.path)
def test_unknown_has_a_reason_and_only_unknown_has_one(row: Channel) -> None:
    fields = json.loads(SAMPLES[row.path].to_bytes())
    reading = fields["readings"][0]
    for state, reason in ((reading["state"], "stale"), ("unknown", None)):
        fields["readings"] = [{**reading, "state": state, "reason": reason}]
        with pytest.raises(BadPayloadError, match="reason goes with state 'unknown', and only with it"):
            row.model.from_bytes(json.dumps(fields).encode())
    fields["readings"] = [{**reading, "state": "unknown", "reason": "stale"}]
    parsed = row.model.from_bytes(json.dumps(fields).encode())
    assert isinstance(parsed.readings[0], StatedReading)  # type: ignore[attr-defined] # every telemetry model has readings


def test_the_catalogue_finds_its_rows_and_refuses_strangers() -> None:
    assert len({row.path for row in CATALOG}) == len({row.model for row in CATALOG}) == len(CATALOG)
    for row in CATALOG:
        topic = topic_for("jungang", "edge-1", row.model)
        assert channel_of(topic) is channel_for(row.model) is row
        assert (row.qos == 0) == (row.channel == "view")
        assert row.bytes_max <= PAYLOAD_BYTES_MAX
        assert row.what.endswith(".")
    with pytest.raises(UnknownChannelError, match="telemetry/tea is not in the catalogue"):
        channel_of(Topic("jungang", "edge-1", "telemetry", "tea"))
    with pytest.raises(UnknownChannelError, match="Payload travels on no channel"):
        channel_for(Payload)
