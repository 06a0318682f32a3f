"""Which series store, from a settings file, and opening it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.influx_tail import TAIL_BYTES_MAX, TailPlace
from broker.series.ports import SeriesStore
from runtime.secret_files import read_secret
from runtime.settings_file import SettingsModel


class EmbeddedStoreSettings(SettingsModel):
    """Readings in one SQLite file: nothing to install."""

    kind: Literal["embedded"]
    path: Path


class InfluxStoreSettings(SettingsModel):
    """Readings in InfluxDB (1.8, 2 or 3). `bucket` is the database's name where there are no buckets.

    What writes keeps what InfluxDB acknowledged last in a tail of its own in `tail_dir`, because 1.x and 2 can lose it.
    What only reads has none.
    """

    kind: Literal["influx"]
    url: Annotated[str, Field(pattern=r"^https?://[^/\s]+")]
    token_file: Path
    org: str = "jangteo"
    bucket: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$")] = "jangteo"
    timeout_s: Annotated[float, Field(gt=0, le=300)] = 10.0
    tail_dir: Annotated[
        Path | None, Field(description="The folder of the tails; without it influx-tail, beside the token's file.")
    ] = None
    tail_bytes_max: Annotated[
        int, Field(ge=0, le=100_000_000_000, description="How large each tail may be; 0: none is kept.")
    ] = TAIL_BYTES_MAX

    @property
    def tail_folder(self) -> Path:
        """Where the tails are."""
        return self.tail_dir or self.token_file.parent / "influx-tail"


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
    tail = TailPlace(settings.tail_folder, settings.tail_bytes_max)
    return InfluxSeriesStore(
        settings.url, token, settings.org, settings.bucket, timeout_s=settings.timeout_s, tail=tail
    )
