"""The settings of fire detection, one model with bounds."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contract.cameras import ZONES_MAX, CameraZone

Fraction = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]


class IgnoredArea(BaseModel):
    """A part of the picture never looked at (a stove, a grill, a neon sign), as fractions from the top left."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: Fraction
    y: Fraction
    w: Fraction
    h: Fraction

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.x + self.w > 1.0 + 1e-9 or self.y + self.h > 1.0 + 1e-9:
            raise ValueError("the area reaches over the picture's edge: x + w and y + h must be at most 1")
        return self


class FireSettings(BaseModel):
    """How one camera looks for fire. The defaults are the ones whose figures `scripts/bench fire` prints."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    picture_side_px: Annotated[
        int, Field(ge=160, le=640, description="Frames are shrunk until their longer side is at most this.")
    ] = 320
    analysed_fps: Annotated[
        float, Field(ge=4.0, le=15.0, description="At most this many frames of a second of media time are analysed.")
    ] = 8.0
    score_min: Annotated[float, Field(gt=0.0, lt=1.0, description="A region with this score is taken for flame.")] = 0.5
    still_score_min: Annotated[
        float, Field(gt=0.0, lt=1.0, description="The same for a single picture, in which nothing is seen to flicker.")
    ] = 0.7
    confirm_window_s: Annotated[
        float, Field(ge=0.5, le=10.0, description="A region has to look like flame for this long to be confirmed.")
    ] = 1.5
    confirm_share: Annotated[
        float, Field(ge=0.5, le=1.0, description="Share of the frames analysed in the window that must show flame.")
    ] = 0.75
    clear_after_s: Annotated[
        float, Field(ge=1.0, le=600.0, description="A confirmed fire is over after this long without flame.")
    ] = 10.0
    ignored_areas: Annotated[tuple[IgnoredArea, ...], Field(max_length=16)] = ()
    zones: Annotated[tuple[CameraZone, ...], Field(max_length=ZONES_MAX, strict=False)] = ()
    utc_offset_minutes: Annotated[
        int, Field(ge=-720, le=840, description="The market's time less universal time, for the hours of zones.")
    ] = 540
