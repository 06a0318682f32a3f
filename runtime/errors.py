"""Errors that say what to do next."""

from collections.abc import Sequence
from dataclasses import dataclass


class JangteoError(Exception):
    """The root of the errors that Jangteo raises on purpose. Its text is one sentence for a person."""


class RetryableError(JangteoError):
    """The same call may succeed later: keep the data, back off, try again."""


class FatalError(JangteoError):
    """The same call will never succeed: do not retry; a person or a dead letter has to take it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """One thing out of many that was refused: its place in what was handed over, and the refuser's words."""

    index: int
    reason: str


class PartialError(JangteoError):
    """Some of it was refused for good, everything else is done: dead-letter `rejected`, do not retry the rest."""

    def __init__(self, rejected: Sequence[Rejected]) -> None:
        super().__init__(f"{len(rejected)} refused, first: {rejected[0].reason}" if rejected else "none refused")
        self.rejected = tuple(rejected)


class SettingsError(FatalError):
    """Settings that cannot be used; the sentence names file, key, what is wrong and what would be right."""
