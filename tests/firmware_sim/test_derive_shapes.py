from pathlib import Path

import pytest

from firmware_sim import derive_shapes, shapes


def test_the_shipped_tables_are_what_the_data_says(data_dir: Path) -> None:
    assert derive_shapes.car_shape(data_dir / "parking" / "birmingham_occupancy.csv") == shapes.CARS
    assert derive_shapes.people_shape(data_dir / "footfall" / "melbourne_pedestrian_2015_2016.csv") == shapes.PEOPLE


def test_without_its_files_it_says_how_to_call_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert derive_shapes.main([]) == 2
    assert "usage" in capsys.readouterr().err
