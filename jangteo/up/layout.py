"""What lies where in the data folder of `jangteo up`, and the ports and secrets that stay the same between starts."""

import fcntl
import json
import os
import random
import socket
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from contract.signature import Signer
from runtime.errors import FatalError, SettingsError
from runtime.secret_files import ensure_secret

LOOPBACK = "127.0.0.1"
LOCK_FILE = "up.lock"
CHECKOUT = Path(__file__).resolve().parent.parent.parent
DEFAULT_DATA = CHECKOUT / "var"
RULES = CHECKOUT / "config" / "rules"
UNPRIVILEGED_PORT_MIN = 1024
# Below the range from which systems draw the ports of outgoing connections: a server that restarts finds its port free.
PORTS = (20_000, 32_000)


class AlreadyRunningError(FatalError):
    """Another `jangteo up` works on the same data folder."""


class PortInUseError(FatalError):
    """A port that was asked for by number is taken."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The data folder."""

    root: Path

    @property
    def central_db(self) -> Path:
        """The central state."""
        return self.root / "central.db"

    @property
    def series_db(self) -> Path:
        """The readings."""
        return self.root / "series.db"

    @property
    def assets(self) -> Path:
        """Pictures by hash."""
        return self.root / "assets"

    @property
    def broker(self) -> Path:
        """The broker's own files."""
        return self.root / "broker"

    @property
    def admin_token(self) -> Path:
        """The API token of the first manager."""
        return self.root / "admin.token"

    @property
    def manager_password(self) -> Path:
        """The password of the first manager."""
        return self.root / "manager.password"

    def settings(self, name: str) -> Path:
        """A generated settings file."""
        return self.root / "etc" / f"{name}.yaml"

    def device(self, device: str) -> Path:
        """A device's own files."""
        return self.root / "devices" / device

    def log(self, name: str) -> Path:
        """A process's log."""
        return self.root / "logs" / f"{name}.log"

    def mqtt_password(self, username: str) -> Path:
        """A password file."""
        return self.root / "secrets" / "mqtt" / username

    @property
    def market_key(self) -> Path:
        """The key of the direct link between the market's devices."""
        return self.root / "secrets" / "market.key"

    @property
    def signing_key(self) -> Path:
        """The console's Ed25519 private key."""
        return self.root / "secrets" / "signing.key"

    def public_key_hex(self) -> str:
        """The public half of the signing key, which is made when it does not exist yet."""
        return Signer(ensure_secret(self.signing_key, Signer.new_private_key_hex())).public_key_hex

    def prepare(self) -> None:
        """Make the folder, readable by its owner only.

        Raises:
            SettingsError: it is there and holds other things: closing it to others could lock them out.
            OSError: it cannot be made.
        """
        if self.root.is_dir() and not (self.root / LOCK_FILE).exists() and any(self.root.iterdir()):
            raise SettingsError(f"{self.root}: this folder holds other things; give an empty or a new one with --data")
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o700)

    def lock(self) -> IO[str]:
        """Hold the folder for this process; released when the process ends.

        Raises:
            AlreadyRunningError: another process holds it.
        """
        handle = (self.root / LOCK_FILE).open("a+", encoding="utf-8")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.close()
            raise AlreadyRunningError(
                f"{self.root}: another jangteo up works on this data folder; stop it, or give another with --data"
            ) from None
        return handle


class Ports:
    """Loopback ports by name, kept in a file: an address stays the same from start to start where it is free."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: dict[str, int] = {}
        if path.exists():
            self._known = {str(name): int(port) for name, port in json.loads(path.read_text()).items()}
        self._taken: set[int] = set()
        self._reserved: set[str] = set()

    def reserve(self, name: str) -> int:
        """A free TCP and UDP port for `name`: the last start's if it is still free, one and the same within a start."""
        port = self._known.get(name, 0)
        if name in self._reserved:
            return port
        self._reserved.add(name)
        if port == 0 or port in self._taken or not is_free(port):
            port = self._any_free()
        self._taken.add(port)
        self._known[name] = port
        return port

    def exactly(self, name: str, port: int) -> int:
        """`port` itself.

        Raises:
            PortInUseError: somebody else has it.
        """
        if name not in self._reserved:
            refuse_taken(port)
        self._reserved.add(name)
        self._taken.add(port)
        self._known[name] = port
        return port

    def save(self) -> None:
        """Remember them."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(self._known, indent=1, sort_keys=True))

    def _any_free(self) -> int:
        return free_port(self._taken)


def free_port(taken: Collection[int] = ()) -> int:
    """A port of `PORTS` that is free now and not among `taken`.

    Raises:
        PortInUseError: there is none.
    """
    for port in random.sample(range(*PORTS), PORTS[1] - PORTS[0]):
        if port not in taken and is_free(port):
            return port
    raise PortInUseError(f"no port from {PORTS[0]} to {PORTS[1] - 1} on {LOOPBACK} is free; end other programs")


def refuse_taken(port: int) -> None:
    """Return if a server could listen on this loopback port.

    Raises:
        PortInUseError: somebody else has it, or only root may have it.
    """
    if port < UNPRIVILEGED_PORT_MIN and os.geteuid() != 0:
        raise PortInUseError(f"port {port} is root's (below {UNPRIVILEGED_PORT_MIN}); choose another with --port")
    if not is_free(port):
        raise PortInUseError(f"port {port} on {LOOPBACK} is in use by another program; choose another with --port")


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now, over TCP and UDP."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            if kind == socket.SOCK_STREAM:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                return False
    return True
