"""What the incident store speaks of: sightings in, incidents, their history and pictures out."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from broker.stores.incident_states import ACTIVE, Level
from broker.stores.message_models import NewMessage
from contract.events import Phase
from runtime.errors import FatalError

FIRE = "fire"
DRILL = "drill"
LATE = "late"
LOG_WINDOW = "window"
LOG_SUCCEEDED = "succeeded"
CODE_LETTERS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # without I, L, O, 0 and 1, which a person misreads
CODE_LENGTH = 4


class UnknownIncidentError(FatalError, LookupError):
    """No incident has this number."""

    def __init__(self, incident_id: int) -> None:
        super().__init__(f"there is no incident {incident_id}")
        self.incident_id = incident_id


class UnstorableError(FatalError):
    """The database cannot hold one of the values, now or ever; nothing of the batch was written."""


class Effect(StrEnum):
    """What an event did to the incidents."""

    DUPLICATE = "duplicate"  # a resend: nothing changed
    OPENED = "opened"
    ROSE = "rose"  # from watch to alarm: people are told as of something new
    REOPENED = "reopened"
    CONFIRMED = "confirmed"  # a further camera of the zone sees the same
    REPEATED = "repeated"
    CLEARED = "cleared"
    NOTED = "noted"  # kept in the history, belongs to no incident (yet)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one event says about one condition.

    `subject` names who sees it (the camera) within the device: its newer event ends its older one. `part` is what
    kind of part it is (camera, bay, …), `reason` why. `late` marks an event that took so long to arrive that it is
    history. `level` is watch or alarm.
    """

    market: str
    device: str
    epoch: str
    seq: int
    event_id: str
    name: str
    phase: Phase
    time_unix_ms: int
    zone: str
    kind: str
    severity: str
    subject: str
    part: str = ""
    reason: str = ""
    detail: str = ""
    body: str = ""
    score: float | None = None
    first_seen_unix_ms: int | None = None
    decided_unix_ms: int | None = None
    media_position_s: float | None = None
    late: bool = False
    level: str = Level.ALARM.value

    @property
    def open_key(self) -> str:
        """What makes repeats one incident."""
        return f"{self.market}/{self.zone}/{self.kind}"


@dataclass(frozen=True, slots=True)
class Picture:
    """A still as it came: belongs to the fire with the same event id.

    `moment` is before, first or now. A `private` one (pixelated outside the fire) replaces its moment's, and nothing
    replaces a private one but another.
    """

    market: str
    device: str
    epoch: str
    seq: int
    event_id: str
    camera: str
    time_unix_ms: int
    jpeg: bytes
    moment: str = "now"
    private: bool = False


@dataclass(frozen=True, slots=True)
class Incident:
    """An incident as it stands: `state` as in `incident_states.State`, `severity` fire, drill or trouble.

    `opened_unix_ms`, `cleared_unix_ms`, `first_seen_unix_ms` and `decided_unix_ms` are the device's times,
    `updated_unix_ms`, `acknowledged_unix_ms` and `closed_unix_ms` this side's. `detail` is "late" for a fire or drill
    that arrived late. `level` is watch or alarm, the highest it has had; `acknowledged_via` console, link, reply or
    button. `version` counts the writes.
    """

    incident_id: int
    code: str
    market: str
    zone: str
    kind: str
    state: str
    severity: str
    opened_unix_ms: int
    updated_unix_ms: int
    cleared_unix_ms: int | None
    acknowledged_unix_ms: int | None
    acknowledged_by: str | None
    first_seen_unix_ms: int | None
    decided_unix_ms: int | None
    media_position_s: float | None
    score_max: float | None
    detail: str
    event_count: int
    version: int = 0
    level: str = Level.ALARM.value
    acknowledged_via: str | None = None
    closed_unix_ms: int | None = None

    @property
    def is_active(self) -> bool:
        """Whether somebody still sees it."""
        return self.state in ACTIVE

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody has said that they take care of it."""
        return self.acknowledged_unix_ms is not None

    @property
    def is_alarm(self) -> bool:
        """Whether it is a fire of which people are told: not a drill, and more than a watch."""
        return self.severity == FIRE and self.level == Level.ALARM


@dataclass(frozen=True, slots=True)
class LogLine:
    """A transition: of the `action` from state to state, by `who` and `via` what if it was a person.

    `detail` names the cameras that see it, for a closing why: `LOG_WINDOW` or `LOG_SUCCEEDED`. The time is this side's.
    """

    time_unix_ms: int
    from_state: str | None
    to_state: str
    action: str
    who: str
    via: str
    detail: str


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One line of an incident's history. `name` is fire, drill, still, trouble or presence; `body` the event's JSON."""

    market: str
    device: str
    epoch: str
    seq: int
    subject: str | None
    event_id: str
    name: str
    phase: str | None
    time_unix_ms: int
    body: str


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody to whom a message of an incident was sent, or tried to be."""

    name: str
    recipient: str
    channel: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The incident as it stands, and whether this acknowledgement is the one that counts."""

    incident: Incident
    is_first: bool


@dataclass(frozen=True, slots=True)
class Still:
    """A fire's picture: of before, first or now. A `private` one is pixelated outside the fire."""

    event_id: str
    moment: str
    market: str
    camera: str
    time_unix_ms: int
    private: bool
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class StillNote:
    """That there is a picture, without it."""

    event_id: str
    moment: str
    camera: str
    time_unix_ms: int
    private: bool


@dataclass(frozen=True, slots=True)
class Change:
    """What a sighting did. `incident` is how the incident stands after it; `None` for a duplicate or a mere note.

    `cameras` is how many parts have seen it so far; 0 for a usual repeat, where nobody counted.
    """

    effect: Effect
    sighting: Sighting | Picture
    incident: Incident | None = None
    messages_due: int = 0
    cameras: int = 0


Compose = Callable[[Change], Sequence[NewMessage]]
"""Which messages a change sends; called inside the transaction, must be quick and pure."""

ComposeAck = Callable[[Incident, str, Sequence[Told]], Sequence[NewMessage]]
"""The messages by which those who were told learn who takes care; called inside the transaction, quick and pure."""


def new_code() -> str:
    """A short random code for texts: 4 of 31 letters."""
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
