"""Removing from the embedded store: little at a time, beside another process that writes, room used again."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.embedded_pruning import PRUNE_ROWS_MAX
from broker.series.ports import Sample, Series

ROOT = Path(__file__).resolve().parents[3]
SERIES = [Series("jungang", "pi-1", "bays", f"bay-{number}") for number in range(7)]
FAR = 10_000_000

_OTHER = """
import sys, time
from pathlib import Path
from broker.series.embedded import EmbeddedSeriesStore
from broker.series.ports import Sample, Series
store = EmbeddedSeriesStore(Path(sys.argv[1]))
series = [Series("jungang", "pi-1", "bays", f"bay-{n}") for n in range(7)]
print("ready", flush=True)
for batch in range(int(sys.argv[2])):
    begun_s = time.monotonic()
    store.write([Sample(one, 10_000_000 + batch, {"value": batch}) for one in series])
    print(time.monotonic() - begun_s, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedSeriesStore]:
    one = EmbeddedSeriesStore(tmp_path / "series.db")
    yield one
    one.close()


def fill(store: EmbeddedSeriesStore, each: int, begin: int = 0) -> None:
    for series in SERIES:
        store.write([Sample(series, begin + number, {"value": number}) for number in range(each)])


def left(store: EmbeddedSeriesStore) -> int:
    with closing(store.scan("jungang", "bays", 0, 2 * FAR)) as samples:
        return sum(1 for _ in samples)


def test_a_call_removes_a_bounded_number(store: EmbeddedSeriesStore) -> None:
    fill(store, 1_500)
    held, calls = left(store), 0
    while not store.prune(["bays"], FAR):
        calls += 1
        assert held - left(store) <= PRUNE_ROWS_MAX
        held = left(store)
    assert (held, calls) == (0, 6)
    assert store.latest("jungang") == ()


def test_pruning_again_for_a_later_time_begins_at_the_front(store: EmbeddedSeriesStore) -> None:
    fill(store, 10)
    while not store.prune(["bays", "gates"], 5):
        pass
    assert left(store) == 35
    while not store.prune(["bays", "gates"], 8):
        pass
    assert left(store) == 14


def test_no_file_is_made_only_to_remove_from_it(tmp_path: Path) -> None:
    store = EmbeddedSeriesStore(tmp_path / "none.db")
    assert store.prune(["bays"], FAR) is True
    assert list(tmp_path.iterdir()) == []


def test_another_process_writes_meanwhile_and_hardly_waits(tmp_path: Path, store: EmbeddedSeriesStore) -> None:
    fill(store, 3_000)
    path = str(tmp_path / "series.db")
    with subprocess.Popen(
        [sys.executable, "-c", _OTHER, path, "30"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        waits_s = []
        for line in other.stdout:
            waits_s.append(float(line))
            store.prune(["bays"], FAR)
    assert other.returncode == 0
    while not store.prune(["bays"], FAR):
        pass
    assert len(waits_s) == 30
    assert left(store) == 7 * 30, "what was written meanwhile is there, what was old is not"
    assert max(waits_s) < 5.0


def test_room_that_became_free_is_used_again(tmp_path: Path, store: EmbeddedSeriesStore) -> None:
    fill(store, 5_000, begin=FAR)
    store.close()
    size = (tmp_path / "series.db").stat().st_size
    while not store.prune(["bays"], 2 * FAR):
        pass
    fill(store, 5_000, begin=2 * FAR)
    store.close()
    assert (tmp_path / "series.db").stat().st_size < size * 1.1
