"""Fire cameras: zones drawn on their picture, commands for aiming and testing them, and the live view."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contract.delivery import Command, CommandReply
from contract.hours import WHOLE_WEEK, Minute, Weekdays
from contract.ids import Id
from contract.payload import Count, Payload, Share, Text, UnixMs

ZONES_MAX = 16
POINTS_MIN, POINTS_MAX = 3, 32
VIEW_BASE64_LENGTH_MAX = 40_000
VIEW_S_MAX = 300
DRILL_S_MAX = 600
DRILL_SOUND_S = 3
"""How long a drill sounds, where a device's settings ask for it: long enough to hear that the siren works."""

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class Point(Payload):
    """A place in a picture, as fractions of its width and height from the top left corner."""

    x: Fraction
    y: Fraction


class CameraZone(Payload):
    """A polygon of a camera's picture in which fire is no alarm, or not at once.

    `ignored`: never looked at (a neon sign, a stove's window). `cooking`: a fire is expected; it alarms only beyond
    `size_share_max` of the zone's area, or when it grows beyond `growth_ratio_max` times its usual size. Outside its
    hours (weekdays 1 = Monday to 7 = Sunday, minutes of the market's day; equal minutes: all day) a zone is none.
    """

    name: Id
    kind: Literal["ignored", "cooking"]
    points: Annotated[tuple[Point, ...], Field(min_length=POINTS_MIN, max_length=POINTS_MAX, strict=False)]
    days: Weekdays = WHOLE_WEEK
    from_minute: Minute = 0
    to_minute: Minute = 0
    size_share_max: Annotated[float, Field(gt=0.0, le=1.0, allow_inf_nan=False)] = 0.5
    growth_ratio_max: Annotated[float, Field(ge=1.0, le=100.0, allow_inf_nan=False)] = 3.0


class CameraZones(Payload):
    """The zones of one camera; none: the whole picture is watched at all hours."""

    camera: Id
    zones: Annotated[tuple[CameraZone, ...], Field(max_length=ZONES_MAX, strict=False)] = ()

    @model_validator(mode="after")
    def _names_differ(self) -> Self:
        names = [zone.name for zone in self.zones]
        if len(set(names)) < len(names):
            raise ValueError(f"two zones of camera {self.camera!r} have the same name: give each its own")
        return self


class ZonePlan(Payload):
    """The zones of all cameras of a device. A higher generation replaces a lower one; a camera left out has none."""

    market: Id
    device: Id
    generation: Annotated[int, Field(ge=1, le=2**53)]
    issued_unix_ms: UnixMs
    utc_offset_minutes: Annotated[int, Field(ge=-720, le=840)] = 540
    cameras: Annotated[tuple[CameraZones, ...], Field(max_length=64, strict=False)] = ()


class SignedZonePlan(Payload):
    """A zone plan's JSON text and the Ed25519 signature over exactly those bytes."""

    plan_json: Annotated[str, Field(max_length=200_000)]
    key_id: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    signature_base64: Annotated[str, Field(max_length=100)]
    generation: Count


class ZonesReport(Payload):
    """Which generation of zones a device's cameras use, and why not a newer one."""

    generation: Count
    state: Literal["active", "rejected"]
    reason: Text = ""
    time_unix_ms: UnixMs


class CameraAction(StrEnum):
    """What a camera can be told."""

    VIEW = "view"  # send small pictures for `lasts_s`
    STOP_VIEW = "stop-view"
    DRILL = (
        "drill"  # for `lasts_s`, a fire that is confirmed is a drill: no siren, no evacuation, a message all the same
    )
    STOP_DRILL = "stop-drill"
    ACCEPT_VIEW = "accept-view"  # the picture of now is the reference that `moved` is told against


class CameraCommand(Command):
    """A command to one camera; `lasts_s` is for a view and a drill, `VIEW_S_MAX` and `DRILL_S_MAX` at most."""

    camera: Id
    action: CameraAction
    lasts_s: Annotated[int, Field(ge=0, le=DRILL_S_MAX)] = 0


class CameraReply(CommandReply):
    """What became of a camera command."""


class ViewPicture(Payload):
    """One picture of a live view, the detector's regions and zones drawn in. Never kept, never resent."""

    camera: Id
    time_unix_ms: UnixMs
    score: Share
    fire: Literal["quiet", "suspected", "confirmed"]
    drill: bool = False
    width_px: Count
    height_px: Count
    jpeg_base64: Annotated[str, Field(max_length=VIEW_BASE64_LENGTH_MAX, pattern=r"^[A-Za-z0-9+/]+={0,2}$")]
