"""The console's settings file."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from broker.series.settings import SeriesStoreSettings
from contract.catalog import Role
from contract.ids import Id
from runtime.settings_file import SettingsModel
from transport.ports import BrokerSettings
from transport.settings import BrokerBlock


class ConsoleSettings(SettingsModel):
    """`jangteo console --config FILE`.

    `public_url` is where browsers reach the console: an https one makes the cookies travel over TLS only.
    `allowed_hosts`, when given, are the only Host headers that are answered. `trial_broker` says so on every page.
    Several consoles beside each other need an `instance` each: it is a part of their MQTT client ids.
    `rules_dir` is the folder of the rules that alerts looks at, for their page.
    `stale_after_s`, when given, replaces the times of `broker.series.freshness.STALE_AFTER_S` for every kind.
    """

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65535)] = 8600
    public_url: Annotated[str, Field(pattern=r"^https?://[^/\s]+$")] = "http://127.0.0.1:8600"
    allowed_hosts: tuple[str, ...] = ()
    instance: Id | None = None
    broker: BrokerBlock = BrokerBlock()
    database_url: str
    series: SeriesStoreSettings
    signing_key_file: Path
    assets_dir: Path
    assets_bytes_max: Annotated[int, Field(ge=10_000_000)] = 2_000_000_000
    stale_after_s: Annotated[float | None, Field(ge=1, le=3600)] = None
    utc_offset_minutes: Annotated[int, Field(ge=-720, le=840)] = 540
    trial_broker: bool = False
    rules_dir: Path | None = None

    @property
    def is_https(self) -> bool:
        """Whether browsers come over TLS."""
        return self.public_url.startswith("https://")

    def broker_settings(self) -> BrokerSettings:
        """As the transport wants them: one user name for all consoles, one client id for each."""
        user = Role.CONSOLE.value
        named = self.broker.model_copy(update={"username": self.broker.username or user})
        return named.settings(user if self.instance is None else f"{user}-{self.instance}")
