"""Which series store, from a settings file, and opening it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.ports import SeriesStore
from runtime.secret_files import read_secret
from runtime.settings_file import SettingsModel


class EmbeddedStoreSettings(SettingsModel):
    """Readings in one SQLite file: nothing to install."""

    kind: Literal["embedded"]
    path: Path


class InfluxStoreSettings(SettingsModel):
    """Readings in InfluxDB (1.8, 2 or 3). `bucket` is the database's name where there are no buckets."""

    kind: Literal["influx"]
    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")]
    token_file: Path
    org: str = "jangteo"
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")] = "jangteo"
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0


SeriesStoreSettings = Annotated[EmbeddedStoreSettings | InfluxStoreSettings, Field(discriminator="kind")]


def open_series_store(settings: EmbeddedStoreSettings | InfluxStoreSettings) -> SeriesStore:
    """The store that `settings` names; connects on first use.

    Raises:
        runtime.errors.SettingsError: the token's file is missing or others can read it.
    """
    if isinstance(settings, EmbeddedStoreSettings):
        return EmbeddedSeriesStore(settings.path)
    from broker.series.influx import InfluxSeriesStore  # noqa: PLC0415 - its client is 28 MB that the other store never needs

    token = read_secret(settings.token_file)
    return InfluxSeriesStore(settings.url, token, settings.org, settings.bucket, timeout_s=settings.timeout_s)
