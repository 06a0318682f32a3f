"""What a camera's process and its supervisor say to each other: one JSON object a line."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from edge.cameras.settings import FireSettings

LINE_BYTES_MAX = 65_536
STILL_BYTES_MAX = 11_900  # base64 makes 15,868 of it, under the 16,000 that a still event carries

Fire = Literal["quiet", "suspected", "confirmed"]
Picture = Literal["moving", "frozen", "still"]
"""`moving`: pictures differ. `frozen`: bit-identical for `frozen_after_s`. `still`: the source is one picture file."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class WatchSettings(_Line):
    """The first line on the process's standard input. The end of that input ends the process."""

    camera: str
    source: str
    loop: bool = False
    fire: FireSettings = FireSettings()
    frozen_after_s: Annotated[float, Field(gt=0)] = 10.0


class StatusLine(_Line):
    """Once a second, from a thread of its own, so that it comes even while a read hangs."""

    kind: Literal["status"] = "status"
    frame_age_s: float | None
    fps: float
    score: float
    fire: Fire
    picture: Picture
    dark: bool = False
    position_s: float | None = None


class FireLine(_Line):
    """At once when a fire is confirmed, and at once when a confirmed one is over (`fire` is what it is now).

    The moment of writing is the moment of the decision; `first_seen_age_s` is how long before it the flame was seen.
    """

    kind: Literal["fire"] = "fire"
    fire: Fire
    score: float
    first_seen_age_s: float
    position_s: float | None = None
    still_base64: str | None = None
    width_px: int = 0
    height_px: int = 0


class EndLine(_Line):
    """The last line: why the process ends by itself."""

    kind: Literal["end"] = "end"
    reason: Literal["absent", "ended", "lost"]
    detail: str


Line = StatusLine | FireLine | EndLine

LINE: TypeAdapter[Line] = TypeAdapter(Annotated[Line, Field(discriminator="kind")])
