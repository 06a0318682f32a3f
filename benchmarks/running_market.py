"""A running `jangteo up` in a folder of its own, for end-to-end tests and benchmarks."""

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from jangteo.up.layout import free_port

ROOT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 20.0
POLL_S = 0.02

Json = Any  # an API's answer, looked at field by field


class RunningMarket:
    """Starts on entry, stops on exit. `start_s` is how long the start took until the console answered.

    `wrapper` is a command that the start is handed to, word by word.

    Raises:
        TimeoutError: the console did not answer in time; the text holds the output.
    """

    def __init__(self, data: Path, arguments: Sequence[str] = (), wrapper: Sequence[str] = ()) -> None:
        self.data = data
        self.port = free_port()
        self.start_s = 0.0
        self._arguments = list(arguments)
        self._wrapper = list(wrapper)
        self._process: subprocess.Popen[bytes] | None = None
        self._output = data.parent / f"{data.name}.out"
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10.0, trust_env=False)

    def __enter__(self) -> Self:
        argv = [sys.executable, "-m", "jangteo", "up", "--port", str(self.port), "--data", str(self.data)]
        began_s = time.monotonic()
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [*self._wrapper, *argv, *self._arguments],
                cwd=ROOT,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.until(self._answers, READY_TIMEOUT_S, "the console answers")
        self.start_s = time.monotonic() - began_s
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.http.close()

    def stop(self) -> int:
        """Ctrl-C; the exit code."""
        assert self._process is not None  # noqa: S101 — entered before
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise

    @property
    def output(self) -> str:
        """What `jangteo up` printed."""
        return self._output.read_text(encoding="utf-8", errors="replace")

    @property
    def token(self) -> str:
        """The API token of the first manager."""
        return (self.data / "admin.token").read_text(encoding="utf-8").strip()

    @property
    def sign_in_link(self) -> str:
        """The single-use link that this start printed."""
        found = self.until(lambda: re.findall(r"http://\S+/sign-in/link/\S+", self.output), 10.0, "the sign-in link")
        return str(found[-1])

    def api(self, path: str) -> Json:
        """GET /api/v1/<path>."""
        return self.http.get(f"/api/v1/{path}").raise_for_status().json()

    def bays(self, market: str = "jungang") -> dict[str, str]:
        """What the console says of each bay."""
        return {bay["bay"]: bay["state"] for bay in self.api(f"markets/{market}/occupancy")["bays"]}

    def devices(self) -> dict[str, Json]:
        """The devices by name."""
        return {one["device"]: one for one in self.api("devices")}

    def fires(self, market: str = "jungang") -> list[Json]:
        """The market's fire incidents, newest first."""
        return [one for one in self.api(f"markets/{market}/incidents") if one["kind"] == "fire"]

    def player_url(self, screen: str) -> str:
        """Where a screen's page is served.

        Raises:
            LookupError: its device has not said so yet.
        """
        screens = [one for device in self.api("devices") for one in device["screens"]]
        urls = [one["player_url"] for one in screens if one["screen"] == screen and one["player_url"]]
        if not urls:
            raise LookupError(f"nobody has said where {screen} is served")
        return str(urls[0])

    def processes(self) -> dict[str, psutil.Process]:
        """The children by the name of their log: ingest, alerts, console, upkeep, broker, cameras, edge.<device>."""
        assert self._process is not None  # noqa: S101 — entered before
        found = {}
        for child in psutil.Process(self._process.pid).children():
            try:
                found[_name(child.cmdline())] = child
            except psutil.NoSuchProcess:
                continue
        return found

    def port_of(self, name: str) -> int:
        """The loopback port that this start gave to `name` (broker, cameras, player.<device>)."""
        return int(json.loads((self.data / "etc" / "ports.json").read_text(encoding="utf-8"))[name])

    def truth(self, device: str) -> dict[str, bool]:
        """Which bays of a device the simulator has a car in, now."""
        bays: dict[str, bool] = {}
        path = self.data / "devices" / device / "truth.jsonl"
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            bays[row["bay"]] = row["occupied"]
        return bays

    def order(self, device: str, **order: object) -> None:
        """Give the simulator of a device an order (see `firmware_sim.control`)."""
        with (self.data / "devices" / device / "control.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(order) + "\n")

    def flame(self, camera: str, *, lit: bool = True) -> None:
        """Light a flame before a drawn camera, or put it out."""
        off = [] if lit else ["--off"]
        argv = [sys.executable, "-m", "jangteo", "sim", "flame", camera, "--data", str(self.data), *off]
        subprocess.run(argv, check=True, cwd=ROOT, capture_output=True)

    def until(self, probe: Callable[[], Any], within_s: float, what: str) -> Any:  # noqa: ANN401 — what the probe finds
        """Call `probe` until it finds something.

        Raises:
            TimeoutError: it did not in time.
        """
        deadline_s = time.monotonic() + within_s
        last: object = None
        while time.monotonic() < deadline_s:
            if self._process is not None and self._process.poll() is not None:
                raise TimeoutError(f"{what}: jangteo up ended with {self._process.returncode}:\n{self.output}")
            try:
                last = probe()
            except (httpx.HTTPError, LookupError, OSError, ValueError) as error:
                last = error
            else:
                if last:
                    return last
            time.sleep(POLL_S)
        raise TimeoutError(f"not within {within_s} s: {what} (last: {last!r})\n{self.output}")

    def wait(self, probe: Callable[[], Any], within_s: float) -> Any:  # noqa: ANN401 — what the probe finds
        """The same, but None when it is not found in time."""
        try:
            return self.until(probe, within_s, "something")
        except TimeoutError:
            return None

    def _answers(self) -> bool:
        return self.http.get("/healthz").status_code == httpx.codes.OK and (self.data / "admin.token").exists()


def _name(argv: Sequence[str]) -> str:
    text = " ".join(argv)
    device = re.search(r"etc/device\.([a-z0-9-]+)\.yaml", text)
    if device:
        return f"edge.{device.group(1)}"
    for part in ("ingest", "alerts", "console", "upkeep"):
        if f"etc/{part}.yaml" in text:
            return part
    if "firmware_sim.cameras.server" in text:
        return "cameras"
    return "broker" if "mosquitto" in text or "trial_broker" in text else text
