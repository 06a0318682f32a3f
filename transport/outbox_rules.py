"""What every outbox decides alike: which store ends a row, what may be evicted, and how bytes are counted."""

from dataclasses import dataclass

from contract.topics import Topic

BYTES_MAX_MIN = 65_536
ROW_OVERHEAD_BYTES = 64  # row id, flags, time, and the tree's own book-keeping

STORE_OF_CHANNEL = {"telemetry": "readings", "event": "incidents"}
"""The store whose confirmation ends a row of this channel. Nothing else travels through an outbox."""


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row on its way in. `evictable` rows go, oldest first, when the outbox is over its bound."""

    seq: int
    topic: Topic
    body: bytes
    created_unix_ms: int
    alarm: bool

    @property
    def store(self) -> str:
        """The store that must confirm it."""
        return STORE_OF_CHANNEL[self.topic.channel]

    @property
    def evictable(self) -> bool:
        """Telemetry that is no alarm. Events are never evicted."""
        return not self.alarm and self.topic.channel == "telemetry"

    @property
    def size_bytes(self) -> int:
        """What it counts for against the bound."""
        return len(self.body) + len(str(self.topic)) + ROW_OVERHEAD_BYTES


def check_channel(topic: Topic) -> None:
    """Return if `topic` may travel through an outbox.

    Raises:
        ValueError: it carries neither telemetry nor an event: no store would ever confirm it.
    """
    if topic.channel not in STORE_OF_CHANNEL:
        raise ValueError(f"{topic}: an outbox carries telemetry and events, which a store confirms; publish this one")


def check_bound(bytes_max: int) -> None:
    """Return if `bytes_max` can hold a message of every kind.

    Raises:
        ValueError: it cannot.
    """
    if bytes_max < BYTES_MAX_MIN:
        raise ValueError(f"an outbox of {bytes_max} bytes is too small: give it at least {BYTES_MAX_MIN}")


def telemetry_bytes_max(bytes_max: int) -> int:
    """How much of the bound telemetry may fill; the rest is kept free for alarms."""
    return bytes_max - bytes_max // 4
