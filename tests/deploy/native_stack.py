"""The compose stack without Docker: each service's own command, settings and secrets, started on this machine.

What differs from the containers is done in one place, `Native.rewritten`: paths of mounted folders become folders under
a temporary one, names and ports of services become free loopback ports. Everything else is the files' own.

Two services cannot be had here. InfluxDB 2 is Debian's 1.6 behind nginx, which rewrites the write path and asks for the
stack's own token. Grafana is left out: its queries are asked directly.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import yaml

from broker.program.mosquitto import find_mosquitto
from broker.program.port import accepts_connections
from jangteo.deployment import make_secrets
from tests.absent import absent
from tests.eventually import eventually
from tests.influx_fixtures import InfluxServer, running_influx, start_nginx
from tests.postgres_fixtures import DEBIAN_PROGRAMS
from tests.postgres_fixtures import OWNER as POSTGRES_OWNER
from tests.postgres_fixtures import loopback_port as free_port

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
JANGTEO = Path(sys.executable).with_name("jangteo")
TEXTS = {".yaml", ".conf"}
END_WITHIN_S = 15
PLAYER_PORT = "8611"


@dataclass
class Native:
    """The stack's folder, ports and running processes."""

    root: Path
    influx: InfluxServer
    influx_url: str
    ports: Mapping[str, int]
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    @property
    def secrets(self) -> Path:
        return self.root / "deploy" / "secrets"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['console']}"

    def addresses(self) -> Mapping[str, str]:
        """What stands in the files for containers, and what it is here. Longer texts first."""
        ports = self.ports
        return {
            "listener 8883": f"listener {ports['devices']} 127.0.0.1",
            "listener 8884": f"listener {ports['services']} 127.0.0.1",
            "http://influxdb:8086": self.influx_url,
            "http://console:8600": self.console_url,
            "http://127.0.0.1:8600": self.console_url,
            "@postgres/": f"@127.0.0.1:{ports['postgres']}/",
            "host: mosquitto": "host: 127.0.0.1",
            "host: 0.0.0.0": "host: 127.0.0.1",
            "port: 8883": f"port: {ports['devices']}",
            "port: 8884": f"port: {ports['services']}",
            "port: 8600": f"port: {ports['console']}",
        }

    def folder(self, service: str, inside: str) -> Path:
        """Where a container's mounted path lies here."""
        for volume in SERVICES[service]["volumes"]:
            host, mounted, *mode = str(volume).split(":")
            if mounted == inside:
                # What a service only reads is read from a rewritten copy; what it writes lies where compose has it.
                return self.root / "native" / service / inside.lstrip("/") if mode == ["ro"] else self.root / host
        raise AssertionError(f"{service}: {inside} is mounted by nothing")

    def rewritten(self, service: str, text: str) -> str:
        """`text` of a file or command of this service, with paths, names and ports of this machine."""
        for old, new in self.addresses().items():
            if old in text:
                self.used.add(old)
                text = text.replace(old, new)
        for volume in SERVICES[service]["volumes"]:
            inside = str(volume).split(":")[1]
            text = text.replace(inside, str(self.folder(service, inside)))
        return text

    def mount(self, service: str) -> None:
        """Copy what the service mounts for reading, rewritten; modes stay as they are."""
        for volume in SERVICES[service]["volumes"]:
            host, inside, *mode = str(volume).split(":")
            source, target = self.root / host, self.folder(service, inside)
            if mode != ["ro"]:
                continue
            files = [source] if source.is_file() else [path for path in source.rglob("*") if path.is_file()]
            for path in files:
                copy = target if path == source else target / path.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, copy)
                if path.suffix in TEXTS:
                    copy.write_text(self.rewritten(service, path.read_text(encoding="utf-8")), encoding="utf-8")

    def command(self, service: str) -> list[str]:
        """The command of one of our services: the image's entry point and the compose file's words."""
        return [str(JANGTEO), *(self.rewritten(service, word) for word in SERVICES[service]["command"])]

    def health_command(self, service: str) -> list[str]:
        """The service's own health check."""
        _, program, *words = SERVICES[service]["healthcheck"]["test"]
        found = {"jangteo": str(JANGTEO), "python": sys.executable}.get(program, program)
        player = str(self.ports["player"])
        return [found, *(self.rewritten(service, word).replace(PLAYER_PORT, player) for word in words)]

    def start(self, service: str, argv: list[str], **options: Any) -> None:  # noqa: ANN401 - handed on to Popen
        with self.log(service).open("ab") as log:
            self.processes[service] = subprocess.Popen(argv, stdout=log, stderr=log, **options)

    def start_ours(self, service: str) -> None:
        self.mount(service)
        self.start(service, self.command(service), cwd=self.root)

    def log(self, service: str) -> Path:
        return self.root / f"{service}.log"

    def said(self, service: str) -> str:
        return self.log(service).read_text(encoding="utf-8", errors="replace")[-3000:]

    def end(self, service: str, number: int = signal.SIGTERM) -> int:
        """Send the signal that Docker would send, and wait; the exit code."""
        process = self.processes.pop(service)
        process.send_signal(number)
        return process.wait(END_WITHIN_S)

    def end_all(self) -> None:
        """Whatever still runs, the last started first."""
        for service in reversed(tuple(self.processes)):
            process = self.processes.pop(service)
            process.terminate() if service != "postgres" else process.send_signal(signal.SIGINT)
            try:
                process.wait(END_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(END_WITHIN_S)

    def database(self, password: str | None = None) -> "psycopg.Connection[Any]":
        """A connection as the services make it; with `password` instead of theirs."""
        here = f"host=127.0.0.1 port={self.ports['postgres']} user=jangteo dbname=jangteo"
        passfile = self.folder("ingest", "/run/secrets") / "pgpass"
        return psycopg.connect(f"{here} passfile={passfile}" if password is None else f"{here} password={password}")

    def api(self, method: str, path: str, **options: Any) -> Any:  # noqa: ANN401 - JSON, and httpx's own options
        token = (self.root / "deploy/state/console/admin.token").read_text(encoding="utf-8").strip()
        answer = httpx.request(
            method,
            f"{self.console_url}/api/v1/{path}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
            trust_env=False,
            **options,
        )
        assert answer.is_success, f"{answer.status_code}: {answer.text}"
        return answer.json()


@contextmanager
def running_stack(root: Path) -> Iterator[Native]:
    """Everything up, in the order that the compose file's `depends_on` gives."""
    (root / "deploy").mkdir()
    (root / "deploy" / "compose").symlink_to(ROOT / "deploy" / "compose")
    for name in ("broker", "config", "dashboards"):
        (root / name).symlink_to(ROOT / name)
    make_secrets(root, ())
    with ExitStack() as stack:
        native = _with_influx(stack, root)
        stack.callback(native.end_all)
        _start_postgres(stack, native)
        _start_mosquitto(native)
        native.mount("enrol")
        enrolled = subprocess.run(native.command("enrol"), cwd=root, capture_output=True, text=True, check=False)
        assert enrolled.returncode == 0, enrolled.stderr
        for service in ("ingest", "alerts", "console"):
            native.start_ours(service)
        _start_upkeep(native)
        try:
            eventually(lambda: accepts_connections("127.0.0.1", native.ports["console"]), within_s=40)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{native.said('console')}") from error
        _start_market(native)
        yield native


def _with_influx(stack: ExitStack, root: Path) -> Native:
    """InfluxDB with the bucket that the image's own set-up would make, behind the stack's token."""
    folders = [root / "influx", root / "influx-front"]
    for folder in folders:
        folder.mkdir()
    server = stack.enter_context(running_influx(folders[0]))
    server.query(f"CREATE DATABASE {SERVICES['influxdb']['environment']['DOCKER_INFLUXDB_INIT_BUCKET']}")
    token = (root / "deploy/secrets/influxdb/influxdb_token").read_text(encoding="utf-8").strip()
    front = free_port()
    nginx = start_nginx(folders[1], front, int(server.direct_url.rpartition(":")[2]), token)
    stack.callback(nginx.wait, END_WITHIN_S)
    stack.callback(nginx.terminate)
    ports = {name: free_port() for name in ("devices", "services", "postgres", "console", "player")}
    return Native(root, server, f"http://127.0.0.1:{front}", ports)


def postgres_program(name: str) -> str:
    """A program of PostgreSQL's, on PATH or where Debian puts it."""
    found = shutil.which(name) or next((str(path) for path in sorted(DEBIAN_PROGRAMS.glob(f"*/bin/{name}"))), None)
    if found is None:
        absent(f"{name} is not installed (Debian: postgresql)")
    return str(found)


def _start_postgres(stack: ExitStack, native: Native) -> None:
    """As the image does it: initdb with the compose file's arguments, the database, a rule of access, the command."""
    environment = SERVICES["postgres"]["environment"]
    owner = POSTGRES_OWNER if os.geteuid() == 0 else None
    # A folder that the server's own user may enter, and short: a Unix socket's path has at most 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="jangteo-stack-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    assert environment["POSTGRES_PASSWORD_FILE"] == "/run/secrets/postgres_password"
    password = folder / "password"
    shutil.copy(native.secrets / "postgres" / "postgres_password", password)
    if owner is not None:
        for path in (folder, password):
            shutil.chown(path, owner)
    data, user = folder / "data", environment["POSTGRES_USER"]
    arguments = [
        "-D",
        str(data),
        f"--username={user}",
        f"--pwfile={password}",
        *environment["POSTGRES_INITDB_ARGS"].split(),
    ]
    machine = ["-E", "UTF8", "--locale=C", "--no-sync"]
    initdb = [postgres_program("initdb"), *arguments, *machine]
    subprocess.run(initdb, check=True, capture_output=True, user=owner, cwd=folder)
    with (data / "pg_hba.conf").open("a", encoding="utf-8") as rules:
        rules.write("host all all all scram-sha-256\n")
    program, *words = SERVICES["postgres"]["command"]
    port = native.ports["postgres"]
    here = (f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off")
    flags = ["-D", str(data), *(word for one in here for word in ("-c", one))]
    native.start("postgres", [postgres_program(program), *words, *flags], user=owner, cwd=folder)
    word, name = password.read_text(encoding="utf-8").strip(), environment["POSTGRES_DB"]

    def answers() -> bool:
        try:
            with psycopg.connect(
                host="127.0.0.1", port=port, user=user, password=word, dbname="postgres", autocommit=True
            ) as connection:
                connection.execute(f'CREATE DATABASE "{name}"')
        except psycopg.OperationalError:
            return False
        return True

    eventually(answers, within_s=30, what="PostgreSQL answers")


def _start_mosquitto(native: Native) -> None:
    program = find_mosquitto()
    if program is None:
        absent("the mosquitto program is not installed")
    native.mount("mosquitto")
    name, *words = (native.rewritten("mosquitto", word) for word in SERVICES["mosquitto"]["command"])
    assert name == "mosquitto"
    configuration = native.folder("mosquitto", "/mosquitto/config/mosquitto.conf")
    with configuration.open("a", encoding="utf-8") as file:
        # Started as root, Mosquitto becomes another user; in the container it is started as the files' owner.
        file.write(f"\nuser {pwd.getpwuid(os.getuid()).pw_name}\n")
    native.start("mosquitto", [str(program), *words])
    eventually(lambda: accepts_connections("127.0.0.1", native.ports["devices"]), what="Mosquitto")


def _start_upkeep(native: Native) -> None:
    native.mount("upkeep")
    settings = native.folder("upkeep", "/etc/jangteo") / "upkeep.yaml"
    with settings.open("a", encoding="utf-8") as file:
        file.write("canary_every_s: 5\ncanary_age_s_max: 30\n")  # a test does not wait for minutes
    native.start("upkeep", native.command("upkeep"), cwd=native.root)


def _start_market(native: Native) -> None:
    native.mount("market")
    settings = native.folder("market", "/run/secrets") / "market-1.yaml"
    with settings.open("a", encoding="utf-8") as file:
        # The file leaves the player's port at its default, which somebody else may have on this machine.
        file.write(f"player: {{port: {native.ports['player']}}}\n")
    native.start("market", native.command("market"), cwd=native.root)
