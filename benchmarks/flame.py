"""Flame → siren, screen and SMS: each fire clip as a camera of a running market, timed from its first flame."""

import json
import re
import statistics
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import yaml
from playwright.sync_api import Browser, sync_playwright

from benchmarks.chromium import launch
from benchmarks.fire_clips import FireClip, fire_clips
from benchmarks.running_market import RunningMarket

PASSES = 2  # a clip plays over and over: what is not found in two passes counts as missed
MARGIN_S = 10.0

SITE = {
    "market": {"id": "bench", "name_ko": "시험시장", "name_en": "Bench Market"},
    "zones": [{"id": "a", "name_ko": "가 구역", "name_en": "Zone A"}],
    "recipients": [{"name": "관리자", "phone": "010-0000-0001", "role": "manager"}],
    "devices": [
        {
            "device": "all-1",
            "cameras": [{"name": "cam", "zone": "a", "source": "simulated"}],
            "screens": [{"name": "screen", "zone": "a"}],
            "sirens": [{"name": "siren", "zone": "a", "pin": 17}],
        }
    ],
}


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the first visible flame, and from the decision, to what people get."""

    clip: str
    decided_s: float
    siren_s: float
    screen_s: float
    message_s: float


def run(seed: int) -> None:
    """Play every fire clip; print each one's figures, then the medians and the worst."""
    clips = fire_clips()
    found: list[Latency] = []
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = launch(playwright)
        site = Path(folder) / "site.yaml"
        site.write_text(yaml.safe_dump(SITE, allow_unicode=True), encoding="utf-8")
        for index, clip in enumerate(clips):
            latency = _one(clip, site, Path(folder) / f"var{index}", browser, seed)
            if latency is None:
                print(f"{clip.path.name:<26} not found", flush=True)
                continue
            found.append(latency)
            print(_line(latency), flush=True)
        browser.close()
    print(f"fire clips played {len(clips)}, found, all the way through {len(found)}")
    for name, field in (
        ("first flame → decision", "decided_s"),
        ("first flame → siren", "siren_s"),
        ("first flame → screen painted", "screen_s"),
        ("first flame → SMS accepted", "message_s"),
    ):
        _figure(name, [getattr(one, field) for one in found])
    for name, field in (("siren", "siren_s"), ("screen painted", "screen_s"), ("SMS accepted", "message_s")):
        _figure(f"decision → {name}", [getattr(one, field) - one.decided_s for one in found])


def _one(clip: FireClip, site: Path, data: Path, browser: Browser, seed: int) -> Latency | None:
    arguments = ["--site", str(site), "--camera", f"cam={clip.path}", "--seed", str(seed)]
    with RunningMarket(data, arguments) as market:
        page = browser.new_page()
        try:
            page.goto(market.until(lambda: market.player_url("screen"), 60.0, "the screen's address"))
            market.until(lambda: _camera_state(market) == "live", 60.0, "the camera is live")
            fires = market.wait(lambda: market.fires("bench"), PASSES * clip.seconds + MARGIN_S)
            if not fires:
                return None
            page.wait_for_selector("#evacuation:not([hidden])", timeout=10_000)
            market.until(lambda: _accepted(market), 10.0, "an accepted message")
            market.until(lambda: _painted_unix_ms(market), 15.0, "the page's own time of painting")
            return _latency(clip, fires[0], market)
        finally:
            page.close()


def _latency(clip: FireClip, fire: dict[str, float], market: RunningMarket) -> Latency | None:
    position_s = fire["media_position_s"]
    if position_s < clip.first_flame_s:
        return None
    visible_unix_ms = fire["decided_unix_ms"] - (position_s - clip.first_flame_s) * 1000.0
    painted = _painted_unix_ms(market)
    siren = _siren_unix_ms(market)
    if painted is None or siren is None:
        return None

    def since(unix_ms: float) -> float:
        return (unix_ms - visible_unix_ms) / 1000.0

    return Latency(
        clip.path.name, since(fire["decided_unix_ms"]), since(siren), since(painted), since(_accepted(market))
    )


def _camera_state(market: RunningMarket) -> str:
    return str(market.devices()["all-1"]["cameras"][0]["state"])


def _accepted(market: RunningMarket) -> float:
    return float(next((one["accepted_unix_ms"] for one in market.api("messages") if one["accepted_unix_ms"]), 0))


def _painted_unix_ms(market: RunningMarket) -> float | None:
    """When the page says that it painted the evacuation."""
    for one in market.devices()["all-1"]["screens"]:
        if one["showing"] == "evacuation":
            return float(one["since_unix_ms"])
    return None


def _siren_unix_ms(market: RunningMarket) -> float | None:
    """When the agent switched the siren's pin."""
    log = (market.data / "logs" / "edge.all-1.log").read_text(encoding="utf-8")
    for line in log.splitlines():
        if "siren.switched" in line and re.search(r'"on": true', line):
            stamp = json.loads(line)["timestamp"]
            return datetime.fromisoformat(stamp).timestamp() * 1000.0
    return None


def _figure(name: str, values: list[float]) -> None:
    if values:
        print(f"{name:<32} median {statistics.median(values):6.2f} s   worst {max(values):6.2f} s   n {len(values)}")


def _line(one: Latency) -> str:
    return (
        f"{one.clip:<26} decision {one.decided_s:6.2f}  siren {one.siren_s:6.2f}  "
        f"screen {one.screen_s:6.2f}  SMS {one.message_s:6.2f}  s after the first flame"
    )
