"""What a supervisor needs to know of a broker program."""

import socket
from typing import Literal, Protocol

LOOPBACK = "127.0.0.1"
READY_TIMEOUT_S = 0.2


class BrokerProgram(Protocol):
    """A broker on loopback, started as a child process by whoever holds this.

    `kind` is "mosquitto", or "trial" for the stand-in without access rules and without persistence, which every page
    must call a trial broker.
    """

    @property
    def kind(self) -> Literal["mosquitto", "trial"]:
        """Which it is."""
        ...

    @property
    def host(self) -> str:
        """Always loopback."""
        ...

    @property
    def port(self) -> int:
        """Where it listens."""
        ...

    def command(self) -> list[str]:
        """Write the configuration anew and return the command line that runs in the foreground; SIGTERM ends it.

        Raises:
            runtime.errors.FatalError: the configuration cannot be written.
        """
        ...

    def ready(self) -> bool:
        """Whether it accepts connections now."""
        ...


def accepts_connections(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=READY_TIMEOUT_S):
            return True
    except OSError:
        return False
