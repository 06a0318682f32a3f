"""What the agent costs: memory and processor with 12 bays on mock pins, on a real broker, in a process of its own."""

import json
import random
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import psutil
import yaml

from broker.program.mosquitto import MosquittoProgram, find_mosquitto
from contract.access import DeviceIdentity
from runtime.secret_files import write_secret

BAYS = 12
WARM_UP_S = 6.0
MEASURED_S = 30.0
SAMPLE_S = 1.0
IDENTITY = DeviceIdentity("jungang", "parking-1")
PASSWORD = "drawn-for-this-run"  # noqa: S105 - of a broker that lives for this run, on loopback

_CHILD = """
import asyncio, json, sys
from pathlib import Path
from gpiozero.pins.mock import MockFactory, MockTriggerPin
from edge.agent import Agent, run_until_signalled
from edge.settings import DeviceSettings
from runtime.logs import configure_logs
from runtime.settings_file import load_settings

configure_logs("agent")
factory = MockFactory()
for trigger, distance_m in json.loads(sys.argv[2]):
    factory.pin(trigger, pin_class=MockTriggerPin, echo_pin=factory.pin(trigger + 1), echo_time=2 * distance_m / 340.3)
agent = Agent(load_settings(Path(sys.argv[1]), DeviceSettings), pin_factory=factory)
asyncio.run(run_until_signalled(agent))
"""


def run(seed: int) -> None:
    """Print resident memory in MB and the share of one core, over half a minute."""
    rng = random.Random(seed)  # noqa: S311 - distances of cars
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = _start_broker(folder)
        agent = _start_agent(folder, broker.port, rng)
        try:
            time.sleep(WARM_UP_S)
            _measure(psutil.Process(agent.pid), folder / "agent.log")
        finally:
            for process in (agent, broker.process):
                process.terminate()
                process.wait(10)


class _Broker:
    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port


def _start_broker(folder: Path) -> _Broker:
    path = find_mosquitto()
    if path is None:
        raise SystemExit("the mosquitto program is not installed")
    port = _free_port()
    (folder / "broker").mkdir(mode=0o700)
    program = MosquittoProgram(path, folder / "broker", port, {IDENTITY.username: PASSWORD}, [IDENTITY])
    with (folder / "broker.log").open("wb") as log:
        process = subprocess.Popen(program.command(), stdout=log, stderr=log)
    deadline_s = time.monotonic() + 10
    while not program.ready():
        if time.monotonic() > deadline_s:
            raise SystemExit("the broker did not start")
        time.sleep(0.05)
    return _Broker(process, port)


def _start_agent(folder: Path, port: int, rng: random.Random) -> subprocess.Popen[bytes]:
    write_secret(folder / "password", PASSWORD)
    triggers = [4 + 2 * place for place in range(BAYS)]
    settings = {
        "market": IDENTITY.market,
        "device": IDENTITY.device,
        "data_dir": str(folder / "device"),
        "broker": {"host": "127.0.0.1", "port": port, "password_file": str(folder / "password")},
        "signing_public_key": "0" * 64,
        "assets_url": "http://127.0.0.1:1/assets",
        "sensors": [
            {
                "kind": "ultrasonic-bay",
                "name": f"a-{place + 1:02}",
                "zone": "a",
                "lot": "main",
                "trigger_pin": trigger,
                "echo_pin": trigger + 1,
            }
            for place, trigger in enumerate(triggers)
        ],
    }
    file = folder / "device.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    distances = [(trigger, rng.choice((0.6, 2.2))) for trigger in triggers]
    with (folder / "agent.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(file), json.dumps(distances)], stdout=log, stderr=log
        )


def _measure(process: psutil.Process, log: Path) -> None:
    rss_mb: list[float] = []
    cpu_before, begun_s = process.cpu_times(), time.monotonic()
    while time.monotonic() - begun_s < MEASURED_S:
        time.sleep(SAMPLE_S)
        rss_mb.append(process.memory_info().rss / 1e6)
    cpu, wall_s = process.cpu_times(), time.monotonic() - begun_s
    used_s = (cpu.user + cpu.system) - (cpu_before.user + cpu_before.system)
    troubles = log.read_text(encoding="utf-8").count('"level": "error"')
    print(f"agent with {BAYS} ultrasonic bays, {wall_s:.0f} s, mock pins included, errors logged: {troubles}")
    print(f"RSS {median(rss_mb):.1f} MB (most {max(rss_mb):.1f} MB), threads {process.num_threads()}")
    print(f"CPU {100 * used_s / wall_s:.1f} % of one core")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
