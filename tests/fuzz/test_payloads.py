"""Every payload model against bodies that are nearly right: a payload that prints and parses again, or one sentence."""

import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contract.catalog import CATALOG, Channel
from contract.payload import BadPayloadError, Payload
from tests.contract.samples import SAMPLES
from tests.fuzz.bodies import bodies_like

SENTENCE_LENGTH_MAX = 700
SLOW = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def parsed(row: Channel, body: bytes) -> Payload | str:
    try:
        return row.model.from_bytes(body)
    except BadPayloadError as error:
        return str(error)


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.path)
@SLOW
@given(data=st.data())
def test_a_changed_body_is_a_payload_or_a_sentence(row: Channel, data: st.DataObject) -> None:
    found = parsed(row, data.draw(bodies_like(row)))
    if isinstance(found, str):
        assert found.startswith(f"{row.model.__name__}: ")
        assert "\n" not in found
        assert len(found) < SENTENCE_LENGTH_MAX
    else:
        assert row.model.from_bytes(found.to_bytes()) == found
        assert row.model.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()


def everywhere_added(content: Any, rng: random.Random) -> Any:  # noqa: ANN401 - JSON of any shape
    """The same content with a field of a later version in every object."""
    if isinstance(content, list):
        return [everywhere_added(one, rng) for one in content]
    if not isinstance(content, dict):
        return content
    fields = [(name, everywhere_added(value, rng)) for name, value in content.items()]
    fields.insert(rng.randrange(len(fields) + 1), (f"added_{rng.randrange(100)}", rng.choice([None, 1, "x", [{}], {}])))
    return dict(fields)


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.path)
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_fields_of_a_later_version_change_nothing_wherever_they_stand(row: Channel, seed: int) -> None:
    content = json.loads(SAMPLES[row.path].to_bytes())
    free = content.pop("player_urls", None)  # a mapping whose names are data, not fields
    content = everywhere_added(content, random.Random(seed))
    if free is not None:
        content["player_urls"] = free
    assert row.model.from_bytes(json.dumps(content).encode()) == SAMPLES[row.path]


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.path)
def test_every_field_that_must_be_there_is_named_when_it_is_not(row: Channel) -> None:
    content = json.loads(SAMPLES[row.path].to_bytes())
    required = [name for name, field in row.model.model_fields.items() if field.is_required()]
    assert required
    for name in required:
        less = {other: value for other, value in content.items() if other != name}
        with pytest.raises(BadPayloadError, match=f"{row.model.__name__}: {name}: Field required"):
            row.model.from_bytes(json.dumps(less).encode())
