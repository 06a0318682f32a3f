"""What the message store speaks of: messages to be written, and messages as they stand."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta

from broker.stores.acknowledge_tokens import LinkToken

SMS = "sms"
STORM = "storm"  # rows that are gathered into one message for each recipient, and never sent themselves
LEASE_S = 8.0
HEDGE_S = 2.0
CAP_PER_HOUR = 6
CAPPED_STEPS = ("u", "r", "a", "s")
RECIPIENT_IN_KEY_MAX = 120
CANARY_KEY = "canary:"  # how the key of a test message begins
HOUR_MS = int(timedelta(hours=1).total_seconds() * 1000)
MESSAGES_PER_READ_MAX = 1000
OVER_UNTOLD = "over before anybody was told"
OVERDUE_S = 60.0
OVERDUE_ATTEMPTS_MIN = 5

# How far along a message is: a mark never moves it back. `failed` comes before `delivered` because a receipt of
# failure for one try says nothing against a receipt of delivery for another.
RANK = {"due": 0, "leased": 0, "cancelled": 1, "unknown": 2, "accepted": 3, "failed": 4, "delivered": 5}


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to be written with its incident. `step` makes it unique per incident, recipient and channel.

    `capped` marks updates and repeats, of which a recipient gets at most `cap_per_hour` on this channel; what is over
    the cap is kept as cancelled, with the reason. `link` is one that the text carries: it counts from then on.
    """

    step: str
    recipient_name: str
    recipient: str
    text: str
    due_unix_ms: int
    capped: bool = False
    channel: str = SMS
    link: LinkToken | None = None
    cap_per_hour: int = CAP_PER_HOUR


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it stands. `state` is due, leased, accepted, delivered, failed, unknown or cancelled.

    `recipient` is a phone number, or whatever its channel calls people by.
    """

    message_id: int
    message_key: str
    incident_id: int | None
    market: str
    recipient_name: str
    recipient: str
    channel: str
    text: str
    state: str
    provider: str | None
    provider_reference: str | None
    attempts: int
    created_unix_ms: int
    due_unix_ms: int
    lease_until_unix_ms: int | None
    accepted_unix_ms: int | None
    delivered_unix_ms: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Stuck:
    """That messages of a market reach nobody: how many, whom the newest is for and what was said about it."""

    market: str
    messages_count: int
    recipient_name: str
    error: str


def message_key(code: str, recipient: str, channel: str, step: str) -> str:
    """What makes a message unique: incident, recipient, channel and step. A long recipient stands in it as a hash."""
    if len(recipient) > RECIPIENT_IN_KEY_MAX:
        recipient = hashlib.sha256(recipient.encode()).hexdigest()[:32]
    return f"{code}:{recipient}:{channel}:{step}"
