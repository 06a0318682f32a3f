import json
from pathlib import Path

import pytest

from dashboards.documents import documents
from dashboards.influxql import DATASOURCE_UID

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", documents())
def test_the_shipped_json_is_what_the_code_builds(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == documents()[name]


def panels() -> list[dict[str, object]]:
    return [panel for text in documents().values() for panel in json.loads(text)["panels"]]


def test_every_panel_asks_in_influxql_through_the_provisioned_source() -> None:
    for panel in panels():
        targets = panel["targets"]
        assert isinstance(targets, list)
        assert targets
        for target in targets:
            assert target["rawQuery"] is True
            assert str(target["query"]).startswith("SELECT ")
            assert target["datasource"]["uid"] == DATASOURCE_UID
            assert '"market" =~ /^$market$/' in target["query"], "a panel shows one market, not all of them at once"


def test_panels_do_not_overlap_and_fill_whole_rows() -> None:
    cells: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        assert isinstance(place, dict)
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert (x, y) not in cells
                assert x < 24
                cells.add((x, y))


def test_every_title_is_in_both_languages() -> None:
    for panel in panels():
        korean, _, english = str(panel["title"]).partition(" / ")
        assert any("가" <= char <= "힣" for char in korean)
        assert english.isascii()
        assert english


def test_an_unknown_bay_is_never_counted_as_free_or_occupied() -> None:
    free, occupied, unknown = (str(panel["targets"][0]["query"]) for panel in panels()[:3])  # type: ignore[index]  # JSON
    assert "\"v\" = 'free'" in free
    assert "\"v\" = 'occupied'" in occupied
    assert "\"v\" = 'unknown'" in unknown


def test_the_provisioned_source_is_the_one_that_panels_name() -> None:
    text = (ROOT / "dashboards/provisioning/datasources/jangteo.yaml").read_text(encoding="utf-8")
    assert f"uid: {DATASOURCE_UID}" in text
    assert "version: InfluxQL" in text
