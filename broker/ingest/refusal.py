"""Why ingest refuses a message or a reading."""

from enum import StrEnum


class RefusalKind(StrEnum):
    """The kinds of dead letter. Each has its own counter."""

    BAD_TOPIC = "bad-topic"
    UNKNOWN_DEVICE = "unknown-device"
    UNKNOWN_SUBJECT = "unknown-subject"
    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    CLOCK = "clock"
    REJECTED = "rejected"

    @property
    def counter(self) -> str:
        """The name of its counter."""
        return f"dead_letters_{self.value.replace('-', '_')}_total"


class RefusedError(Exception):
    """A message that goes to the dead letter; inside `decode` only."""

    def __init__(self, kind: RefusalKind, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
