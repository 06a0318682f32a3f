"""Mosquitto on loopback, with a configuration of its own: passwords, access rules from the catalogue, persistence."""

import os
import pwd
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

from broker.program.password_file import password_file_text
from broker.program.port import LOOPBACK, accepts_connections
from contract.access import DeviceIdentity, mosquitto_acl
from contract.catalog import BROKER_BYTES_MAX
from runtime.errors import FatalError
from runtime.secret_files import write_secret

SEARCHED_BESIDE_PATH = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
PACKET_BYTES_MAX = BROKER_BYTES_MAX + 65_536 + 1_024  # the longest topic and properties on top
QUEUED_BYTES_MAX = 268_435_456

_CONFIGURATION = """\
# Written anew at every start. Do not edit.
user {user}
listener {port} {host}
allow_anonymous false
password_file {directory}/passwords
acl_file {directory}/access.acl
# The default of 1000 queued messages drops acknowledged ones for an absent consumer. The bound is high, and one in
# bytes beside it; what goes over is dropped here and sent again by the device's outbox, until the database has it.
# Not 0 (no bound): with it, Mosquitto 2.0.11 throws a client out after every publish that the rules refuse.
max_queued_messages 1000000
max_queued_bytes {queued_bytes_max}
max_inflight_messages 1000
max_packet_size {packet_bytes_max}
message_size_limit {payload_bytes_max}
set_tcp_nodelay true
# Off by default, and then saved only every 1800 s.
persistence true
persistence_location {directory}/
autosave_interval 30
persistent_client_expiration 14d
log_dest stderr
log_type error
log_type warning
log_type notice
"""


def find_mosquitto() -> Path | None:
    """The `mosquitto` program, on PATH or where Debian puts it (a user's PATH often lacks /usr/sbin)."""
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SEARCHED_BESIDE_PATH))
    found = shutil.which("mosquitto", path=path)
    return None if found is None else Path(found)


class MosquittoProgram:
    """A `BrokerProgram`: Mosquitto in `directory` for these users and devices.

    `passwords` maps user names (a role's value, or a device's `username`) to passwords; `devices` get access rules.
    """

    def __init__(
        self,
        program: Path,
        directory: Path,
        port: int,
        passwords: Mapping[str, str],
        devices: Iterable[DeviceIdentity],
    ) -> None:
        self._program = program
        self._directory = directory.absolute()
        self._port = port
        self._passwords = dict(passwords)
        self._devices = tuple(devices)

    @property
    def kind(self) -> Literal["mosquitto", "trial"]:
        """Mosquitto."""
        return "mosquitto"

    @property
    def host(self) -> str:
        """Loopback."""
        return LOOPBACK

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._port

    def command(self) -> list[str]:
        """Write configuration, passwords and access rules; return the command line.

        Raises:
            FatalError: they cannot be written.
        """
        configuration = self._directory / "mosquitto.conf"
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_secret(self._directory / "passwords", password_file_text(self._passwords))
            write_secret(self._directory / "access.acl", mosquitto_acl(self._devices))
            write_secret(configuration, self._configuration())
        except OSError as error:
            raise FatalError(f"{self._directory}: the broker's configuration cannot be written: {error}") from error
        return [str(self._program), "-c", str(configuration)]

    def ready(self) -> bool:
        """Whether it accepts connections now."""
        return accepts_connections(self.host, self.port)

    def _configuration(self) -> str:
        if any(character in str(self._directory) for character in "\n\r"):
            raise FatalError(f"{str(self._directory)!r}: a data directory may not have a line break in its name")
        return _CONFIGURATION.format(
            # Started as root, Mosquitto turns into user "mosquitto", who may not read a directory of ours.
            user=pwd.getpwuid(os.getuid()).pw_name,
            host=self.host,
            port=self._port,
            directory=self._directory,
            queued_bytes_max=QUEUED_BYTES_MAX,
            packet_bytes_max=PACKET_BYTES_MAX,
            payload_bytes_max=BROKER_BYTES_MAX,
        )
