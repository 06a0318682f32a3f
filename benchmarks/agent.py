"""What the agent costs: memory and processor with 12 bays and 2 gates at 1 Hz on mock pins, on a real broker."""

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
GATES = {"gate-1": (0, 1), "gate-2": (2, 3)}  # two pins more than a header has: the settings would refuse them
PERIOD_S = 1.0
WARM_UP_S = 6.0
MEASURED_S = 30.0
SAMPLE_S = 1.0
IDENTITY = DeviceIdentity("jungang", "parking-1")
PASSWORD = "drawn-for-this-run"  # noqa: S105 - of a broker that lives for this run, on loopback

IMPORTS = (
    "asyncio",
    "runtime",
    "pydantic",
    "contract.catalog",
    "yaml",
    "transport.sqlite_outbox",
    "transport.mqtt_session",
    "gpiozero",
    "edge.settings",
    "edge.agent",
    "jangteo.cli",
)

_IMPORTING = """
import importlib, sys
from pathlib import Path

def rss_mb():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

before = begun = rss_mb()
print(f"  an interpreter {begun:6.1f}")
for name in sys.argv[1:]:
    importlib.import_module(name)
    now = rss_mb()
    print(f"  {name:24} {now - before:+6.1f}")
    before = now
print(f"  all of it {before:6.1f}, rich among it: {'rich' in sys.modules}")
"""

_CHILD = """
import asyncio, json, sys
from pathlib import Path
import jangteo.cli  # as `jangteo edge` does
from edge.agent import Agent, run_until_signalled
from edge.sensors.gate_loop import GateLoopSettings
from gpiozero.pins.mock import MockFactory, MockTriggerPin
from edge.settings import DeviceSettings
from runtime.logs import configure_logs
from runtime.settings_file import load_settings

configure_logs("agent")
factory = MockFactory()
for trigger, distance_m in json.loads(sys.argv[2]):
    factory.pin(trigger, pin_class=MockTriggerPin, echo_pin=factory.pin(trigger + 1), echo_time=2 * distance_m / 340.3)
settings = load_settings(Path(sys.argv[1]), DeviceSettings)
gates = [GateLoopSettings.model_construct(**one) for one in json.loads(sys.argv[3])]
settings = settings.model_copy(update={"sensors": (*settings.sensors, *gates)})
agent = Agent(settings, pin_factory=factory)
asyncio.run(run_until_signalled(agent))
"""


def run(seed: int) -> None:
    """Print what the imports take, then resident memory in MB and the share of one core, over half a minute."""
    print("memory in MB, in the order of importing:", flush=True)
    subprocess.run([sys.executable, "-c", _IMPORTING, *IMPORTS], check=True)
    rng = random.Random(seed)  # noqa: S311 - distances of cars
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        broker = _start_broker(folder)
        agent = _start_agent(folder, broker.port, rng)
        try:
            time.sleep(WARM_UP_S)
            if agent.poll() is not None:
                raise SystemExit((folder / "agent.log").read_text(encoding="utf-8"))
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
        "clock": {"source": "trusted"},
        "sensors": [_bay(place, trigger) for place, trigger in enumerate(triggers)],
    }
    file = folder / "device.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    distances = [(trigger, rng.choice((0.6, 2.2))) for trigger in triggers]
    gates = [_gate(name, pins) for name, pins in GATES.items()]
    with (folder / "agent.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(file), json.dumps(distances), json.dumps(gates)], stdout=log, stderr=log
        )


def _bay(place: int, trigger: int) -> dict[str, object]:
    return {
        "kind": "ultrasonic-bay",
        "name": f"a-{place + 1:02}",
        "zone": "a",
        "lot": "main",
        "trigger_pin": trigger,
        "echo_pin": trigger + 1,
        "period_s": PERIOD_S,
        "heartbeat_s": PERIOD_S,
    }


def _gate(name: str, pins: tuple[int, int]) -> dict[str, object]:
    return {
        "kind": "gate-loop",
        "name": name,
        "zone": "a",
        "lot": "main",
        "in_pin": pins[0],
        "out_pin": pins[1],
        "active_high": False,
        "heartbeat_s": PERIOD_S,
    }


def _measure(process: psutil.Process, log: Path) -> None:
    rss_mb: list[float] = []
    cpu_before, begun_s = process.cpu_times(), time.monotonic()
    while time.monotonic() - begun_s < MEASURED_S:
        time.sleep(SAMPLE_S)
        rss_mb.append(process.memory_info().rss / 1e6)
    cpu, wall_s = process.cpu_times(), time.monotonic() - begun_s
    used_s = (cpu.user + cpu.system) - (cpu_before.user + cpu_before.system)
    troubles = log.read_text(encoding="utf-8").count('"level": "error"')
    print(f"agent: {BAYS} ultrasonic bays and {len(GATES)} gates, each read and reported every {PERIOD_S:g} s")
    print(f"{wall_s:.0f} s, mock pins included, nobody confirms, errors logged: {troubles}")
    print(f"RSS {median(rss_mb):.1f} MB (most {max(rss_mb):.1f} MB), threads {process.num_threads()}")
    print(f"CPU {100 * used_s / wall_s:.1f} % of one core")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
