"""Events: something happened once. They travel through the outbox like telemetry and are never evicted from it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contract.ids import Id
from contract.payload import Count, Epoch, Payload, Seq, Share, Text, UnixMs
from contract.telemetry import Reason

STILL_BASE64_LENGTH_MAX = 16_000  # fits, with its envelope, under the 20 KB that the trial broker accepts

EventId = Annotated[
    str, Field(pattern=r"^[0-9a-f]{32}$", description="A random UUID's 32 hex digits, made at the source.")
]


class Phase(StrEnum):
    """Where in its life a condition is."""

    RAISED = "raised"
    ONGOING = "ongoing"
    CLEARED = "cleared"


class Event(Payload):
    """What every event carries. `event_id` stays the same from raised to cleared.

    An event does not wait for a clock. With `clock_set` false its times are milliseconds since the device's boot: their
    differences hold, and whoever receives it puts `time_unix_ms` at the time of arrival.
    """

    epoch: Epoch
    seq: Seq
    event_id: EventId
    time_unix_ms: UnixMs
    clock_set: bool = True


class FireEvent(Event):
    """A camera's fire: raised when confirmed, ongoing while it lasts, cleared after the quiet time.

    `first_seen_unix_ms` is when the flame was first seen, `decided_unix_ms` when it was confirmed; `media_position_s`
    is the place of the deciding frame in a file that is played as a camera. `alarm_sounded` says that the device
    itself switched the market's siren and screens before it published.
    """

    phase: Phase
    zone: Id
    camera: Id
    score: Share
    first_seen_unix_ms: UnixMs
    decided_unix_ms: UnixMs
    media_position_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    alarm_sounded: bool = False


class StillEvent(Event):
    """The still picture of a fire: `event_id` is the fire's."""

    camera: Id
    width_px: Count
    height_px: Count
    jpeg_base64: Annotated[str, Field(max_length=STILL_BASE64_LENGTH_MAX, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]


class TroubleEvent(Event):
    """A part of a device does not do its work (a sensor, a camera, a screen)."""

    phase: Phase
    kind: Id
    subject: Id
    zone: Id | None = None
    reason: Reason
    detail: Text = ""
