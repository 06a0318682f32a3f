"""The broker that the suite holds against what Jangteo needs, and how to speak to it."""

import secrets
from dataclasses import dataclass
from itertools import count
from typing import Any

from contract.access import DeviceIdentity
from contract.catalog import topic_for
from contract.payload import Payload
from tests.conformance.client import RawClient
from tests.mqtt_fixtures import PASSWORDS, RunningBroker

_NUMBERS = count(1)
_RUN = secrets.token_hex(3)

Credentials = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class Target:
    """A broker. `running` is its process, where the suite controls it; `everyone` is who a test is where roles do not
    matter; `device_password` is set where `device` has access rules of its own."""

    kind: str
    host: str
    port: int
    device: DeviceIdentity
    other: DeviceIdentity
    everyone: Credentials = (None, None)
    device_password: str | None = None
    running: RunningBroker | None = None

    def client(self, username: str, client_id: str | None = None, **how: Any) -> RawClient:  # noqa: ANN401 — RawClient's
        """A new connection of `username` (a role, or a device's); its client id is a new one unless given."""
        name = client_id or self.new_id()
        return RawClient((self.host, self.port), name, self.credentials(username), **how)

    def credentials(self, username: str) -> Credentials:
        if self.running is not None:
            return username, PASSWORDS[username]
        if username == self.device.username and self.device_password is not None:
            return username, self.device_password
        return self.everyone

    def edge(self, **how: Any) -> RawClient:  # noqa: ANN401 — RawClient's
        return self.client(self.device.username, **how)

    def ingest(self, **how: Any) -> RawClient:  # noqa: ANN401 — RawClient's
        return self.client("ingest", **how)

    def console(self, **how: Any) -> RawClient:  # noqa: ANN401 — RawClient's
        return self.client("console", **how)

    def topic(self, model: type[Payload], device: DeviceIdentity | None = None) -> str:
        one = device or self.device
        return str(topic_for(one.market, one.device, model))

    @staticmethod
    def new_id() -> str:
        return f"conformance-{_RUN}-{next(_NUMBERS)}"

    @staticmethod
    def new_market() -> str:
        return f"conformance-{_RUN}"
