import csv
from pathlib import Path

from tools.fire.marked import CLASSES
from tools.fire.regions import DIGITS, marked_regions


def test_every_mark_lies_in_its_picture_and_has_a_known_verdict() -> None:
    for name, marks in marked_regions().items():
        assert len(name) == DIGITS
        for mark in marks:
            region = mark.region
            assert mark.verdict in {*CLASSES, "unsure"}
            assert region.w > 0.0
            assert region.h > 0.0
            assert min(region.x, region.y) >= 0.0
            assert max(region.x + region.w, region.y + region.h) <= 1.0001


def test_nearly_every_licensed_picture_of_fire_is_marked(data_dir: Path) -> None:
    with (data_dir / "fire" / "labels.csv").open(encoding="utf-8", newline="") as file:
        licensed = [line["sha256"] for line in csv.DictReader(file) if line["licence"].startswith("MIT")]
    marks = marked_regions()
    flames = [name for name in licensed if any(mark.verdict == "flame" for mark in marks.get(name, ()))]
    assert len(flames) >= 0.9 * len(licensed)
