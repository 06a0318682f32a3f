from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.occupancy_csv import LotHistory, Sample, UnusableOccupancyError, bay_timeline, read_occupancy

HEADER = "SystemCodeNumber,Capacity,Occupancy,LastUpdated\n"


def written(tmp_path: Path, rows: str, header: str = HEADER) -> Path:
    path = tmp_path / "occupancy.csv"
    path.write_text(header + rows, encoding="utf-8")
    return path


def test_every_defect_is_handled_and_counted(tmp_path: Path) -> None:
    rows = (
        "LOT,100,10,2016-10-04 07:59:42\n"  # taken for 08:00
        "LOT,100,12,2016-10-04 08:00:10\n"  # 08:00 again
        "LOT,100,130,2016-10-04 08:30:00\n"
        "LOT,100,-8,2016-10-04 09:00:00\n"
        "LOT,100,many,2016-10-04 09:30:00\n"
        "LOT,0,5,2016-10-04 10:00:00\n"
        "LOT,100,5,yesterday\n"
    )
    histories, defects = read_occupancy(written(tmp_path, rows))
    assert [sample.share for sample in histories["LOT"].samples] == [0.12, 1.0, 0.0]
    found = (defects.duplicates, defects.over_capacity, defects.negative, defects.unreadable, defects.jittered)
    assert found == (1, 1, 1, 3, 2)


def test_the_real_file_has_its_known_defects(data_dir: Path) -> None:
    histories, defects = read_occupancy(data_dir / "parking" / "birmingham_occupancy.csv")
    assert len(histories) == 30
    assert (defects.over_capacity, defects.negative, defects.unreadable) == (373, 12, 0)
    assert defects.duplicates >= 216
    assert all(0.0 <= sample.share <= 1.0 for history in histories.values() for sample in history.samples)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("lot,bays\nA,1\n", "no column SystemCodeNumber, Capacity, Occupancy, LastUpdated"),
        (HEADER, "no usable row"),
        ("", "no column"),
    ],
)
def test_a_file_that_holds_no_occupancy_is_refused_by_name(tmp_path: Path, content: str, sentence: str) -> None:
    path = written(tmp_path, content, header="")
    with pytest.raises(UnusableOccupancyError, match=sentence) as caught:
        read_occupancy(path)
    assert str(path) in str(caught.value)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableOccupancyError, match="cannot be read"):
        read_occupancy(tmp_path / "absent.csv")


@given(
    shares=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), bay_count=st.integers(1, 20), seed=st.integers(0, 9)
)
def test_as_many_bays_are_occupied_as_each_sample_says(shares: list[float], bay_count: int, seed: int) -> None:
    samples = tuple(Sample(1800 * number, share) for number, share in enumerate(shares))
    bays = [f"a-{number:02d}" for number in range(bay_count)]
    timeline = bay_timeline(LotHistory("LOT", 100, samples), bays, seed=seed, start_unix_ms=1_000)
    taken: set[str] = set()
    position = 0
    for number, share in enumerate(shares):
        until_ms = 1_000 + number * 1_800_000
        while position < len(timeline) and timeline[position].time_unix_ms <= until_ms:
            change = timeline[position]
            assert (change.bay in taken) is not change.occupied
            (taken.add if change.occupied else taken.discard)(change.bay)
            position += 1
        assert len(taken) == round(share * bay_count)
    assert position == len(timeline)


def test_nights_are_shortened_and_the_seed_chooses_the_bays() -> None:
    history = LotHistory("LOT", 100, (Sample(0, 0.5), Sample(86_400, 1.0)))
    bays = [f"a-{number:02d}" for number in range(8)]
    timeline = bay_timeline(history, bays, seed=1, start_unix_ms=0)
    assert timeline[-1].time_unix_ms == 3_600_000
    assert timeline == bay_timeline(history, bays, seed=1, start_unix_ms=0)
    assert timeline != bay_timeline(history, bays, seed=2, start_unix_ms=0)
