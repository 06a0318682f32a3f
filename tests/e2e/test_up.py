"""`jangteo up` itself: what it refuses, what it keeps, how it ends."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import httpx
import psutil
import pytest

from benchmarks.running_market import ROOT, RunningMarket
from broker.program.mosquitto import find_mosquitto
from jangteo.up.layout import free_port
from tests.absent import absent
from tests.eventually import eventually

pytestmark = pytest.mark.server

EXAMPLE = ROOT / "config" / "example-site.yaml"


def up(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `jangteo up` with something that it refuses."""
    argv: Sequence[str] = (sys.executable, "-m", "jangteo", "up", *arguments)
    return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("trigger_pin: 4, echo_pin: 5", "trigger_pin: 4, eco_pin: 5", "did you mean 'echo_pin'?"),
        ("trigger_pin: 4, echo_pin: 5", "trigger_pin: 4, echo_pin: 99", "2 to 27"),
        ("trigger_pin: 4, echo_pin: 5", "trigger_pin: 4cm, echo_pin: 5", "trigger_pin"),
    ],
)
def test_a_wrong_site_file_starts_nothing_and_says_what_would_be_right(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    site = tmp_path / "site.yaml"
    site.write_text(EXAMPLE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    done = up("--site", str(site), "--data", str(tmp_path / "var"), "--port", str(free_port()))
    assert done.returncode == 2
    assert f"{site}:" in done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "var").exists()


def test_a_port_in_use_is_said_and_nothing_is_started(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = up("--data", str(tmp_path / "var"), "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "in use" in done.stderr
    assert "--port" in done.stderr
    assert not list((tmp_path / "var").rglob("*.log"))


def test_a_camera_that_does_not_exist_is_said(tmp_path: Path) -> None:
    done = up("--data", str(tmp_path / "var"), "--camera", "nowhere=clip.mp4")
    assert done.returncode == 2
    assert "this market's cameras: alley-cam, gate-cam" in done.stderr


def test_a_second_start_keeps_the_data_and_every_secret_is_private(tmp_path: Path) -> None:
    data = tmp_path / "var"
    with RunningMarket(data, ["--no-sim"]) as first:
        token = first.token
        answer = first.http.post("/api/v1/markets/jungang/notices", json={"title": "공지", "text": "내일 휴장"})
        assert answer.status_code == 201, answer.text
        assert set(first.processes()) == {"broker", "ingest", "alerts", "console", "upkeep"}
        assert {bay["reason"] for bay in first.api("markets/jungang/occupancy")["bays"]} == {"never-reported"}
        assert first.stop() == 0
    with RunningMarket(data, ["--no-sim"]) as second:
        assert second.token == token
        assert [one["text"] for one in second.api("markets/jungang/notices")["notices"]] == ["내일 휴장"]
    private = [*(data / "secrets").rglob("*"), data / "admin.token", data / "manager.password"]
    for path in private:
        if path.is_file():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    logs = "".join(path.read_text(encoding="utf-8") for path in (data / "logs").glob("*.log"))
    for path in private:
        if path.is_file():
            assert path.read_text(encoding="utf-8").strip() not in logs, f"{path} is in a log"


def test_two_installs_share_no_secret(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        with RunningMarket(tmp_path / name, ["--no-sim"]) as market:
            found.append({path.read_text() for path in (market.data / "secrets").rglob("*") if path.is_file()})
    assert found[0]
    assert not found[0] & found[1]


def test_no_process_is_left_when_up_itself_is_killed(tmp_path: Path) -> None:
    with RunningMarket(tmp_path / "var") as market:
        children = list(market.processes().values())
        assert len(children) == 9
        parent = children[0].ppid()
        os.kill(parent, signal.SIGKILL)
        eventually(lambda: not [one for one in children if _runs(one)], within_s=20.0, what="all children end")


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_nothing_listens_beyond_loopback(tmp_path: Path) -> None:
    with RunningMarket(tmp_path / "var") as market:
        market.until(lambda: "unknown" not in market.bays().values(), 60.0, "all bays known")
        pids = {one.pid for child in market.processes().values() for one in (child, *child.children(recursive=True))}
        states = {psutil.CONN_LISTEN, psutil.CONN_NONE}
        sockets = [one for one in psutil.net_connections(kind="inet") if one.pid in pids and one.status in states]
        addresses = [str(one.laddr[0]) for one in sockets if one.laddr]
        assert len(addresses) >= 6
        assert set(addresses) == {"127.0.0.1"}


# Hides the program from what it starts, and from nobody else: a mount that only its children see.
WITHOUT_MOSQUITTO = ("unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"')


def test_without_mosquitto_a_trial_broker_serves_and_every_page_says_so(tmp_path: Path) -> None:
    program = find_mosquitto()
    if program is None or os.geteuid() != 0:
        absent("hiding the mosquitto program takes root, and the program")
    with RunningMarket(tmp_path / "var", wrapper=(*WITHOUT_MOSQUITTO, str(program))) as market:
        assert "trial broker" in market.until(
            lambda: market.output if "Ctrl-C" in market.output else "", 30.0, "the greeting"
        )
        market.until(lambda: "unknown" not in market.bays().values(), 60.0, "the bays come through it")
        assert "시험용 브로커" in httpx.get(f"http://127.0.0.1:{market.port}/sign-in", trust_env=False).text
