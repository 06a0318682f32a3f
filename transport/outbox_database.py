"""The outbox's SQLite file: its schema, its settings, how it is opened, checked and, when corrupt, moved aside."""

import os
import secrets
import sqlite3
from collections.abc import Sequence
from pathlib import Path

import structlog

from runtime.errors import FatalError

log = structlog.get_logger(__name__)

PAGE_BYTES = 2048  # of a new file; a commit writes whole pages, and smaller ones wear a card less
SCHEMA_VERSION = 2
FORMAT_WITHOUT_GAPS = 1
LOG_BYTES = 819_200  # keeps the log under 1 MB, so that the ballast can always hold a new one
RENEWAL_PAGES = 16  # a file at its bound can still be renewed; the outbox sets the bound once it is open
REBUILD_ROWS_MAX = 256
BUSY_TIMEOUT_S = 3.0
CORRUPT_FILES_MAX = 2
PRIMARY_CODE_MASK = 0xFF

_GAP_AND_BOOT = (
    # Open gap ranges: what is lost and not yet a message.
    (
        "CREATE TABLE gap (id INTEGER PRIMARY KEY, epoch TEXT NOT NULL, first_seq INTEGER, last_seq INTEGER, "
        "from_unix_ms INTEGER NOT NULL, until_unix_ms INTEGER NOT NULL, batches_count INTEGER NOT NULL, "
        "readings_count INTEGER NOT NULL, cause TEXT NOT NULL, boot_id TEXT)"
    ),
    # When a boot that began without a clock began: rows keep their times since boot and are moved when they are read.
    "CREATE TABLE boot (boot_id TEXT PRIMARY KEY, offset_ms INTEGER NOT NULL) WITHOUT ROWID",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)

# No AUTOINCREMENT, which writes a page of its own with every row: `last_seq` is kept whenever rows go.
_MESSAGE = (
    "CREATE TABLE message (seq INTEGER PRIMARY KEY, created_unix_ms INTEGER NOT NULL, "
    "alarm INTEGER NOT NULL, evictable INTEGER NOT NULL, store TEXT NOT NULL, size_bytes INTEGER NOT NULL, "
    "topic TEXT NOT NULL, body BLOB NOT NULL, readings_count INTEGER, from_unix_ms INTEGER, "
    "until_unix_ms INTEGER, boot_id TEXT)"
)

_INDEXES = (
    "CREATE INDEX message_kept ON message (seq) WHERE evictable = 0",
    "CREATE INDEX message_boot ON message (boot_id, seq) WHERE boot_id IS NOT NULL",
)

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "INSERT INTO meta VALUES ('dropped_count', '0')",
    _MESSAGE,
    *_INDEXES,
    *_GAP_AND_BOOT,
)

_FROM_1_TO_2 = (
    "ALTER TABLE message ADD COLUMN readings_count INTEGER",
    "ALTER TABLE message ADD COLUMN from_unix_ms INTEGER",
    "ALTER TABLE message ADD COLUMN until_unix_ms INTEGER",
    "ALTER TABLE message ADD COLUMN boot_id TEXT",
    "DROP INDEX message_alarm",
    ("INSERT OR REPLACE INTO meta SELECT 'last_seq', CAST(seq AS TEXT) FROM sqlite_sequence WHERE name = 'message'"),
    *_INDEXES,
    *_GAP_AND_BOOT,
)
"""Format 1 grows in place: no row is copied, so that it works on a full disk too."""

_WITHOUT_AUTOINCREMENT = (
    "DROP INDEX message_kept",
    "DROP INDEX message_boot",
    "ALTER TABLE message RENAME TO old_message",
    _MESSAGE,
    "INSERT INTO message SELECT * FROM old_message",
    "DROP TABLE old_message",
    *_INDEXES,
)
"""What a file of format 1 still lacks is done at a start that finds few rows in it."""


def open_database(path: Path, bytes_max: int) -> sqlite3.Connection:
    """Open or make the file, readable by its owner only, and check it.

    Raises:
        FatalError: in use by another process, made by another version, or not creatable.
        sqlite3.DatabaseError: corrupt (`is_corrupt`), or the disk failed.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise FatalError(f"{path}: the outbox file cannot be made: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        _configure(connection, bytes_max)
        _check(connection, path)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.OperationalError) and _code(error) == sqlite3.SQLITE_BUSY:
            raise FatalError(f"{path}: another process holds this outbox: stop it, or give this one its own") from error
        raise
    return connection


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk, or the file's own bound, had no room."""
    return _code(error) == sqlite3.SQLITE_FULL


def is_corrupt(error: sqlite3.Error) -> bool:
    """Whether the file is damaged or no database at all."""
    return _code(error) in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


def move_aside(path: Path, unix_ms: int, reason: str) -> Path:
    """Rename a corrupt file and its log to `<name>.corrupt-<unix ms>…` and forget all but the newest such files.

    Returns where the file is now.
    """
    moved = path.with_name(f"{path.name}.corrupt-{unix_ms}")
    log.error("outbox.corrupt", path=str(path), reason=reason, moved_to=moved.name)
    for suffix in ("", "-wal", "-shm", "-journal"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.replace(path.with_name(f"{path.name}.corrupt-{unix_ms}{suffix}"))
    stamps = sorted(
        {entry.name.split(".corrupt-")[1].split("-")[0] for entry in path.parent.glob(f"{path.name}.corrupt-*")}
    )
    for stamp in stamps[:-CORRUPT_FILES_MAX]:
        for entry in path.parent.glob(f"{path.name}.corrupt-{stamp}*"):
            entry.unlink()
    return moved


def _configure(connection: sqlite3.Connection, bytes_max: int) -> None:
    for pragma in (
        # One process: no shared-memory file to grow on a full disk, and two agents cannot number from one file.
        "locking_mode = EXCLUSIVE",
        f"page_size = {PAGE_BYTES}",
        "journal_mode = WAL",
        "synchronous = FULL",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_BYTES // page_bytes(connection)}").fetchall()
    bound_size(connection, bytes_max, spare_pages=RENEWAL_PAGES)


def page_bytes(connection: sqlite3.Connection) -> int:
    """The size of this file's pages: those of format 1 are larger."""
    return int(connection.execute("PRAGMA page_size").fetchone()[0])


def bound_size(connection: sqlite3.Connection, bytes_max: int, *, spare_pages: int = 0) -> None:
    """Let the file grow to `bytes_max` and no further; one that is larger keeps its size."""
    pages = bytes_max // page_bytes(connection) + spare_pages
    connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Take the lock, make the schema in a new file, renew an older one, and look for damage."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            _run(connection, _SCHEMA)
            connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
        elif version == FORMAT_WITHOUT_GAPS:
            _run(connection, _FROM_1_TO_2)
            log.info("outbox.format_renewed", path=str(path), was=version, now=SCHEMA_VERSION)
        else:
            _check_version(version, path)
        connection.execute("COMMIT")
    except BaseException:  # raised again: no half-made file stays behind a defect or an interrupt
        _roll_back(connection)
        raise
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError(f"damaged: {found}")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    _rebuild(connection)


def _rebuild(connection: sqlite3.Connection) -> None:
    """Move the few rows of a file of format 1 to a table without AUTOINCREMENT; where there is no room, later."""
    sql = connection.execute("SELECT sql FROM sqlite_schema WHERE name = 'message'").fetchone()[0]
    few = "SELECT count(*) FROM (SELECT 1 FROM message LIMIT ?)"
    if "AUTOINCREMENT" not in sql or connection.execute(few, (REBUILD_ROWS_MAX + 1,)).fetchone()[0] > REBUILD_ROWS_MAX:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        _run(connection, _WITHOUT_AUTOINCREMENT)
        connection.execute("COMMIT")
    except BaseException as error:
        _roll_back(connection)
        if not (isinstance(error, sqlite3.OperationalError) and is_full(error)):  # without room: at a later start
            raise


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:  # SQLite ends some failed transactions by itself
        connection.execute("ROLLBACK")


def _check_version(version: int, path: Path) -> None:
    if version != SCHEMA_VERSION:
        raise FatalError(f"{path}: this outbox has format {version}, this program reads format {SCHEMA_VERSION}")


def _run(connection: sqlite3.Connection, statements: Sequence[str]) -> None:
    for statement in statements:
        connection.execute(statement)


def _code(error: sqlite3.Error) -> int:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & PRIMARY_CODE_MASK
