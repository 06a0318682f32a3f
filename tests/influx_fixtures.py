"""A real InfluxDB (Debian's 1.6) behind nginx, which speaks InfluxDB 2's write path and checks the token.

`/api/v2/write?bucket=B&precision=P` becomes `/write?db=B&precision=P`. Both on loopback ports of their own, started
once a session, ended by their process ids. `influx_bucket` is a fresh, empty database for one test.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx
import pytest

from tests.absent import absent
from tests.eventually import eventually
from tests.postgres_fixtures import loopback_port

ORG = "jangteo"

_INFLUXD = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
[monitor]
store-enabled = false
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
[logging]
level = "error"
"""

_NGINX = """
{user}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_max_body_size 32m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{front_port};
    if ($http_authorization != "Token {token}") {{ return 401 '{{"error":"authorization failed"}}'; }}
    location = /api/v2/write {{
      rewrite ^ /write?db=$arg_bucket&precision=$arg_precision? break;
      proxy_pass http://127.0.0.1:{port};
    }}
    location / {{ proxy_pass http://127.0.0.1:{port}; }}
  }}
}}
"""


@dataclass(slots=True)
class InfluxServer:
    """A running InfluxDB. `url` is nginx's; `stop` and `start` are for outages."""

    url: str
    token: str
    direct_url: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    org: str = ORG
    numbers: Iterator[int] = field(default_factory=count)

    def new_bucket(self) -> str:
        """The name of a fresh, empty database."""
        name = f"test_{next(self.numbers)}"
        self.query(f"CREATE DATABASE {name}")
        return name

    def query(self, text: str) -> httpx.Response:
        """Ask InfluxDB itself, past nginx."""
        answer = httpx.post(f"{self.direct_url}/query", data={"q": text}, timeout=10, trust_env=False)
        answer.raise_for_status()
        return answer

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        eventually(lambda: _answers(f"{self.direct_url}/ping"), within_s=30, what="InfluxDB answers")

    def stop(self) -> None:
        """End it as a crash would: kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=10)
            self.process = None


def _answers(url: str) -> bool:
    try:
        httpx.get(url, timeout=1, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def _program(name: str, package: str) -> str:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        absent(f"{name} is not installed (Debian: {package})")
    return found


def start_nginx(folder: Path, front_port: int, port: int, token: str) -> subprocess.Popen[bytes]:
    """nginx in front of the InfluxDB on `port`."""
    user = "user root;" if os.geteuid() == 0 else ""
    path = folder / "nginx.conf"
    path.write_text(
        _NGINX.format(user=user, folder=folder, front_port=front_port, port=port, token=token), encoding="utf-8"
    )
    program = _program("nginx", "nginx-light")
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(path), "-e", str(folder / "nginx-error.log")])
    eventually(lambda: _answers(f"http://127.0.0.1:{front_port}/ping"), within_s=30, what="nginx answers")
    return process


@contextmanager
def running_influx(folder: Path) -> Iterator[InfluxServer]:
    """InfluxDB and nginx, with their files in `folder`; without the programs: skip, or fail in CI."""
    program = _program("influxd", "influxdb")
    port, front_port, token = loopback_port(), loopback_port(), secrets.token_hex(16)
    path = folder / "influxdb.conf"
    path.write_text(_INFLUXD.format(folder=folder, port=port, rpc_port=loopback_port()), encoding="utf-8")
    server = InfluxServer(
        f"http://127.0.0.1:{front_port}", token, f"http://127.0.0.1:{port}", [program, "run", "-config", str(path)]
    )
    server.start()
    try:
        nginx = start_nginx(folder, front_port, port, token)
        try:
            yield server
        finally:
            nginx.terminate()
            nginx.wait(timeout=10)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def influx_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxServer]:
    with running_influx(tmp_path_factory.mktemp("influx")) as server:
        yield server


@pytest.fixture
def influx_bucket(influx_server: InfluxServer) -> str:
    return influx_server.new_bucket()
