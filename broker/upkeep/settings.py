"""Settings of upkeep (`jangteo upkeep --config FILE`)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from broker.series.freshness import LATE_AFTER_S
from broker.series.settings import SeriesStoreSettings
from runtime.settings_file import SettingsModel

GRACE_S_MIN = LATE_AFTER_S + 30.0
"""A reading that is not late has arrived, and is written, within this time."""


class RetentionSettings(SettingsModel):
    """How long readings are kept, in whole days.

    `removed_by: server` leaves removing to the server's own retention (InfluxDB 3 removes nothing on request).
    """

    raw_days: Annotated[int, Field(ge=1, le=3650)] = 30
    rollup_days: Annotated[int, Field(ge=1, le=36_500)] = 730
    removed_by: Literal["upkeep", "server"] = "upkeep"

    @model_validator(mode="after")
    def _rollups_outlive_readings(self) -> Self:
        if self.rollup_days < self.raw_days:
            raise ValueError("rollup_days is less than raw_days: roll-ups are what stays when the readings are gone")
        return self


class StillsSettings(SettingsModel):
    """How many days pictures of fires are kept; where a market asks for privacy, originals go a day after the end."""

    days: Annotated[int, Field(ge=1, le=3650)] = 30


class IncidentsSettings(SettingsModel):
    """How many days closed incidents are kept, with their log, reports and messages."""

    days: Annotated[int, Field(ge=30, le=36_500)] = 730


class UpkeepSettings(SettingsModel):
    """The whole file.

    `grace_s`: how long after its end a window stays open for readings that are on their way. `canary_age_s_max`: an
    online device whose newest reading in the database is older than this is stalled.
    """

    database_url: Annotated[str, Field(min_length=1)]
    series: SeriesStoreSettings
    retention: RetentionSettings = RetentionSettings()
    stills: StillsSettings = StillsSettings()
    incidents: IncidentsSettings = IncidentsSettings()
    grace_s: Annotated[float, Field(ge=GRACE_S_MIN, le=86_400)] = 120.0
    canary_every_s: Annotated[float, Field(ge=5, le=3600)] = 60.0
    canary_age_s_max: Annotated[float, Field(ge=30, le=86_400)] = 150.0
