"""The generated documents are golden: a change of the contract shows as a change of these files."""

import json
from pathlib import Path

import pytest

from contract.catalog import CATALOG, TELEMETRY_OF_SUBJECT
from contract.documents import documents

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", documents())
def test_the_golden_file_is_what_the_catalogue_says(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == documents()[name]


def test_no_golden_file_is_left_of_a_channel_that_is_gone() -> None:
    found = {f"config/schemas/{path.name}" for path in (ROOT / "config" / "schemas").iterdir()}
    assert found == {name for name in documents() if name.startswith("config/schemas/")}


@pytest.mark.parametrize("row", CATALOG, ids=lambda row: row.path)
def test_every_quantity_has_its_unit_in_its_name(row: object) -> None:
    text = documents()[f"config/schemas/{row.channel}.{row.name}.json"]  # type: ignore[attr-defined]  # a catalogue row
    unitless = {
        "score",
        "strength",
        "confidence",
        "fire_score",
        "cpu_share",
        "seq",
        "generation",
        "priority",
        "wanted_generation",
    }
    units = ("_unix_ms", "_mm", "_s", "_px", "_bytes", "_count", "_rows", "fps", "_minute", "_minutes", "days")
    schema = json.loads(text)
    for body in (schema, *schema.get("$defs", {}).values()):
        for field, kind in body.get("properties", {}).items():
            numeric = kind.get("type") in {"number", "integer"}
            assert not numeric or field in unitless or field.endswith(units), f"{row}: {field}"


def test_every_kind_of_subject_has_one_telemetry_name() -> None:
    assert TELEMETRY_OF_SUBJECT == {
        "bay": "bays",
        "gate": "gates",
        "counter": "people",
        "camera": "cameras",
        "screen": "screens",
        "siren": "sirens",
        "agent": "agents",
        "device": "gaps",
    }
