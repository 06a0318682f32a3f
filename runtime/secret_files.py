"""Secrets on disk: made at random, readable by their owner only, never logged."""

import os
import secrets
from pathlib import Path

from runtime.errors import SettingsError

SECRET_MODE = 0o600
OTHERS_MASK = 0o077
TOKEN_BYTES = 24


def write_secret(path: Path, value: str) -> None:
    """Write `value` so that only the owner can read it, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, SECRET_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def read_secret(path: Path) -> str:
    """The value.

    Raises:
        SettingsError: the file is missing, or others can read it.
    """
    try:
        mode = path.stat().st_mode
        value = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise SettingsError(f"{path}: the secret cannot be read: {error.strerror}") from error
    if mode & OTHERS_MASK:
        raise SettingsError(f"{path}: others may read this secret (mode {mode & 0o777:03o}): run chmod 600 on it")
    if not value:
        raise SettingsError(f"{path}: the secret is empty")
    return value


def ensure_secret(path: Path, value: str | None = None) -> str:
    """The secret in `path`, made at random (or from `value`) if the file does not exist yet."""
    if not path.exists():
        write_secret(path, value if value is not None else secrets.token_urlsafe(TOKEN_BYTES))
    return read_secret(path)
