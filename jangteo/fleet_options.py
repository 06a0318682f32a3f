"""What was asked of `jangteo sim --markets …`, checked before anything is started."""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from broker.series.settings import InfluxStoreSettings
from firmware_sim.fleet.link import Place
from firmware_sim.fleet.plan import FleetPlan
from jangteo.address import host_and_port
from runtime.errors import SettingsError
from runtime.secret_files import read_secret
from transport.settings import is_loopback

WORKERS_MAX = 32
MINUTES_MAX = 7 * 24 * 60


@dataclass(frozen=True, slots=True)
class FleetOptions:
    """The options of the command, as they were given."""

    markets: int = 500
    stalls: int = 200
    period_s: float = 10.0
    devices: int = 1
    batch: int = 20
    minutes: float | None = None
    seed: int = 1
    workers: int = 1
    store: Literal["embedded", "influx"] = "embedded"
    influx_url: str | None = None
    influx_token_file: Path | None = None
    influx_bucket: str = "jangteo"
    influx_org: str = "jangteo"
    broker: str | None = None
    broker_user: str | None = None
    broker_password_file: Path | None = None
    broker_ca_file: Path | None = None
    database: str | None = None
    figures: Path | None = None

    def plan(self) -> FleetPlan:
        """The fleet.

        Raises:
            SettingsError: it cannot be, or the options contradict each other.
        """
        self._refuse_contradictions()
        return FleetPlan(self.markets, self.stalls, self.period_s, self.devices, self.batch, self.seed)

    def influx(self) -> InfluxStoreSettings | None:
        """The InfluxDB of the fleet's own stack; `None` is the embedded store.

        Raises:
            SettingsError: address or token are missing or cannot be.
        """
        if self.store == "embedded":
            return None
        if self.influx_url is None or self.influx_token_file is None:
            raise SettingsError("--store influx needs --influx-url and --influx-token-file")
        read_secret(self.influx_token_file)
        fields = {
            "kind": "influx",
            "url": self.influx_url,
            "token_file": self.influx_token_file.resolve(),
            "org": self.influx_org,
            "bucket": self.influx_bucket,
        }
        try:
            return InfluxStoreSettings.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise SettingsError(f"--influx-{first['loc'][0]} {first['input']!r}: {first['msg']}") from error

    def place(self, broker: str) -> Place:
        """The broker that `--broker` names, and how the devices present themselves.

        Raises:
            SettingsError: not HOST:PORT, a file that cannot be used, or a password that would travel in the clear.
        """
        host, port = host_and_port(broker)
        if self.broker_ca_file is None and not is_loopback(host):
            raise SettingsError(f"--broker {broker}: {host} is another machine: give --broker-ca-file for TLS")
        password = None if self.broker_password_file is None else read_secret(self.broker_password_file)
        named = self.broker_user

        def credentials(username: str) -> tuple[str | None, str | None]:
            return (None if password is None and named is None else named or username), password

        return Place(host, port, credentials, self._tls())

    def _tls(self) -> ssl.SSLContext | None:
        if self.broker_ca_file is None:
            return None
        try:
            return ssl.create_default_context(cafile=str(self.broker_ca_file))
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(f"--broker-ca-file {self.broker_ca_file}: it cannot be used: {error}") from error

    def _refuse_contradictions(self) -> None:
        if self.minutes is not None and not 0 < self.minutes <= MINUTES_MAX:
            raise SettingsError(f"--minutes {self.minutes:g} is not possible: give more than 0, up to {MINUTES_MAX}")
        if not 1 <= self.workers <= WORKERS_MAX:
            raise SettingsError(f"--workers {self.workers} is not possible: give 1 to {WORKERS_MAX}")
        if self.figures is not None and not self.figures.resolve().parent.is_dir():
            raise SettingsError(f"--figures {self.figures}: there is no folder {self.figures.resolve().parent}")
        if self.broker is not None and (self.store != "embedded" or self.workers > 1):
            raise SettingsError("--store and --workers are the fleet's own central stack's: leave them or --broker out")
        own = {
            "--broker-user": self.broker_user,
            "--broker-password-file": self.broker_password_file,
            "--broker-ca-file": self.broker_ca_file,
            "--database": self.database,
        }
        for option, value in own.items():
            if value is not None and self.broker is None:
                raise SettingsError(f"{option} goes with --broker: without that the fleet starts a stack of its own")
