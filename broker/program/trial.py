"""The trial broker: in memory, on loopback, without access rules, for machines where Mosquitto cannot be had."""

import sys
from typing import Literal

from broker.program.port import LOOPBACK, accepts_connections


class TrialProgram:
    """A `BrokerProgram` that loses everything when it ends and lets everybody on this machine say anything."""

    def __init__(self, port: int) -> None:
        self._port = port

    @property
    def kind(self) -> Literal["mosquitto", "trial"]:
        """A trial broker."""
        return "trial"

    @property
    def host(self) -> str:
        """Loopback."""
        return LOOPBACK

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def command(self) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "transport.trial_broker", "--port", str(self._port)]

    def ready(self) -> bool:
        """Whether it accepts connections now."""
        return accepts_connections(self.host, self.port)
