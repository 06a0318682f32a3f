"""What survives what: processes frozen or killed under a running market."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from benchmarks.running_market import RunningMarket

pytestmark = pytest.mark.server

CENTRAL = ("ingest", "alerts", "console", "broker")


@contextmanager
def frozen(market: RunningMarket, names: tuple[str, ...]) -> Iterator[None]:
    """These processes stand still: they neither answer nor end."""
    processes = [market.processes()[name] for name in names]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            process.resume()


def screen_state(url: str) -> str:
    return httpx.get(f"{url}/state", trust_env=False, timeout=5.0).text


def sirens_on(market: RunningMarket) -> set[str]:
    """What the agents' logs say of their pins: there is no central part to ask."""
    found = set()
    for name in ("alley-1", "east-gate-1"):
        log = (market.data / "logs" / f"edge.{name}.log").read_text(encoding="utf-8")
        switched = [line for line in log.splitlines() if "siren.switched" in line]
        if switched and '"on": true' in switched[-1]:
            found.add(name)
    return found


def test_a_fire_sounds_sirens_and_turns_screens_with_every_central_part_stopped(market: RunningMarket) -> None:
    url = market.until(lambda: market.player_url("gate-screen"), 15.0, "the address")
    assert "evacuation" not in screen_state(url)
    with frozen(market, CENTRAL):
        market.flame("alley-cam")
        market.until(lambda: sirens_on(market) == {"alley-1", "east-gate-1"}, 60.0, "both sirens sound")
        market.until(lambda: "evacuation" in screen_state(url), 10.0, "the other device's screen turns")
    fire = market.until(market.fires, 60.0, "the incident, once the centre is back")[0]
    assert fire["zone"] == "food-alley"
    market.until(
        lambda: [one for one in market.api("messages") if one["state"] == "accepted"], 30.0, "the message is sent late"
    )
    market.flame("alley-cam", lit=False)


@pytest.mark.parametrize("name", ["ingest", "alerts", "console", "broker", "edge.parking-1", "edge.alley-1", "cameras"])
def test_a_killed_process_comes_back_and_no_reading_is_missing(market: RunningMarket, name: str) -> None:
    before = market.until(lambda: market.processes().get(name), 30.0, f"{name} runs")
    uptime_s = market.devices()[name[5:]]["agent"]["uptime_s"] if name.startswith("edge.") else 0.0
    before.kill()
    market.until(lambda: market.processes().get(name) not in {None, before}, 30.0, f"{name} is started again")
    market.until(lambda: market.http.get("/healthz").json()["status"] == "ok", 60.0, "every part is well")
    if name.startswith("edge."):
        reborn = market.devices
        market.until(lambda: reborn()[name[5:]]["agent"]["uptime_s"] < uptime_s, 60.0, "the new agent speaks")
    bay = "a-12" if name == "edge.alley-1" else "a-08"
    device = "alley-1" if name == "edge.alley-1" else "parking-1"
    for car in (True, False):
        market.order(device, bay=bay, occupied=car)
        state = "occupied" if car else "free"
        market.until(lambda: market.bays()[bay] == state, 60.0, f"{bay} is {state}")  # noqa: B023 — called at once
    market.until(lambda: delivered(market, device), 60.0, "everything is in the store and the device knows it")


def delivered(market: RunningMarket, device: str) -> bool:
    """Nothing dropped, and nothing waits but what the last seconds brought."""
    agent = market.devices()[device]["agent"]
    return bool(agent["state"] == "live" and agent["outbox_dropped_count"] == 0 and agent["outbox_rows"] < 10)


@pytest.mark.parametrize(
    ("order", "reasons"),
    [("freeze", {"frozen"}), ("dead", {"absent", "dead", "stale", "frozen"})],
    ids=["freeze", "dead"],
)
def test_a_camera_that_freezes_or_dies_is_unknown_with_its_reason_and_comes_back(
    market: RunningMarket, order: str, reasons: set[str]
) -> None:
    def camera() -> dict[str, object]:
        found: dict[str, object] = market.devices()["east-gate-1"]["cameras"][0]
        return found

    market.until(lambda: camera()["state"] == "live", 60.0, "the camera is live")
    simulator = f"http://127.0.0.1:{market.port_of('cameras')}/gate-cam/{order}"
    assert httpx.post(simulator, params={"on": "true"}, trust_env=False).status_code == httpx.codes.OK
    market.until(lambda: camera()["state"] == "unknown", 60.0, f"the camera is unknown after {order}")
    assert camera()["reason"] in reasons
    assert market.devices()["east-gate-1"]["presence"] == "online"
    httpx.post(simulator, params={"on": "false"}, trust_env=False)
    market.until(lambda: camera()["state"] == "live", 60.0, "the camera is back")
