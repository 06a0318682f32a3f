"""Mosquitto's password file, written without its own tool: no password ever stands on a command line.

Format `$7$` (Mosquitto 2.0, `mosquitto_passwd`): `name:$7$<iterations>$<salt>$<hash>`, PBKDF2-HMAC-SHA512, 12 bytes of
salt and 64 of hash in base64.
"""

import base64
import hashlib
import os
from collections.abc import Mapping

from runtime.errors import FatalError

ITERATIONS = 1_000  # the passwords are 192 random bits; the broker checks them in the thread that moves all messages
SALT_BYTES = 12


def password_file_text(passwords: Mapping[str, str]) -> str:
    """One line a user.

    Raises:
        FatalError: a name cannot stand in the file, or a password is empty.
    """
    return "".join(f"{_checked(name)}:{_hashed(name, word)}\n" for name, word in sorted(passwords.items()))


def _checked(name: str) -> str:
    if not name or any(character in name for character in ":\n\r\0"):
        raise FatalError(f"broker user {name!r}: a user name may not be empty nor hold ':' or a line break")
    return name


def _hashed(name: str, word: str) -> str:
    if not word:
        raise FatalError(f"broker user {name!r} has an empty password: every user needs one of its own")
    salt = os.urandom(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", word.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
