"""What a camera's process and its supervisor say to each other: one JSON object a line."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from contract.cameras import DRILL_S_MAX, VIEW_S_MAX, ZONES_MAX, CameraZone
from contract.events import FireReason
from contract.telemetry import Reason
from edge.cameras.settings import FireSettings

LINE_BYTES_MAX = 131_072
STILL_BYTES_MAX = 11_900  # base64 makes 15,868 of it, under the 16,000 that a still event carries
VIEW_BYTES_MAX = 29_000  # base64 makes 38,668 of it, under the 40,000 that a view picture carries
VIEW_FPS_MAX = 5.0

Fire = Literal["quiet", "suspected", "confirmed"]
Picture = Literal["moving", "frozen", "still"]
"""`moving`: pictures differ. `frozen`: bit-identical for `frozen_after_s`. `still`: the source is one picture file."""

Moment = Literal["before", "first", "now"]


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WatchSettings(_Line):
    """The first line on the process's standard input. The end of that input ends the process.

    `reference_file` is where the camera's reference views are kept over restarts; None keeps none.
    """

    camera: str
    source: str
    loop: bool = False
    fire: FireSettings = FireSettings()
    frozen_after_s: Annotated[float, Field(gt=0)] = 10.0
    private_stills: bool = False
    reference_file: Path | None = None


class ViewOrder(_Line):
    """Send small pictures for a while, from now on; 0 seconds end it."""

    kind: Literal["view"] = "view"
    lasts_s: Annotated[float, Field(ge=0, le=VIEW_S_MAX)]
    fps: Annotated[float, Field(gt=0, le=VIEW_FPS_MAX)] = 2.0


class DrillOrder(_Line):
    """A drill is on for so long, which the live view shows; the supervisor is who marks a fire as a drill."""

    kind: Literal["drill"] = "drill"
    lasts_s: Annotated[float, Field(ge=0, le=DRILL_S_MAX)]


class AcceptViewOrder(_Line):
    """What the camera shows in the next ten seconds becomes its only reference view."""

    kind: Literal["accept-view"] = "accept-view"


class ZonesOrder(_Line):
    """These zones hold from now on."""

    kind: Literal["zones"] = "zones"
    zones: Annotated[tuple[CameraZone, ...], Field(max_length=ZONES_MAX, strict=False)]
    utc_offset_minutes: int


class ClockOrder(_Line):
    """The device's time: Unix milliseconds at zero of the machine's monotonic clock; None while nobody knows."""

    kind: Literal["clock"] = "clock"
    offset_ms: int | None


Order = ViewOrder | DrillOrder | AcceptViewOrder | ZonesOrder | ClockOrder

ORDER: TypeAdapter[Order] = TypeAdapter(Annotated[Order, Field(discriminator="kind")])


class Retrying(_Line):
    """The process has no camera now and tries again by itself: why the last try, or the last picture, was the last."""

    reason: Literal["absent", "lost"]
    detail: str


class CannotSee(_Line):
    """There are pictures, and they are not to be trusted."""

    reason: Reason
    detail: str


class StatusLine(_Line):
    """Once a second, from a thread of its own, so that it comes even while a read hangs.

    `opening_s` is how long the source has been opening; None while it is not.
    """

    kind: Literal["status"] = "status"
    frame_age_s: float | None
    fps: float
    score: float
    fire: Fire
    picture: Picture
    cannot_see: CannotSee | None = None
    retrying: Retrying | None = None
    opening_s: float | None = None
    position_s: float | None = None


class StillLine(_Line):
    """A still of a fire inside its line; a `private` one is pixelated outside the fire's region."""

    moment: Moment
    jpeg_base64: str
    width_px: int
    height_px: int
    private: bool = False


class FireLine(_Line):
    """At once when a fire is confirmed, and at once when a confirmed one is over (`fire` is what it is now).

    The moment of writing is the moment of the decision; `first_seen_age_s` is how long before it the flame was seen.
    """

    kind: Literal["fire"] = "fire"
    fire: Fire
    score: float
    first_seen_age_s: float
    position_s: float | None = None
    reasons: tuple[FireReason, ...] = ()
    scores: tuple[float, ...] = ()
    stills: tuple[StillLine, ...] = ()


class ViewLine(_Line):
    """One picture of a live view, with zones and regions drawn in."""

    kind: Literal["view"] = "view"
    score: float
    fire: Fire
    jpeg_base64: str
    width_px: int
    height_px: int


class EndLine(_Line):
    """The last line: why the process ends by itself."""

    kind: Literal["end"] = "end"
    reason: Literal["absent", "ended", "lost"]
    detail: str


Line = StatusLine | FireLine | ViewLine | EndLine

LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
