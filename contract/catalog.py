"""The catalogue: every channel once. Documentation, access rules, schemas and the transport's typing follow from it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from contract.cameras import CameraCommand, CameraReply, SignedZonePlan, ViewPicture, ZonesReport
from contract.delivery import CommandReply, Delivered, SirenCommand
from contract.events import AcknowledgeEvent, FireEvent, StillEvent, ToldEvent, TroubleEvent
from contract.payload import Payload
from contract.presence import Presence, SettingsReport, SignageReport
from contract.roster import RosterReport, SignedRoster
from contract.signage import SignedManifest
from contract.telemetry import (
    AgentBatch,
    BayBatch,
    CameraBatch,
    GapBatch,
    GateBatch,
    PeopleBatch,
    ScreenBatch,
    SirenBatch,
)
from contract.topics import Topic

TELEMETRY_BYTES_MAX = 262_144
EVENT_BYTES_MAX = 20_000
STATE_BYTES_MAX = 262_144
SMALL_BYTES_MAX = 16_384
VIEW_BYTES_MAX = 49_152


class Role(StrEnum):
    """Who speaks on the bus."""

    DEVICE = "device"
    INGEST = "ingest"
    ALERTS = "alerts"
    CONSOLE = "console"


@dataclass(frozen=True, slots=True)
class Channel:
    """One row: `<channel>/<name>`, its payload, who writes, who reads, and how it travels.

    A device reads what is addressed to itself; with `market_wide` also what other devices of its market say.
    """

    channel: str
    name: str
    model: type[Payload]
    writers: tuple[Role, ...]
    readers: tuple[Role, ...]
    bytes_max: int
    what: str
    qos: int = 1
    retain: bool = False
    market_wide: bool = False

    @property
    def path(self) -> str:
        """`<channel>/<name>`."""
        return f"{self.channel}/{self.name}"


_D, _I, _A, _C = Role.DEVICE, Role.INGEST, Role.ALERTS, Role.CONSOLE
_UP, _LIVE = (_D,), (_I, _C)

CATALOG: tuple[Channel, ...] = (
    Channel(
        "telemetry",
        "bays",
        BayBatch,
        _UP,
        (_I, _C, _D),
        TELEMETRY_BYTES_MAX,
        "Parking bays: free, occupied or unknown. Screens of the market show them.",
        market_wide=True,
    ),
    Channel("telemetry", "gates", GateBatch, _UP, _LIVE, TELEMETRY_BYTES_MAX, "Vehicles in and out of a lot's gate."),
    Channel("telemetry", "people", PeopleBatch, _UP, _LIVE, TELEMETRY_BYTES_MAX, "People in and out of an entrance."),
    Channel("telemetry", "cameras", CameraBatch, _UP, _LIVE, TELEMETRY_BYTES_MAX, "Fire cameras: health and score."),
    Channel("telemetry", "screens", ScreenBatch, _UP, _LIVE, TELEMETRY_BYTES_MAX, "What each screen really shows."),
    Channel("telemetry", "sirens", SirenBatch, _UP, _LIVE, TELEMETRY_BYTES_MAX, "Sirens: sounding or silent."),
    Channel("telemetry", "agents", AgentBatch, _UP, _LIVE, TELEMETRY_BYTES_MAX, "The agent's own health and outbox."),
    Channel("telemetry", "gaps", GapBatch, _UP, (_I,), TELEMETRY_BYTES_MAX, "Gap records: what is lost, and why."),
    Channel(
        "event",
        "fire",
        FireEvent,
        _UP,
        (_A, _I, _C, _D),
        EVENT_BYTES_MAX,
        "A fire is raised, goes on, is cleared.",
        market_wide=True,
    ),
    Channel("event", "still", StillEvent, _UP, (_A,), EVENT_BYTES_MAX, "The still picture that goes with a fire."),
    Channel(
        "event", "trouble", TroubleEvent, _UP, (_A, _I, _C), EVENT_BYTES_MAX, "A part of a device fails or recovers."
    ),
    Channel(
        "event",
        "acknowledge",
        AcknowledgeEvent,
        _UP,
        (_A,),
        EVENT_BYTES_MAX,
        "A device's button was held: somebody takes care of the fires.",
    ),
    Channel(
        "event", "told", ToldEvent, _UP, (_A,), EVENT_BYTES_MAX, "A device told people of a fire by its own modem."
    ),
    Channel("status", "presence", Presence, _UP, (_A, _C), SMALL_BYTES_MAX, "Birth and last will.", retain=True),
    Channel(
        "reported", "signage", SignageReport, _UP, (_C,), SMALL_BYTES_MAX, "The signage generation shown.", retain=True
    ),
    Channel("reported", "settings", SettingsReport, _UP, (_C,), SMALL_BYTES_MAX, "The settings that run.", retain=True),
    Channel("reported", "zones", ZonesReport, _UP, (_C,), SMALL_BYTES_MAX, "The zones in use.", retain=True),
    Channel(
        "reported",
        "roster",
        RosterReport,
        _UP,
        (_C,),
        SMALL_BYTES_MAX,
        "The roster held by a device that has a modem.",
        retain=True,
    ),
    Channel(
        "desired", "signage", SignedManifest, (_C,), (_D,), STATE_BYTES_MAX, "What the screens shall show.", retain=True
    ),
    Channel(
        "desired",
        "zones",
        SignedZonePlan,
        (_C,),
        (_D,),
        STATE_BYTES_MAX,
        "Zones of the cameras' pictures.",
        retain=True,
    ),
    Channel(
        "desired",
        "roster",
        SignedRoster,
        (_C,),
        (_D,),
        STATE_BYTES_MAX,
        "Whom a device with a modem tells when the centre is away.",
        retain=True,
    ),
    Channel("cmd", "siren", SirenCommand, (_C,), (_D,), SMALL_BYTES_MAX, "Silence a siren."),
    Channel("ack", "siren", CommandReply, _UP, (_C,), SMALL_BYTES_MAX, "What became of a siren command."),
    Channel("cmd", "camera", CameraCommand, (_C,), (_D,), SMALL_BYTES_MAX, "View, test or accept a camera's picture."),
    Channel("ack", "camera", CameraReply, _UP, (_C,), SMALL_BYTES_MAX, "What became of a camera command."),
    Channel(
        "view",
        "camera",
        ViewPicture,
        _UP,
        (_C,),
        VIEW_BYTES_MAX,
        "A live view's picture: never kept, never resent.",
        qos=0,
    ),
    Channel("ack", "delivered", Delivered, (_I, _A), (_D,), SMALL_BYTES_MAX, "These numbers are in a store now."),
)

TELEMETRY_OF_SUBJECT = {
    get_args(row.model.model_fields["readings"].annotation)[0].SUBJECT_FIELD: row.name
    for row in CATALOG
    if row.channel == "telemetry"
}
"""What a reading's subject is called (bay, gate, …) → the telemetry name that it travels under (bays, gates, …)."""

_BY_PATH = {(row.channel, row.name): row for row in CATALOG}
_BY_MODEL = {row.model: row for row in CATALOG}

PAYLOAD_BYTES_MAX = max(row.bytes_max for row in CATALOG)

BROKER_BYTES_MAX = 4 * PAYLOAD_BYTES_MAX
"""What the broker lets through: more than the contract, so that ingest can say and count who sent too much."""


class UnknownChannelError(LookupError):
    """A topic whose channel and name are not in the catalogue."""


def channel_of(topic: Topic) -> Channel:
    """The catalogue's row for a topic.

    Raises:
        UnknownChannelError: there is none.
    """
    row = _BY_PATH.get((topic.channel, topic.name))
    if row is None:
        raise UnknownChannelError(f"channel {topic.channel}/{topic.name} is not in the catalogue")
    return row


def channel_for(model: type[Payload]) -> Channel:
    """The catalogue's row for a payload model.

    Raises:
        UnknownChannelError: there is none.
    """
    row = _BY_MODEL.get(model)
    if row is None:
        raise UnknownChannelError(f"{model.__name__} travels on no channel of the catalogue")
    return row


def topic_for(market: str, device: str, model: type[Payload]) -> Topic:
    """Where a device's payload of this model travels.

    Raises:
        UnknownChannelError: the model is not in the catalogue.
        contract.ids.BadIdError: `market` or `device` is not an id.
    """
    row = channel_for(model)
    return Topic(market, device, row.channel, row.name)
