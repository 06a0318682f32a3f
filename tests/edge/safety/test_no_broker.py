"""Two agents in two processes, no broker, no internet: a fire on one sounds the siren of the other."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import yaml

from runtime.secret_files import write_secret
from tests.edge.safety.test_link import free_udp_port

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import asyncio, json, sys, time
from pathlib import Path
from gpiozero.pins.mock import MockFactory
from contract.events import Phase
from edge.agent import Agent, run_until_signalled
from edge.ports import FireDecision
from edge.settings import DeviceSettings
from runtime.settings_file import load_settings

factory = MockFactory()

def say(what):
    print(json.dumps({"what": what, "at_s": time.monotonic()}), flush=True)

async def main():
    agent = Agent(load_settings(Path(sys.argv[1]), DeviceSettings), pin_factory=factory)
    agent.alarm.listen(lambda fires: say("heard" if fires else "quiet"))
    def command():
        phase = Phase.RAISED if sys.stdin.readline().strip() == "fire" else Phase.CLEARED
        say(phase.value)
        agent.on_decision(FireDecision("a" * 32, phase, "b", "cam-1", 0.9, 1, 2))
    asyncio.get_running_loop().add_reader(sys.stdin, command)
    async def watch():
        before = None
        while True:
            now = bool(factory.pin(17).state)
            if now is not before:
                say("siren on" if now else "siren off")
            before = now
            await asyncio.sleep(0.01)
    watching = asyncio.create_task(watch())
    await run_until_signalled(agent)
    watching.cancel()
    say("ended")

asyncio.run(main())
"""


class Process:
    """An agent in a process of its own, on mock pins."""

    def __init__(self, folder: Path, device: str, listen: int, peer: int, dead_port: int) -> None:
        file = folder / f"{device}.yaml"
        file.write_text(
            yaml.safe_dump(
                {
                    "market": "jungang",
                    "device": device,
                    "data_dir": str(folder / device),
                    "broker": {"host": "127.0.0.1", "port": dead_port},
                    "signing_public_key": "0" * 64,
                    "assets_url": "http://127.0.0.1:1/assets",
                    "sirens": [{"name": f"siren-{device}", "zone": "b", "pin": 17}],
                    "safety": {
                        "listen": f"127.0.0.1:{listen}",
                        "peers": [f"127.0.0.1:{peer}"],
                        "key_file": str(folder / "market.key"),
                    },
                }
            ),
            encoding="utf-8",
        )
        command = [sys.executable, "-c", PROGRAM, str(file)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def tell(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def until(self, what: str) -> float:
        """When it said `what`, on the clock that both processes share."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("{"):
                said = json.loads(line)
                if said["what"] == what:
                    return float(said["at_s"])
        raise AssertionError(f"it ended without saying {what!r}")

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


def test_a_fire_on_one_device_sounds_the_siren_of_the_other_within_a_second(tmp_path: Path, free_port: int) -> None:
    write_secret(tmp_path / "market.key", "a market's key, drawn at random")
    a, b = free_udp_port(), free_udp_port()
    first, second = Process(tmp_path, "fire-1", a, b, free_port), Process(tmp_path, "fire-2", b, a, free_port)
    try:
        for process in (first, second):
            process.until("siren off")

        first.tell("fire")
        decided_s = first.until("raised")
        assert first.until("siren on") - decided_s < 1.0
        assert second.until("siren on") - decided_s < 1.0

        first.tell("clear")
        second.until("siren off")

        begun_s = time.monotonic()
        second.process.send_signal(signal.SIGTERM)
        assert second.until("ended") - begun_s < 3.0
        assert second.process.wait(5) == 0
    finally:
        first.end()
        second.end()
