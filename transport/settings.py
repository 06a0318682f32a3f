"""The `broker` block of every settings file: where the MQTT broker is, and who this part is there."""

import ipaddress
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from runtime.settings_file import SettingsModel
from transport.ports import BrokerSettings

LOOPBACK_NAMES = ("localhost",)

Port = Annotated[int, Field(ge=1, le=65535)]


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by an address that no other machine can reach."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in LOOPBACK_NAMES


class BrokerBlock(SettingsModel):
    """Off loopback the link has to be TLS (`ca_file`). The password lies in a file of mode 0600."""

    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 1883
    username: Annotated[str, Field(max_length=200)] | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    @model_validator(mode="after")
    def _is_private(self) -> Self:
        if self.ca_file is None and not is_loopback(self.host):
            raise ValueError(f"{self.host} is not this machine and no ca_file is set: give ca_file for TLS")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file belong together: give both or neither")
        return self

    def settings(self, client_id: str) -> BrokerSettings:
        """As the transport wants it, for the session or consumer `client_id` (the user name when none is given)."""
        fields = self.model_dump(exclude={"username"})
        return BrokerSettings(client_id=client_id, username=self.username or client_id, **fields)
