"""Events: something happened once. They travel through the outbox like telemetry and are never evicted from it."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from contract.ids import Id
from contract.payload import Count, Epoch, Payload, Seq, Share, Text, UnixMs
from contract.telemetry import Reason

STILL_BASE64_LENGTH_MAX = 16_000  # fits, with its envelope, under the 20 KB that the trial broker accepts

FIRE_REASONS_MAX = 10
SCORES_MAX = 60
ACKNOWLEDGED_FIRES_MAX = 64
TOLD_PHONES_MAX = 100
SCORE_STEP_MS = 250

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


class FireSign(StrEnum):
    """What can speak for a flame. One list for every detector, so that a page can word each once."""

    LOOKS_LIKE_FLAME = "looks-like-flame"  # the learned eye, on the region
    PICTURE_LOOKS_LIKE_FIRE = "picture-looks-like-fire"  # the same, on the whole picture
    FLAME_COLOUR = "flame-colour"
    BRIGHT = "bright"
    FLICKERS = "flickers"
    IRREGULAR = "irregular"  # it never repeats itself, as lamps and signs do
    SHINES = "shines"  # brighter than what is around it
    BEYOND_COOKING = "beyond-cooking"  # larger, or growing faster, than its cooking zone allows


class FireReason(Payload):
    """One sign of a fire and how strong it was."""

    sign: FireSign
    strength: Share


class FireEvent(Event):
    """A camera's fire: raised when confirmed, ongoing while it lasts, cleared after the quiet time.

    `reasons` says what spoke for flame, strongest first; `scores` is the score's history up to the decision, one value
    every `SCORE_STEP_MS`, newest last. A `drill` was asked for beforehand: people are told, and there is no alarm (but
    where the device's settings ask for it, its sirens sound for a moment). `first_seen_unix_ms` is when the flame was
    first seen, `decided_unix_ms` when it was confirmed; `media_position_s` is the place of the deciding frame in a file
    that is played as a camera. `alarm_sounded` says that the device itself switched the market's siren and screens
    before it published.

    `level` is watch while a device only keeps an eye on something that may become a fire: it is written down and shown,
    nothing sounds and by default nobody is told. An event that rises to alarm keeps its `event_id`. No agent of this
    version sends a watch; the centre and other devices take it as said here.
    """

    phase: Phase
    zone: Id
    camera: Id
    score: Share
    first_seen_unix_ms: UnixMs
    decided_unix_ms: UnixMs
    media_position_s: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    alarm_sounded: bool = False
    drill: bool = False
    level: Literal["watch", "alarm"] = "alarm"
    reasons: Annotated[tuple[FireReason, ...], Field(max_length=FIRE_REASONS_MAX, strict=False)] = ()
    scores: Annotated[tuple[Share, ...], Field(max_length=SCORES_MAX, strict=False)] = ()


class StillEvent(Event):
    """A still picture of a fire: `event_id` is the fire's.

    Three go with an alarm: the place before the flame, when it was first seen, and when it was confirmed. A `private`
    one is pixelated outside the fire's region and replaces the picture of its moment.
    """

    camera: Id
    moment: Literal["before", "first", "now"] = "now"
    private: bool = False
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


class AcknowledgeEvent(Event):
    """Somebody held a device's button: they take care of what burns in its market, or with `zone` in that zone.

    `fires` are the active fires that the device knew of then, oldest first: whoever pressed has heard those. A press
    never stands for a fire that began after it, however late it arrives.
    """

    button: Id
    zone: Id | None = None
    fires: Annotated[tuple[EventId, ...], Field(max_length=ACKNOWLEDGED_FIRES_MAX, strict=False)] = ()


class ToldEvent(Event):
    """A device has told people of a fire by its own modem, because the centre had not confirmed it in time.

    `event_id` is the fire's, which may be another device's of the same market; the modem is that of the device which
    says this. `phones` are those whose text the phone network took; the centre does not send them its first word again.
    """

    phones: Annotated[
        tuple[Annotated[str, Field(pattern=r"^\+?[0-9]{3,15}$")], ...],
        Field(min_length=1, max_length=TOLD_PHONES_MAX, strict=False),
    ]
