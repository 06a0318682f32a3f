"""The console as a process: it starts without a broker, ends with open streams, and says why it cannot start."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import yaml

from broker.console.service import run_console
from broker.console.settings import ConsoleSettings
from broker.stores.database import migrate, open_database, sqlite_url
from broker.stores.users import ensure_first_manager
from runtime.errors import FatalError, SettingsError
from runtime.settings_file import load_settings
from runtime.watchdog import EXIT_STALLED
from tests.broker.console.conftest import settings_in
from tests.eventually import eventually

START = "import sys; from pathlib import Path; from broker.console.service import run_console;"
START += "from broker.console.settings import ConsoleSettings; from runtime.settings_file import load_settings;"
START += "run_console(load_settings(Path(sys.argv[1]), ConsoleSettings))"

STALL = "import time, broker.console.link as link, broker.console.service as service; service.LOOP_STALLED_S_MAX = 1.0;"
STALL += "link.Link.look = lambda self: time.sleep(60);"  # it hangs: the watchdog ends it long before


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz").status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.server
def test_a_console_without_a_broker_serves_and_ends_at_once_although_a_stream_is_open(
    tmp_path: Path, free_port: int
) -> None:
    engine = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(engine)
    ensure_first_manager(engine, tmp_path)
    engine.dispose()
    settings = settings_in(tmp_path, port=free_port, broker={"port": 1})
    file = tmp_path / "console.yaml"
    file.write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    token = (tmp_path / "admin.token").read_text(encoding="utf-8")
    address = f"http://127.0.0.1:{free_port}"
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen([sys.executable, "-c", START, str(file)], stdout=log, stderr=log)
    try:
        eventually(lambda: answers(address), within_s=30.0, what="the console")
        assert httpx.get(f"{address}/healthz").json()["parts"]["console-link"]["state"] == "down"
        headers = {"authorization": f"Bearer {token}"}
        with httpx.stream("GET", f"{address}/api/v1/stream", headers=headers, timeout=10) as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry:")
            os.kill(process.pid, signal.SIGTERM)
            assert list(lines)[-1] == ""
        assert process.wait(4) == 0
        assert "Traceback" not in (tmp_path / "log").read_text()
    finally:
        process.kill()
        process.wait()


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(FatalError, match=f"cannot listen on 127.0.0.1:{port}"):
            run_console(settings_in(tmp_path, port=port, broker={"port": 1}))


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("public_url", "console.example", "public_url"),
        ("stale_after_s", 0, "stale_after_s"),
        ("prot", 8600, "did you mean 'port'"),
        ("series", {"kind": "embeded", "path": "x"}, "series"),
        ("database_url", None, "database_url"),
    ],
)
def test_a_mistake_in_the_settings_names_its_key(tmp_path: Path, key: str, value: object, says: str) -> None:
    settings = {**settings_in(tmp_path).model_dump(mode="json"), key: value}
    file = tmp_path / "console.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with pytest.raises(SettingsError, match=says):
        load_settings(file, ConsoleSettings)


def test_a_signing_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_text("11" * 32)
    (tmp_path / "signing.key").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        run_console(settings_in(tmp_path))


@pytest.mark.server
def test_a_console_that_hangs_ends_so_that_it_is_started_again(tmp_path: Path, free_port: int) -> None:
    engine = open_database(sqlite_url(tmp_path / "central.db"))
    migrate(engine)
    ensure_first_manager(engine, tmp_path)
    engine.dispose()
    file = tmp_path / "console.yaml"
    settings = settings_in(tmp_path, port=free_port, broker={"port": 1})
    file.write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    command = [sys.executable, "-c", STALL + START, str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == EXIT_STALLED, ended.stderr
    assert "watchdog.stalled" in ended.stdout + ended.stderr
