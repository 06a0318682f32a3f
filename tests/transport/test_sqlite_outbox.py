"""What only an outbox on a disk can get wrong: crashes, a full disk, a damaged file, two processes."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from contract.telemetry import BayBatch, GapCause
from runtime.clock import ManualClock
from runtime.errors import FatalError
from tests.transport.outbox_files import after_a_kill, fill, write_format_1
from tests.transport.outbox_payloads import named, noisy, take_gaps
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
