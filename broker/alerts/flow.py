"""What the stages hand to each other: one batch on its way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from broker.stores.dead_letters import DeadLetter
from broker.stores.incident_models import Change, Picture, Sighting
from contract.access import DeviceIdentity
from contract.events import Event
from contract.presence import Presence
from transport.ports import RawMessage


@dataclass(frozen=True, slots=True)
class Heard:
    """A well-formed payload from an enrolled device, with the body as it came for the history."""

    identity: DeviceIdentity
    payload: Event | Presence
    topic: str
    body: bytes
    retain: bool = False


@dataclass(frozen=True, slots=True)
class Number:
    """A device's delivery number: to be confirmed once it is in a store, as incident or as dead letter."""

    identity: DeviceIdentity
    epoch: str
    seq: int


@dataclass(slots=True)
class Flow:
    """One batch. Each stage reads what stages before it have filled in, and fills in its own."""

    messages: Sequence[RawMessage]
    heard: list[Heard] = field(default_factory=list)
    letters: list[DeadLetter] = field(default_factory=list)
    seen: list[Sighting | Picture] = field(default_factory=list)
    changes: list[Change] = field(default_factory=list)
    confirmed: list[Number] = field(default_factory=list)


class Stage(Protocol):
    """One step over a batch. `RetryableError` holds the whole batch, unacknowledged, for another try."""

    def __call__(self, flow: Flow) -> None:
        """Do this step's part."""
        ...
