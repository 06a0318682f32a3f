"""A real PostgreSQL on a loopback port of its own: `postgres_url` is a fresh, empty database for one test.

Started once a session with a random password, a data directory under the temporary folder and no `fsync`; ended by its
process id. Root hands the server to the `postgres` user, as the server wants it.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psycopg
import pytest

from tests.absent import absent
from tests.eventually import eventually

OWNER = "postgres"
DEBIAN_PROGRAMS = Path("/usr/lib/postgresql")


@dataclass(slots=True)
class PostgresServer:
    """A running server."""

    port: int
    password: str
    numbers: Iterator[int] = field(default_factory=count)

    def new_database(self) -> str:
        """The SQLAlchemy URL of a fresh, empty database."""
        name = f"test_{next(self.numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://{OWNER}:{self.password}@127.0.0.1:{self.port}/{name}"

    def connect(self) -> psycopg.Connection:
        """An autocommitting connection to the maintenance database."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=OWNER, password=self.password, dbname="postgres", autocommit=True
        )

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _program(name: str) -> str:
    found = shutil.which(name) or next((str(path) for path in sorted(DEBIAN_PROGRAMS.glob(f"*/bin/{name}"))), None)
    if found is None:
        absent(f"{name} is not installed (Debian: postgresql)")
    return found


def loopback_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    initdb, postgres = _program("initdb"), _program("postgres")
    owner = OWNER if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="jangteo-postgres-"))
    password = secrets.token_hex(16)
    secret = folder / "password"
    secret.write_text(password, encoding="utf-8")
    if owner is not None:
        for path in (folder, secret):
            shutil.chown(path, owner)
    data = folder / "data"
    arguments = ["-D", str(data), "-U", OWNER, "-A", "scram-sha-256", f"--pwfile={secret}", "-E", "UTF8", "--locale=C"]
    subprocess.run([initdb, *arguments, "--no-sync"], check=True, capture_output=True, user=owner, cwd=folder)
    port = loopback_port()
    options = (f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off")
    flags = [part for option in options for part in ("-c", option)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [postgres, "-D", str(data), *flags], stdout=log, stderr=log, user=owner, cwd=folder, start_new_session=True
        )
    server = PostgresServer(port, password)
    try:
        eventually(server.answers, within_s=30, what="PostgreSQL answers")
        yield server
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
        process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    return postgres_server.new_database()
