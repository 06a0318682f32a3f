"""What becomes of an outbox whose file is damaged: what can be read travels on, the rest is named."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from contract.events import FireEvent
from contract.telemetry import BayBatch, GapCause
from runtime.clock import ManualClock
from tests.transport.outbox_files import after_a_kill, damaged, fill, page_of, write_format_1
from tests.transport.outbox_payloads import fire_at, named, noisy, take_gaps
from tests.transport.payloads import BAYS, FIRE, bays, fire
from transport.outbox_database import PAGE_BYTES
from transport.sqlite_outbox import SqliteOutbox

BYTES_MAX = 8_000_000


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


def test_a_file_found_corrupt_at_the_start_is_completed_by_its_note(tmp_path: Path) -> None:
    (tmp_path / "o").mkdir()
    clock = ManualClock()
    outbox = SqliteOutbox(tmp_path / "o" / "outbox.db", bytes_max=BYTES_MAX, clock=clock)
    for _ in range(300):
        outbox.put(BAYS, noisy(8), alarm=False)
    outbox._file.checkpoint()
    outbox._file.connection.execute("PRAGMA query_only = ON")
    refused = [outbox.put(BAYS, bays, alarm=False) for _ in range(3)]
    path = after_a_kill(tmp_path / "o")
    old = outbox.epoch
    outbox.close()
    damaged(path, 40, 8)
    again = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    gaps = take_gaps(again)
    again.close()
    (full,) = [one for one in gaps if one.cause is GapCause.DISK_FULL]
    assert (named([full]), full.gap_epoch, full.batches_count) == (refused, old, 3)
    path.write_bytes(b"this is no database")
    third = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    assert named(take_gaps(third)) == [], "the note is of the second file by now, which has what it says"
    third.close()


@pytest.mark.parametrize(("table", "expected"), [("meta", 1), ("gap", 0)])
def test_rows_travel_on_from_a_file_whose_head_is_what_was_damaged(path: Path, table: str, expected: int) -> None:
    clock = ManualClock()
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    for _ in range(20):
        outbox.put(BAYS, noisy(4), alarm=False)
    outbox.put(FIRE, fire, alarm=True)
    outbox.note_lost(9, clock.unix_ms(), clock.unix_ms(), GapCause.MEMORY_FULL)
    old = outbox.epoch
    outbox.close()
    page = page_of(path, table)
    with path.open("r+b") as file:
        file.seek(page * PAGE_BYTES)
        file.write(b"\xff" * PAGE_BYTES)
    again = SqliteOutbox(path, bytes_max=BYTES_MAX, clock=clock)
    assert [row.seq for row in again.pending(0, 100)] == list(range(1, 22))
    gaps = take_gaps(again)
    again.close()
    assert named(gaps) == list(range(1, 22))
    assert {one.gap_epoch for one in gaps} == {old}
    assert [one.cause for one in gaps].count(GapCause.MEMORY_FULL) == expected


def test_a_body_that_is_no_payload_is_named_where_the_rest_of_a_corrupt_file_travels_on(path: Path) -> None:
    write_format_1(path, 9)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE message SET body = x'7b' WHERE seq = 5")
        connection.execute("UPDATE message SET body = x'7b7d' WHERE seq = 6")
    damaged(path, page_of(path, "meta"), 1)
    outbox = SqliteOutbox(path, bytes_max=BYTES_MAX)
    assert len(outbox.pending(0, 100)) == 6
    gaps = take_gaps(outbox)
    outbox.close()
    assert sorted(named(gaps)) == list(range(2, 10))
    assert {one.gap_epoch for one in gaps} == {"00112233445566aa"}


def test_what_a_successor_s_disk_does_not_take_is_named_as_lost(small_disk: Path) -> None:
    outbox = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000)
    for _ in range(100):
        outbox.put(BAYS, noisy(8), alarm=False)
    outbox.close()
    damaged(small_disk / "outbox.db", 20, 1)
    (small_disk / "outbox.db.reserve").unlink()
    filled = fill(small_disk)
    os.truncate(filled, filled.stat().st_size - 300_000)
    again = SqliteOutbox(small_disk / "outbox.db", bytes_max=64_000_000)
    there = len(again.pending(0, 1000))
    filled.unlink()
    gaps = take_gaps(again)
    again.close()
    assert 0 < there < 100
    lost = sum(one.readings_count for one in gaps)
    assert lost == 8 * (len(named(gaps)) - there) > 0, "a row that came through is moved, any other is lost"
