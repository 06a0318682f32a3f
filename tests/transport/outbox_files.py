"""Outbox files as they are found: of the first format, after a kill, damaged, on a disk without room."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.transport.outbox_payloads import noisy
from tests.transport.payloads import BAYS, FIRE, TIME_UNIX_MS, fire

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


def after_a_kill(folder: Path) -> Path:
    """The outbox as kill -9 at this moment would leave it: its files, copied under the feet of who has them open."""
    copy = folder.with_name(f"{folder.name}-{len(list(folder.parent.iterdir()))}")
    shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("hog", "*.reserve"))
    return copy / "outbox.db"


def damaged(path: Path, first_page: int, pages: int) -> None:
    """Overwrite whole pages of the file."""
    with path.open("r+b") as file:
        file.seek(first_page * 4096)
        file.write(b"\xff" * 4096 * pages)


def page_of(path: Path, table: str) -> int:
    """The first page of a table, from 0."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]) - 1


def fill(disk: Path) -> Path:
    """Take every free block, as a log that grew over night does."""
    hog = disk / "hog"
    with hog.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return hog
