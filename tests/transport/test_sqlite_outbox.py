"""What only an outbox on a disk can get wrong: crashes, a full disk, a damaged file, two processes."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.events import FireEvent
from contract.telemetry import BayBatch, GapCause
from runtime.clock import ManualClock
from runtime.errors import FatalError
from tests.absent import absent
from tests.transport.outbox_payloads import fire_at, named, noisy, take_gaps
from tests.transport.payloads import BAYS, FIRE, TIME_UNIX_MS, bays, fire
from transport.outbox_database import REBUILD_ROWS_MAX, SCHEMA_VERSION
from transport.outbox_file import RESERVE_RETRY_S
from transport.outbox_gaps import GapRange
from transport.outbox_note import PLACE_BYTES, PLACES, OutboxNote
from transport.ports import OutboxFullError
from transport.sqlite_outbox import SqliteOutbox

ROOT = Path(__file__).resolve().parent.parent.parent
BYTES_MAX = 8_000_000

WRITER = """
import sys
from pathlib import Path
from tests.transport.outbox_payloads import GAPS, fire_at, named, noisy, take_gaps
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
        outbox.put(BAYS, noisy(20), alarm=False)
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


LOSER = """
import sys
from pathlib import Path
from tests.transport.outbox_payloads import noisy
from tests.transport.payloads import BAYS
from transport.sqlite_outbox import SqliteOutbox
outbox = SqliteOutbox(Path(sys.argv[1]), bytes_max=100_000)
while True:
    print(outbox.put(BAYS, noisy(), alarm=False), flush=True)
"""


@pytest.mark.parametrize("count", [150, 260])
def test_kill_9_while_old_telemetry_goes_leaves_nothing_unnamed(path: Path, count: int) -> None:
    process = subprocess.Popen([sys.executable, "-c", LOSER, str(path)], stdout=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(count)]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.read().split(b"\n")[:-1]
    process.stdout.close()
    process.wait(10)
    printed = [int(line) for line in lines if line.strip().isdigit()]
    outbox = SqliteOutbox(path, bytes_max=100_000)
    gone, there = named(take_gaps(outbox)), [row.seq for row in outbox.pending(0, 100_000)]
    outbox.close()
    assert gone
    assert sorted([*gone, *there])[: printed[-1]] == list(range(1, printed[-1] + 1))
    assert len(gone) + len(there) - printed[-1] in {0, 1}, "one put may have been on its way"


def test_open_gaps_survive_a_restart_and_the_loss_of_the_numbers_behind_them(path: Path) -> None:
    clock = ManualClock()
    outbox = SqliteOutbox(path, bytes_max=100_000, clock=clock)
    while outbox.status().dropped_count < 30:
        outbox.put(BAYS, noisy(), alarm=False)
    dropped = outbox.status().dropped_count
    outbox.note_lost(3, clock.unix_ms(), clock.unix_ms(), GapCause.MEMORY_FULL)
    rows = [row.seq for row in outbox.pending(0, 1000)]
    outbox.delivered(outbox.epoch, rows, "readings")
    outbox.close()
    again = SqliteOutbox(path, bytes_max=100_000, clock=clock)
    assert again.status().open_gaps == 2
    gaps = take_gaps(again)
    again.note_lost(3, clock.unix_ms(), clock.unix_ms(), GapCause.MEMORY_FULL)
    again.close()
    assert named(gaps) == list(range(1, dropped + 1))
    third = SqliteOutbox(path, bytes_max=100_000, clock=clock)
    times = [one.time_unix_ms for one in (*gaps, *take_gaps(third))]
    assert third.put(BAYS, bays, alarm=False) == rows[-1] + 3, "two gap records were numbered"
    third.close()
    assert len(set(times)) == 3


def test_a_boot_s_time_survives_a_restart(path: Path) -> None:
    clock = ManualClock(unix_ms=60_000)
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    outbox.put(BAYS, noisy(1, time_unix_ms=50_000), alarm=False, boot_id="boot")
    outbox.settle_clock("boot", 1_767_225_600_000)
    first = outbox.pending(0, 10)
    outbox.close()
    again = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    assert again.pending(0, 10) == first
    assert BayBatch.from_bytes(first[0].body).readings[0].time_unix_ms == 1_767_225_650_000
    assert again.settle_clock("boot", 1) == 0
    again.delivered(again.epoch, [1], "readings")
    again.close()
    third = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    third.settle_clock("next boot", 1_767_225_600_000)
    assert third._file.connection.execute("SELECT boot_id FROM boot").fetchall() == [("next boot",)], "none piles up"
    third.close()


def test_the_file_keeps_within_its_bound(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=400_000)
    for _ in range(600):
        outbox.put(BAYS, noisy(7), alarm=False)
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
    outbox.close()
    assert len(epochs) == 4
    aside = sorted(entry.name for entry in path.parent.glob("outbox.db.corrupt-*"))
    assert len(aside) == 2, "bounded: only the newest are kept"
    assert aside[-1].endswith(str(clock.unix_ms()))


def damaged(path: Path, first_page: int, pages: int) -> None:
    """Overwrite whole pages of the file."""
    with path.open("r+b") as file:
        file.seek(first_page * 4096)
        file.write(b"\xff" * 4096 * pages)


def test_what_can_be_read_of_a_corrupt_file_travels_on_and_the_rest_is_named(path: Path) -> None:
    clock = ManualClock()
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    for _ in range(300):
        outbox.put(BAYS, noisy(8), alarm=False)
    alarm = outbox.put(FIRE, fire_at(clock.unix_ms(), clock_set=True), alarm=True)
    outbox.note_lost(9, clock.unix_ms(), clock.unix_ms(), GapCause.MEMORY_FULL)
    old = outbox.epoch
    outbox.close()
    damaged(path, 40, 8)
    clock.advance(3600)
    again = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    rows = again.pending(0, 1000)
    assert 200 < len(rows) < 301
    first, last = BayBatch.from_bytes(rows[0].body), FireEvent.from_bytes(rows[-1].body)
    assert (first.epoch, first.seq, rows[0].created_unix_ms) == (again.epoch, 1, clock.unix_ms() - 3_600_000)
    assert (last.event_id, last.seq, rows[-1].alarm) == (f"{alarm:032x}", len(rows), True)
    gaps = take_gaps(again)
    again.close()
    assert {one.gap_epoch for one in gaps} == {old}
    assert named(gaps).count(alarm) == 1
    corrupt = [one for one in gaps if one.cause is GapCause.OUTBOX_CORRUPT]
    assert len(named(corrupt)) == len(rows), "each moved number is named, with no reading lost"
    assert sum(one.readings_count for one in corrupt) == 0
    (unknown,) = [one for one in corrupt if one.first_seq is None]
    assert (unknown.from_unix_ms, unknown.until_unix_ms) == (rows[0].created_unix_ms, clock.unix_ms())
    (memory,) = [one for one in gaps if one.cause is GapCause.MEMORY_FULL]
    assert memory.readings_count == 9


def test_a_file_that_is_no_database_any_more_is_named_too(path: Path) -> None:
    clock = ManualClock()
    path.write_bytes(b"this is no database" * 1000)
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, age_s_max=7200.0, clock=clock)
    (gap,) = take_gaps(outbox)
    outbox.close()
    assert (gap.cause, gap.batches_count, gap.readings_count) == (GapCause.OUTBOX_CORRUPT, 0, 0)
    assert (gap.from_unix_ms, gap.until_unix_ms) == (clock.unix_ms() - 7_200_000, clock.unix_ms())


def test_corruption_found_while_running_starts_a_new_file(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    for _ in range(1000):
        outbox.put(BAYS, noisy(4), alarm=False)
    outbox.note_lost(9, 1_767_225_600_000, 1_767_225_600_000, GapCause.MEMORY_FULL)
    outbox._file.checkpoint()
    epoch = outbox.epoch
    damaged(path, 0, path.stat().st_size // 4096)
    outbox._file.connection.execute("PRAGMA shrink_memory")
    outbox._file.connection.execute("PRAGMA cache_size = 1")
    seq = outbox.put(FIRE, fire, alarm=True)
    assert outbox.epoch != epoch
    assert [row.seq for row in outbox.pending(0, 10)] == [seq] == [1]
    gaps = take_gaps(outbox)
    outbox.close()
    assert {one.gap_epoch for one in gaps} == {epoch}
    assert sorted(one.cause for one in gaps) == [GapCause.MEMORY_FULL, GapCause.OUTBOX_CORRUPT]


def test_a_row_whose_bytes_have_changed_is_not_sent_but_named(path: Path) -> None:
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    for _ in range(3):
        outbox.put(BAYS, noisy(2), alarm=False)
    (body,) = outbox._file.connection.execute("SELECT body FROM message WHERE seq = 2").fetchone()
    changed = body[:60] + bytes([body[60] ^ 4]) + body[61:]
    outbox._file.connection.execute("UPDATE message SET body = ? WHERE seq = 2", (changed,))
    assert [row.seq for row in outbox.pending(0, 10)] == [1, 3]
    assert outbox.status().rows == 2
    (gap,) = take_gaps(outbox)
    outbox.close()
    assert (named([gap]), gap.readings_count, gap.cause) == ([2], 2, GapCause.OUTBOX_CORRUPT)


FORMAT_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    (
        "CREATE TABLE message (seq INTEGER PRIMARY KEY AUTOINCREMENT, created_unix_ms INTEGER NOT NULL, "
        "alarm INTEGER NOT NULL, evictable INTEGER NOT NULL, store TEXT NOT NULL, size_bytes INTEGER NOT NULL, "
        "topic TEXT NOT NULL, body BLOB NOT NULL)"
    ),
    "CREATE INDEX message_alarm ON message (seq) WHERE alarm = 1",
    "INSERT INTO meta VALUES ('dropped_count', '7')",
    "INSERT INTO meta VALUES ('epoch', '00112233445566aa')",
    "PRAGMA user_version = 1",
)


def write_format_1(path: Path, rows: int) -> None:
    """An outbox as the first version left it: `rows` batches, every tenth a fire, number 1 delivered already."""
    connection = sqlite3.connect(path)
    for statement in ("PRAGMA page_size = 4096", "PRAGMA journal_mode = WAL", *FORMAT_1):
        connection.execute(statement)
    for seq in range(1, rows + 1):
        alarm = seq % 10 == 0
        body = (fire if alarm else noisy(3))("00112233445566aa", seq).to_bytes()
        row = (seq, TIME_UNIX_MS, alarm, not alarm, "incidents" if alarm else "readings", len(body) + 100)
        topic = FIRE if alarm else BAYS
        connection.execute("INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*row, str(topic), body))
    connection.execute("DELETE FROM message WHERE seq = 1")
    connection.commit()
    connection.close()


@pytest.mark.parametrize("rows", [20, 400])
def test_a_file_of_the_first_format_is_renewed_in_place(path: Path, rows: int) -> None:
    write_format_1(path, rows)
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    assert outbox.epoch == "00112233445566aa"
    assert outbox.status().dropped_count == 7
    found = outbox.pending(0, 1000)
    assert [row.seq for row in found] == list(range(2, rows + 1))
    assert found[0].body == noisy(3)("00112233445566aa", 2).to_bytes()
    assert [row.seq for row in outbox.pending(0, 2, alarms_only=True)] == [10, 20]
    assert outbox.put(BAYS, bays, alarm=False) == rows + 1
    (sql,) = outbox._file.connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'message'").fetchone()
    assert ("AUTOINCREMENT" in sql) is (rows > REBUILD_ROWS_MAX), "few rows are moved to the cheaper table at once"
    outbox.close()


def test_rows_of_the_first_format_are_evicted_with_their_facts(path: Path) -> None:
    write_format_1(path, 60)
    outbox = SqliteOutbox(path, bytes_max=70_000)
    while outbox.status().dropped_count < 7 + 20:
        outbox.put(BAYS, noisy(3), alarm=False)
    gaps = take_gaps(outbox)
    outbox.close()
    first = gaps[0]
    assert (first.first_seq, first.last_seq, first.readings_count) == (2, 9, 24), "number 10 is a fire"
    assert (first.from_unix_ms, first.until_unix_ms) == (TIME_UNIX_MS, TIME_UNIX_MS + 2)


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
    """A real file system of a little over 3 MB."""
    mount = tmp_path / "small"
    mount.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=3200k", "tmpfs", str(mount)], check=False, capture_output=True
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
    alarms: list[int] = []
    seqs: list[int] = []
    for index in range(3000):
        seqs.append(outbox.put(BAYS, noisy(8), alarm=False))
        if index % 100 == 0:
            alarms.append(outbox.put(FIRE, fire, alarm=True))
    status = outbox.status()
    assert status.dropped_count > 100
    assert status.rows > 100, "it still buffers"
    assert [row.seq for row in outbox.pending(0, 10_000, alarms_only=True)] == alarms
    newest = outbox.pending(0, 10_000)[-1].seq
    assert newest == 3000 + len(alarms), "the newest telemetry is what is kept"
    gaps = take_gaps(outbox)
    there = [row.seq for row in outbox.pending(0, 10_000)]
    assert sorted([*named(gaps), *there]) == sorted([*seqs, *alarms]), "every number is there or named, once"
    assert {one.cause for one in gaps} == {GapCause.DISK_FULL}
    while rows := outbox.pending(0, 100):
        seqs = [row.seq for row in rows]
        ended = outbox.delivered(outbox.epoch, seqs, "readings") + outbox.delivered(outbox.epoch, seqs, "incidents")
        assert ended == len(rows), "a full disk must not wedge the queue"
    outbox.close()


def test_a_disk_filled_by_others_keeps_draining_and_recovers(small_disk: Path) -> None:
    clock = ManualClock()
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000, clock=clock)
    for _ in range(400):
        outbox.put(BAYS, noisy(8), alarm=False)
    hog = fill(small_disk)
    for _ in range(400):
        outbox.put(BAYS, noisy(8), alarm=False)
        outbox.put(FIRE, fire, alarm=True)
    fill(small_disk)
    seqs = [row.seq for row in outbox.pending(0, 300)]
    assert len(outbox.pending(0, 10_000, alarms_only=True)) == 400, "every alarm found room"
    readings_ended = outbox.delivered(outbox.epoch, seqs, "readings")
    alarms_ended = outbox.delivered(outbox.epoch, seqs, "incidents")
    assert readings_ended + alarms_ended == 300
    assert len(outbox.pending(0, 10_000, alarms_only=True)) == 400 - alarms_ended
    hog.unlink()
    dropped = outbox.status().dropped_count
    clock.advance(RESERVE_RETRY_S)
    outbox.put(FIRE, fire, alarm=True)
    assert (small_disk / "outbox.db.reserve").exists(), "the ballast is taken back once there is room"
    for _ in range(300):
        outbox.put(BAYS, noisy(8), alarm=False)
    assert outbox.status().dropped_count == dropped, "with room again nothing is dropped"
    outbox.close()


def test_a_file_of_the_first_format_is_renewed_on_a_full_disk(small_disk: Path) -> None:
    write_format_1(small_disk / "outbox.db", 400)
    (small_disk / "outbox.db.reserve").write_bytes(b"\0" * 1_048_576)
    fill(small_disk)
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000)
    seqs = [row.seq for row in outbox.pending(0, 100)]
    assert outbox.delivered(outbox.epoch, seqs, "readings") == 90
    outbox.put(FIRE, fire, alarm=True)
    outbox.close()


def test_a_restart_on_a_full_disk_works(small_disk: Path) -> None:
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000)
    for _ in range(200):
        outbox.put(BAYS, noisy(8), alarm=False)
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
    outbox._file.connection.execute("PRAGMA query_only = ON")
    outbox.put(BAYS, bays, alarm=False)
    assert outbox.status().dropped_count == 1
    with pytest.raises(OutboxFullError, match="readonly"):
        outbox.put(FIRE, fire, alarm=True)
    assert outbox.delivered(outbox.epoch, [1], "readings") == 0
    assert len(outbox.pending(0, 10)) == 1
    outbox._file.connection.execute("PRAGMA query_only = OFF")
    assert outbox.put(FIRE, fire, alarm=True) == 3, "the refused alarm used no number"
    (gap,) = take_gaps(outbox)
    assert (named([gap]), gap.cause) == ([2], GapCause.DISK_FULL)
    outbox.close()


def after_a_kill(folder: Path) -> Path:
    """The outbox as kill -9 at this moment would leave it: its files, copied under the feet of who has them open."""
    copy = folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("hog", "*.reserve"))
    return copy / "outbox.db"


def test_numbers_that_a_full_disk_refused_are_named_after_a_kill(small_disk: Path) -> None:
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000)
    outbox.put(BAYS, bays, alarm=False)
    outbox._file.connection.execute("PRAGMA query_only = ON")  # the database takes nothing more at all
    (small_disk / "outbox.db.reserve").unlink()
    fill(small_disk)
    refused = [outbox.put(BAYS, bays, alarm=False) for _ in range(40)]
    again = SqliteOutbox(after_a_kill(small_disk), bytes_max=64_000_000)
    outbox.close()
    assert named(take_gaps(again)) == refused == list(range(2, 42))
    assert again.put(BAYS, bays, alarm=False) > refused[-1], "no number is used twice"
    again.close()


def test_a_note_counts_until_the_file_has_what_it_says_and_only_once(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    clock = ManualClock()
    outbox = SqliteOutbox(tmp_path / "o" / "outbox.db", bytes_max=BYTES_MAX, clock=clock)
    outbox.put(BAYS, bays, alarm=False)
    outbox._file.connection.execute("PRAGMA query_only = ON")
    for seq in (2, 3, 4):
        assert outbox.put(BAYS, bays, alarm=False) == seq
    outbox.note_lost(5, clock.unix_ms(), clock.unix_ms(), GapCause.MEMORY_FULL)
    noted = after_a_kill(tmp_path / "o")
    outbox._file.connection.execute("PRAGMA query_only = OFF")
    assert outbox.put(BAYS, bays, alarm=False) == 5
    saved = after_a_kill(tmp_path / "o")
    assert named(take_gaps(outbox)) == [2, 3, 4]
    taken = after_a_kill(tmp_path / "o")
    outbox.close()
    for path, next_seq in ((noted, 5), (saved, 6)):
        again = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
        assert again.put(BAYS, bays, alarm=False) == next_seq
        gaps = take_gaps(again)
        assert (named(gaps), sum(one.readings_count for one in gaps)) == (
            [2, 3, 4],
            5 + 3 * len(bays("e" * 16, 1).readings),
        )
        again.close()
    third = SqliteOutbox(taken, bytes_max=BYTES_MAX, clock=clock)
    assert (third.status().open_gaps, third.put(BAYS, bays, alarm=False)) == (0, 7)
    third.close()


def test_a_note_that_was_cut_off_or_holds_too_much_still_says_what_is_used_up(path: Path) -> None:
    note = OutboxNote(path)
    note.prepare()
    assert note.read() is None
    lost = [(index, GapRange("e" * 16, index, index, 1, 2, 1, 1, GapCause.DISK_FULL)) for index in range(1, 401, 2)]
    first = note.write(7, "e" * 16, 400, lost)
    found = OutboxNote(path).read()
    assert found is not None
    assert (first, found.number, found.last_seq) == (8, 8, 400)
    assert 0 < len(found.ranges) < len(lost)
    assert list(found.ranges.items()) == lost[-len(found.ranges) :], "the oldest are left out"
    note.write(0, "e" * 16, 401, [(5, None)])
    content = bytearray(path.read_bytes())
    assert len(content) == PLACES * PLACE_BYTES
    newest = OutboxNote(path).read()
    assert newest is not None
    assert (newest.number, newest.last_seq, newest.ranges) == (9, 401, {5: None})
    content[PLACE_BYTES + 20] ^= 1
    path.write_bytes(content)
    assert OutboxNote(path).read() == found
