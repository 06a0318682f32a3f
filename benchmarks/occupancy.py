"""Occupancy played from real car parks, 600 times as fast: what the console shows against what was played."""

import json
import tempfile
import time
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fire_clips import data_dir
from benchmarks.running_market import Json, RunningMarket

SPEED = 600.0
RUN_S = 180.0
SETTLED_S = 3.0  # echo window, 1 s of debounce, delivery: a car that stays for less is not seen, and is counted as such
POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class Compared:
    """`stays`: how often a car or a free bay stayed long enough to be seen; `wrong` names those shown otherwise."""

    stays: int
    too_short: int
    wrong: tuple[str, ...]
    simulated_hours: float


def compare(market: RunningMarket, run_s: float, device: str = "parking-1") -> Compared:
    """Watch the console for `run_s` seconds, then hold every stay of the ground truth against what it showed."""
    seen_unix_ms: list[float] = []
    seen: list[dict[str, str]] = []
    until_s = time.monotonic() + run_s
    while time.monotonic() < until_s:
        asked_unix_ms = time.time() * 1000.0
        seen.append(market.bays())
        seen_unix_ms.append(asked_unix_ms)
        time.sleep(POLL_S)
    rows = _truth(market, device)
    stays = too_short = 0
    wrong: list[str] = []
    for bay in sorted({row["bay"] for row in rows}):
        changes = [row for row in rows if row["bay"] == bay]
        for now, after in zip(changes, [*changes[1:], None], strict=True):
            end_unix_ms = after["time_unix_ms"] if after else seen_unix_ms[-1]
            if end_unix_ms < seen_unix_ms[0] or now["time_unix_ms"] > seen_unix_ms[-1]:
                continue
            if end_unix_ms - max(now["time_unix_ms"], seen_unix_ms[0]) < SETTLED_S * 1000.0:
                too_short += 1
                continue
            stays += 1
            shown = seen[bisect_right(seen_unix_ms, end_unix_ms - POLL_S * 1000.0) - 1][bay]
            if shown != ("occupied" if now["occupied"] else "free"):
                wrong.append(f"{bay} {'occupied' if now['occupied'] else 'free'} shown as {shown}")
    hours = (rows[-1]["sim_unix_ms"] - rows[0]["sim_unix_ms"]) / 3.6e6
    return Compared(stays, too_short, tuple(wrong), hours)


def _truth(market: RunningMarket, device: str) -> list[dict[str, Json]]:
    text = (market.data / "devices" / device / "truth.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def run(seed: int) -> None:
    """Play the Birmingham car parks into the example market's bays and compare."""
    csv = data_dir() / "parking" / "birmingham_occupancy.csv"
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--occupancy", str(csv), "--speed", str(SPEED), "--seed", str(seed)]
        with RunningMarket(Path(folder) / "var", arguments) as market:
            market.until(lambda: "unknown" not in market.bays().values(), 60.0, "all bays known")
            found = compare(market, RUN_S)
    for line in found.wrong:
        print(line)
    print(f"played {found.simulated_hours:.1f} h of car parks at {SPEED:g} x in {RUN_S:g} s")
    print(f"stays compared bay by bay {found.stays}, shown otherwise {len(found.wrong)}")
    print(f"stays too short to see (under {SETTLED_S:g} s of real time) {found.too_short}")
