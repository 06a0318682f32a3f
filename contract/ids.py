"""Identifiers: the one shape that every market, device, channel and subject name has."""

from typing import Annotated

from pydantic import StringConstraints

ID_LENGTH_MAX = 63
ID_PATTERN = r"^[a-z0-9][a-z0-9-]{0,62}$"

Id = Annotated[str, StringConstraints(pattern=ID_PATTERN, strict=True)]
"""1 to 63 characters: lower-case letters, digits and hyphens, not starting with a hyphen."""

CLOCK_FLOOR_UNIX_MS = 1_735_689_600_000  # 2025-01-01: no device runs this software and has an earlier true time
UNIX_MS_MAX = 4_102_444_800_000  # 2100-01-01T00:00:00Z: a later time is a broken clock, not a reading


class BadIdError(ValueError):
    """A name that cannot stand in a topic; the sentence says which and what would be right."""


def check_id(value: str, what: str) -> str:
    """Return `value` if it is an id.

    Raises:
        BadIdError: it is not; `what` names its role in the sentence.
    """
    # Not `re.match` with `$`: that accepts a trailing newline, which would change a topic's shape.
    ok = (
        0 < len(value) <= ID_LENGTH_MAX
        and value[0] != "-"
        and all(char == "-" or ("a" <= char <= "z") or ("0" <= char <= "9") for char in value)
    )
    if not ok:
        raise BadIdError(
            f"{what} {value!r} is not an id: use 1 to {ID_LENGTH_MAX} of a-z, 0-9 and '-', not starting with '-'"
        )
    return value
