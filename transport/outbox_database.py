"""The outbox's SQLite file: its schema, its settings, how it is opened, checked and, when corrupt, moved aside."""

import os
import secrets
import sqlite3
from pathlib import Path

import structlog

from runtime.errors import FatalError

log = structlog.get_logger(__name__)

PAGE_BYTES = 4096
SCHEMA_VERSION = 1
AUTOCHECKPOINT_PAGES = 200  # keeps the log under 1 MB, so that the ballast can always hold a new one
BUSY_TIMEOUT_S = 3.0
CORRUPT_FILES_MAX = 2
PRIMARY_CODE_MASK = 0xFF

_SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # AUTOINCREMENT: a number is never given twice, even when its row and all later ones are gone.
    (
        "CREATE TABLE message (seq INTEGER PRIMARY KEY AUTOINCREMENT, created_unix_ms INTEGER NOT NULL, "
        "alarm INTEGER NOT NULL, evictable INTEGER NOT NULL, store TEXT NOT NULL, size_bytes INTEGER NOT NULL, "
        "topic TEXT NOT NULL, body BLOB NOT NULL)"
    ),
    "CREATE INDEX message_alarm ON message (seq) WHERE alarm = 1",
    "INSERT INTO meta VALUES ('dropped_count', '0')",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


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


def move_aside(path: Path, unix_ms: int, reason: str) -> None:
    """Rename a corrupt file and its log to `<name>.corrupt-<unix ms>…` and forget all but the newest such files."""
    log.error("outbox.corrupt", path=str(path), reason=reason, moved_to=f"{path.name}.corrupt-{unix_ms}")
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


def _configure(connection: sqlite3.Connection, bytes_max: int) -> None:
    for pragma in (
        # One process: no shared-memory file to grow on a full disk, and two agents cannot number from one file.
        "locking_mode = EXCLUSIVE",
        f"page_size = {PAGE_BYTES}",
        "journal_mode = WAL",
        "synchronous = FULL",
        f"wal_autocheckpoint = {AUTOCHECKPOINT_PAGES}",
        f"max_page_count = {bytes_max // PAGE_BYTES}",
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Take the lock, make the schema in a new file, and look for damage in an old one."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("INSERT INTO meta VALUES ('epoch', ?)", (secrets.token_hex(8),))
        elif version != SCHEMA_VERSION:
            raise FatalError(f"{path}: this outbox has format {version}, this program reads format {SCHEMA_VERSION}")
    finally:
        if connection.in_transaction:
            connection.execute("COMMIT")
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        error = sqlite3.DatabaseError(f"damaged: {found}")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error


def _code(error: sqlite3.Error) -> int:
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & PRIMARY_CODE_MASK
