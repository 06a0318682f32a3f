"""The embedded store: other processes, crashes, a full disk, a file that is none of ours."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.series import embedded_layout as layout
from broker.series.checks import FieldType, plain
from broker.series.embedded import EmbeddedSeriesStore
from broker.series.ports import Sample, Series
from runtime.errors import FatalError, JangteoError, RetryableError
from tests.absent import absent
from tests.eventually import eventually

T0 = 1_767_225_600_000
BAY = Series("jungang", "pi-1", "bays", "bay-1")
ROOT = Path(__file__).resolve().parents[3]

_WRITER = """
import sys
from pathlib import Path
from broker.series.embedded import EmbeddedSeriesStore
from broker.series.ports import Sample, Series
store = EmbeddedSeriesStore(Path(sys.argv[1]))
for batch in range(1_000_000):
    series = [Series("jungang", "pi-1", "bays", f"bay-{n}") for n in range(50)]
    store.write([Sample(one, batch, {"value": batch, "state": "free"}) for one in series])
    print(batch, flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EmbeddedSeriesStore]:
    one = EmbeddedSeriesStore(tmp_path / "series.db")
    yield one
    one.close()


def sample(time_unix_ms: int, value: float = 1.0) -> Sample:
    return Sample(BAY, time_unix_ms, {"value": value, "state": "free"})


def test_a_reader_without_a_file_finds_nothing_and_makes_none(tmp_path: Path) -> None:
    path = tmp_path / "later.db"
    reader = EmbeddedSeriesStore(path)
    assert reader.latest("jungang") == ()
    assert reader.range(BAY, "value", 0, T0) == ()
    assert not path.exists()
    writer = EmbeddedSeriesStore(path)
    writer.write([sample(T0)])
    assert [one.time_unix_ms for one in reader.latest("jungang")] == [T0]
    reader.close()
    writer.close()


def test_a_file_without_tables_is_an_empty_store(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    reader = EmbeddedSeriesStore(path)
    assert reader.latest("jungang") == ()
    reader.close()


def test_a_reader_cannot_write(store: EmbeddedSeriesStore) -> None:
    store.write([sample(T0)])
    with store._reader() as connection:
        assert connection is not None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM latest")


def test_what_was_acknowledged_survives_kill_9_and_a_reader_sees_it_live(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    process = subprocess.Popen([sys.executable, "-c", _WRITER, str(path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    acknowledged = int(process.stdout.readline())
    reader = EmbeddedSeriesStore(path)
    for _ in range(30):
        acknowledged = int(process.stdout.readline())
        seen = reader.latest("jungang")
        assert len(seen) == 50
        assert all(one.time_unix_ms >= acknowledged for one in seen)
    process.send_signal(signal.SIGKILL)
    acknowledged = max([acknowledged, *(int(line) for line in process.stdout.read().split())])
    process.wait()
    process.stdout.close()
    times = [time for time, _ in reader.range(BAY, "value", 0, T0)]
    assert times[: acknowledged + 1] == list(range(acknowledged + 1))
    assert all(len(reader.range(one.series, "value", 0, T0)) == len(times) for one in reader.latest("jungang"))
    reader.close()
    again = EmbeddedSeriesStore(path)
    again.write([sample(T0)])
    again.close()


def test_every_commit_is_synced_to_the_disk(store: EmbeddedSeriesStore) -> None:
    store.write([sample(T0)])
    assert store._writer is not None
    assert store._writer.execute("PRAGMA synchronous").fetchone() == (2,), "FULL: a power cut loses nothing"
    assert store._writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_second_writer_shares_series_and_columns(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    first, second = EmbeddedSeriesStore(path), EmbeddedSeriesStore(path)
    first.write([sample(1)])
    second.write([Sample(BAY, 2, {"value": 2, "extra": 1})])
    first.write([Sample(BAY, 3, {"value": 3, "extra": 2, "third": "x"})])
    assert [value for _, value in second.range(BAY, "extra", 0, 9)] == [1, 2]
    first.close()
    second.close()


def test_a_locked_file_is_retryable(
    store: EmbeddedSeriesStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("broker.series.embedded.BUSY_TIMEOUT_S", 0.05)
    store.write([sample(1)])
    store.close()
    other = sqlite3.connect(tmp_path / "series.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RetryableError, match="locked"):
        store.write([sample(2)])
    other.execute("ROLLBACK")
    other.close()
    store.write([sample(2)])
    assert len(store.range(BAY, "value", 0, 9)) == 2


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        absent(f"cannot mount a small disk: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill(store: EmbeddedSeriesStore) -> int:
    """Write hundreds of samples until the disk is full; how many hundreds are stored."""
    for stored in range(1_000):
        try:
            store.write([sample(stored * 100 + n, n / 7) for n in range(100)])
        except RetryableError:
            return stored
    raise AssertionError("the disk never filled")


def test_a_full_disk_is_retryable_and_what_was_stored_stays(small_disk: Path) -> None:
    store = EmbeddedSeriesStore(small_disk / "series.db")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"0" * 500_000)
    stored = fill(store)
    assert stored > 2
    assert len(store.range(BAY, "value", 0, T0)) == stored * 100
    assert store.latest("jungang")[0].time_unix_ms == stored * 100 - 1
    with pytest.raises(RetryableError):
        store.write([Sample(Series("jungang", "pi-1", "gates", "g"), n, {"in_count": n}) for n in range(9_000)])
    ballast.unlink()
    store.write([sample(stored * 100 + n) for n in range(100)])
    assert len(store.range(BAY, "value", 0, T0)) == stored * 100 + 100
    store.close()


def test_a_file_that_is_no_store_says_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "series.db"
    path.write_bytes(b"this is not a database, whatever its name says" * 100)
    store = EmbeddedSeriesStore(path)
    with pytest.raises(FatalError, match="move it away"):
        store.write([sample(1)])
    with pytest.raises(FatalError, match="move it away"):
        store.latest("jungang")
    path.unlink()
    store.write([sample(1)])
    store.close()


def test_a_folder_that_cannot_be_made_is_fatal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    store = EmbeddedSeriesStore(tmp_path / "file" / "series.db")
    with pytest.raises(FatalError, match="folder"):
        store.write([sample(1)])


def test_many_threads_read_while_one_writes(store: EmbeddedSeriesStore) -> None:
    store.write([sample(0)])
    failures: list[Exception] = []
    stop = threading.Event()

    def read() -> None:
        last = 0
        while not stop.is_set():
            try:
                (found,) = store.latest("jungang")
                assert found.time_unix_ms >= last
                last = found.time_unix_ms
            except Exception as error:  # noqa: BLE001 - whatever it is, the main thread reports it
                failures.append(error)
                return

    threads = [threading.Thread(target=read) for _ in range(6)]
    for thread in threads:
        thread.start()
    for time_unix_ms in range(1, 60):
        store.write([sample(time_unix_ms)])
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(store._readers) <= 4


def test_after_close_no_file_is_held_open(store: EmbeddedSeriesStore, tmp_path: Path) -> None:
    store.write([sample(1)])
    store.latest("jungang")
    store.close()

    def held() -> list[str]:
        links = [Path(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")]  # noqa: PTH208 - not a tree
        return [str(link.readlink()) for link in links if link.is_symlink() and str(tmp_path) in str(link.readlink())]

    assert eventually(lambda: held() == [], what="no open files")


def old_file(path: Path, kind: str, times: list[int]) -> None:
    """A file as it was laid out before spans: keyed by series and time."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE TABLE series (series_id INTEGER PRIMARY KEY, market TEXT NOT NULL, kind TEXT NOT NULL, device TEXT"
            " NOT NULL, subject TEXT NOT NULL, UNIQUE (market, kind, device, subject));"
            "CREATE TABLE latest (series_id INTEGER PRIMARY KEY, time_unix_ms INTEGER NOT NULL);"
            f'CREATE TABLE "samples_{kind}" (series_id INTEGER NOT NULL, time_unix_ms INTEGER NOT NULL,'
            ' "value" NUMERIC, "known" BOOLEAN, PRIMARY KEY (series_id, time_unix_ms)) WITHOUT ROWID;'
        )
        connection.execute("INSERT INTO series VALUES (1, 'jungang', ?, 'pi-1', 'bay-1')", (kind,))
        connection.execute("INSERT INTO latest VALUES (1, ?)", (times[-1],))
        rows = [(1, time, time / 2, True) for time in times]
        connection.executemany(f'INSERT INTO "samples_{kind}" VALUES (?, ?, ?, ?)', rows)  # noqa: S608 - ours
        connection.commit()


@pytest.mark.parametrize("kind", ["bays", "bays-5m"])
def test_a_file_of_before_there_were_spans_is_laid_out_anew_and_nothing_is_lost(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "series.db"
    series, times = Series("jungang", "pi-1", kind, "bay-1"), [T0 + 700 * number for number in range(1_000)]
    old_file(path, kind, times)
    store = EmbeddedSeriesStore(path)
    store.write([Sample(series, times[0], {"value": 7, "known": False})])
    found = store.range(series, "value", 0, 2 * T0)
    assert found == ((times[0], 7), *((time, plain(time / 2)) for time in times[1:]))
    assert store.range(series, "known", times[1], times[1] + 1) == ((times[1], True),)
    assert [one.time_unix_ms for one in store.latest("jungang")] == ([] if kind == "bays-5m" else [times[-1]])
    store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert names == {"series", "latest", f"samples_{kind}"}


def test_laying_out_anew_that_breaks_off_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "series.db"
    old_file(path, "bays", [T0, T0 + 1])
    add_column = layout.add_column

    def broken(connection: sqlite3.Connection, kind: str, field: str, field_type: FieldType) -> None:
        if field == "known":
            raise sqlite3.OperationalError("disk I/O error")
        add_column(connection, kind, field, field_type)

    store = EmbeddedSeriesStore(path)
    monkeypatch.setattr(layout, "add_column", broken)
    with pytest.raises(JangteoError, match="disk I/O error"):
        store.write([sample(T0 + 2)])
    monkeypatch.undo()
    store.write([sample(T0 + 2)])
    assert [time for time, _ in store.range(BAY, "value", 0, 2 * T0)] == [T0, T0 + 1, T0 + 2]
    store.close()


def test_a_reading_costs_the_disk_the_same_however_much_is_stored(store: EmbeddedSeriesStore, tmp_path: Path) -> None:
    """Pages of the write-ahead log: keyed by series first they grow with every minute, to one page a reading."""
    stalls = [[Series(f"m-{market}", "pi-1", "bays", f"s-{n}") for n in range(20)] for market in range(100)]
    sizes = []
    for minute in range(6):
        before = wal_frames(tmp_path)
        for sweep in range(6):
            time = T0 + (minute * 6 + sweep) * 10_000
            store.write([Sample(one, time, {"value": sweep}) for market in stalls for one in market])
        sizes.append(wal_frames(tmp_path) - before)
    assert max(sizes[1:]) < 1.5 * min(sizes[1:])


def wal_frames(folder: Path) -> int:
    """How many pages have been written to the log so far: it is not checkpointed within this test."""
    return ((folder / "series.db-wal").stat().st_size if (folder / "series.db-wal").exists() else 0) // 4_120
