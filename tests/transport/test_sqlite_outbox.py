"""What only an outbox on a disk can get wrong: crashes, a full disk, a damaged file, two processes."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.clock import ManualClock
from runtime.errors import FatalError
from tests.absent import absent
from tests.transport.payloads import BAYS, FIRE, bays, fire
from transport.outbox_database import SCHEMA_VERSION
from transport.ports import OutboxFullError
from transport.sqlite_outbox import RESERVE_RETRY_S, SqliteOutbox

ROOT = Path(__file__).resolve().parent.parent.parent
BYTES_MAX = 8_000_000

WRITER = """
import sys
from pathlib import Path
from tests.transport.payloads import BAYS, bays
from transport.sqlite_outbox import SqliteOutbox
outbox = SqliteOutbox(Path(sys.argv[1]), bytes_max=8_000_000)
while True:
    print(outbox.put(BAYS, bays, alarm=False), flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


def test_rows_epoch_numbers_and_drops_survive_a_restart(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=400_000)
    for _ in range(300):
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=20), alarm=False)
    epoch, status, rows = outbox.epoch, outbox.status(), list(outbox.pending(0, 1000))
    outbox.close()
    assert status.dropped_count > 0
    again = SqliteOutbox(path, bytes_max=400_000)
    assert (again.epoch, again.status(), list(again.pending(0, 1000))) == (epoch, status, rows)
    again.delivered(epoch, [row.seq for row in rows], "readings")
    again.close()
    third = SqliteOutbox(path, bytes_max=400_000)
    assert third.put(BAYS, bays, alarm=False) == 301
    third.close()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_kill_9_loses_nothing_that_put_returned(path: Path, seed: int) -> None:
    count = 40 * seed
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    printed = [int(process.stdout.readline()) for _ in range(count)]
    process.send_signal(signal.SIGKILL)
    printed += [int(line) for line in process.stdout.read().split(b"\n")[:-1] if line]
    process.stdout.close()
    process.wait(10)
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    stored = {row.seq for row in outbox.pending(0, 100_000)}
    outbox.close()
    assert printed[0] == 1
    assert set(printed) <= stored


def test_the_file_keeps_within_its_bound(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=400_000)
    for _ in range(600):
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=7), alarm=False)
    outbox.close()
    assert path.stat().st_size <= 400_000


def test_only_the_owner_may_read_it(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    outbox.put(BAYS, bays, alarm=False)
    modes = {entry.name: entry.stat().st_mode & 0o777 for entry in path.parent.iterdir()}
    outbox.close()
    assert set(modes.values()) == {0o600}, modes


def test_a_corrupt_file_is_moved_aside_and_a_new_epoch_begins(path: Path) -> None:
    clock = ManualClock()
    epochs = set()
    for damage in (b"this is no database", b"", None):
        outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
        epochs.add(outbox.epoch)
        for _ in range(300):
            outbox.put(BAYS, bays, alarm=False)
        outbox.close()
        content = bytearray(path.read_bytes())
        if damage is None:
            content[8192 : 8192 + 40_000] = b"\xff" * 40_000
        else:
            content[: len(damage) or 4096] = damage or b"\0" * 4096
        path.write_bytes(content)
        clock.advance(1)
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    epochs.add(outbox.epoch)
    assert outbox.put(BAYS, bays, alarm=False) == 1
    outbox.close()
    assert len(epochs) == 4
    aside = sorted(entry.name for entry in path.parent.glob("outbox.db.corrupt-*"))
    assert len(aside) == 2, "bounded: only the newest are kept"
    assert aside[-1].endswith(str(clock.unix_ms()))


def test_corruption_found_while_running_starts_a_new_file(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    for _ in range(2000):
        outbox.put(BAYS, bays, alarm=False)
    outbox._checkpoint()
    epoch = outbox.epoch
    with path.open("r+b") as file:
        file.write(b"\xff" * path.stat().st_size)
    outbox._connection.execute("PRAGMA shrink_memory")
    outbox._connection.execute("PRAGMA cache_size = 1")
    seq = outbox.put(FIRE, fire, alarm=True)
    assert outbox.epoch != epoch
    assert [row.seq for row in outbox.pending(0, 10)] == [seq] == [1]
    outbox.close()


def test_a_second_process_is_refused_in_words(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    with pytest.raises(FatalError, match="another process holds this outbox"):
        SqliteOutbox(path, bytes_max=BYTES_MAX)
    outbox.close()


def test_another_versions_file_is_left_alone(path: Path) -> None:
    SqliteOutbox(path, bytes_max=BYTES_MAX).close()
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    connection.close()
    with pytest.raises(FatalError, match=f"format {SCHEMA_VERSION + 1}, this program reads format {SCHEMA_VERSION}"):
        SqliteOutbox(path, bytes_max=BYTES_MAX)


def test_bad_places_and_bounds_are_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FatalError, match="cannot be made"):
        SqliteOutbox(tmp_path / "file" / "outbox.db", bytes_max=BYTES_MAX)
    with pytest.raises(ValueError, match="at least 65536"):
        SqliteOutbox(tmp_path / "outbox.db", bytes_max=1000)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 3 MB."""
    mount = tmp_path / "small"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(mount)], check=False, capture_output=True
        ).returncode
    ):
        absent("mounting a small file system takes root")
    yield mount
    subprocess.run(["umount", "--lazy", str(mount)], check=True)  # a failed test may hold a file open


def fill(disk: Path) -> Path:
    """Take every free block, as a log that grew over night does."""
    hog = disk / "hog"
    with hog.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return hog


def test_a_full_disk_drops_old_telemetry_keeps_alarms_and_still_drains(small_disk: Path) -> None:
    clock = ManualClock()
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000, clock=clock)
    alarms = []
    for index in range(3000):
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=8), alarm=False)
        if index % 100 == 0:
            alarms.append(outbox.put(FIRE, fire, alarm=True))
    status = outbox.status()
    assert status.dropped_count > 100
    assert status.rows > 100, "it still buffers"
    assert [row.seq for row in outbox.pending(0, 10_000, alarms_only=True)] == alarms
    newest = outbox.pending(0, 10_000)[-1].seq
    assert newest == 3000 + len(alarms), "the newest telemetry is what is kept"
    while rows := outbox.pending(0, 100):
        seqs = [row.seq for row in rows]
        ended = outbox.delivered(outbox.epoch, seqs, "readings") + outbox.delivered(outbox.epoch, seqs, "incidents")
        assert ended == len(rows), "a full disk must not wedge the queue"
    outbox.close()


def test_a_disk_filled_by_others_keeps_draining_and_recovers(small_disk: Path) -> None:
    clock = ManualClock()
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000, clock=clock)
    for _ in range(400):
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=8), alarm=False)
    hog = fill(small_disk)
    for _ in range(400):
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=8), alarm=False)
        outbox.put(FIRE, fire, alarm=True)
    fill(small_disk)
    seqs = [row.seq for row in outbox.pending(0, 300)]
    assert outbox.delivered(outbox.epoch, seqs, "readings") + outbox.delivered(outbox.epoch, seqs, "incidents") == 300
    assert len(outbox.pending(0, 10_000, alarms_only=True)) >= 200
    hog.unlink()
    dropped = outbox.status().dropped_count
    clock.advance(RESERVE_RETRY_S)
    outbox.put(FIRE, fire, alarm=True)
    assert (small_disk / "outbox.db.reserve").exists(), "the ballast is taken back once there is room"
    for _ in range(300):
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=8), alarm=False)
    assert outbox.status().dropped_count == dropped, "with room again nothing is dropped"
    outbox.close()


def test_a_restart_on_a_full_disk_works(small_disk: Path) -> None:
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000)
    for _ in range(200):
        outbox.put(BAYS, lambda epoch, seq: bays(epoch, seq, count=8), alarm=False)
    outbox.close()
    fill(small_disk)
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000)
    seqs = [row.seq for row in outbox.pending(0, 100)]
    assert outbox.delivered(outbox.epoch, seqs, "readings") == 100
    outbox.put(FIRE, fire, alarm=True)
    outbox.close()


def test_a_disk_that_cannot_be_written_drops_telemetry_and_refuses_alarms(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    outbox.put(BAYS, bays, alarm=False)
    outbox._connection.execute("PRAGMA query_only = ON")
    outbox.put(BAYS, bays, alarm=False)
    assert outbox.status().dropped_count == 1
    with pytest.raises(OutboxFullError, match="readonly"):
        outbox.put(FIRE, fire, alarm=True)
    assert outbox.delivered(outbox.epoch, [1], "readings") == 0
    assert len(outbox.pending(0, 10)) == 1
    outbox._connection.execute("PRAGMA query_only = OFF")
    assert outbox.put(FIRE, fire, alarm=True) == 4
    outbox.close()
