"""Reading → console: from a car under a sensor, and from the agent's own reading of it, to the console's answer."""

import json
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.running_market import RunningMarket

CHANGES = 40
BAY, DEVICE = "a-01", "parking-1"
POLL_S = 0.005


def run(seed: int) -> None:
    """Move a car in and out under one sensor and watch the console's API."""
    physical: list[float] = []
    delivery: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--speed", "1", "--seed", str(seed)]
        with RunningMarket(Path(folder) / "var", arguments) as market:
            market.until(lambda: "unknown" not in market.bays().values(), 60.0, "all bays known")
            for index in range(CHANGES):
                one = _change(market, occupied=index % 2 == 0)
                physical.append(one[0])
                delivery.append(one[1])
    _print("car moves → console shows it (with 1 s of debounce)", physical)
    _print("agent's reading → console shows it", delivery)


def _change(market: RunningMarket, *, occupied: bool) -> tuple[float, float]:
    """(seconds from the car's move, seconds from the reading's own time) until the console's answer has it."""
    wanted = "occupied" if occupied else "free"
    market.order(DEVICE, bay=BAY, occupied=occupied)
    deadline_s = time.monotonic() + 30.0
    while time.monotonic() < deadline_s:
        for bay in market.api("markets/jungang/occupancy")["bays"]:
            if bay["bay"] == BAY and bay["state"] == wanted:
                seen_unix_ms = time.time() * 1000.0
                return (seen_unix_ms - _moved_unix_ms(market)) / 1000.0, (seen_unix_ms - bay["time_unix_ms"]) / 1000.0
        time.sleep(POLL_S)
    raise TimeoutError(f"the console does not show {BAY} as {wanted}")


def _moved_unix_ms(market: RunningMarket) -> float:
    path = market.data / "devices" / DEVICE / "truth.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return float(next(row["time_unix_ms"] for row in reversed(rows) if row["bay"] == BAY))


def _print(name: str, seconds: list[float]) -> None:
    ordered = sorted(seconds)
    p95 = ordered[round(0.95 * (len(ordered) - 1))]
    print(
        f"{name:<52} median {statistics.median(ordered) * 1000:6.0f} ms   p95 {p95 * 1000:6.0f} ms   n {len(ordered)}"
    )
