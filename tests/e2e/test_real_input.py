"""Real clips and real car parks, through the whole system."""

from pathlib import Path

import pytest

from benchmarks.occupancy import SPEED, compare
from benchmarks.running_market import RunningMarket

pytestmark = pytest.mark.server

FIRE_CLIP = "fire/videos/fire/car_street_1.mp4"
QUIET_CLIP = "fire/videos/nofire/street_children_1.mp4"


def test_a_fire_clip_goes_to_siren_screens_and_message_and_a_quiet_clip_to_none(tmp_path: Path, data_dir: Path) -> None:
    cameras = ["--camera", f"alley-cam={data_dir / FIRE_CLIP}", "--camera", f"gate-cam={data_dir / QUIET_CLIP}"]
    with RunningMarket(tmp_path / "var", cameras) as market:
        fire = market.until(market.fires, 60.0, "an incident")[0]
        assert fire["zone"] == "food-alley"
        assert fire["media_position_s"] is not None
        sirens = ("alley-1", "east-gate-1")
        market.until(
            lambda: all(market.devices()[name]["sirens"][0]["sounding"] for name in sirens), 15.0, "both sirens sound"
        )
        sent = market.until(
            lambda: [one for one in market.api("messages") if one["state"] == "accepted"], 15.0, "an accepted message"
        )
        assert sent[0]["provider"] == "spool"
        assert market.http.get(fire["still_url"]).headers["content-type"] == "image/jpeg"
        quiet = market.devices()["east-gate-1"]["cameras"][0]
        assert quiet["state"] == "live"
        assert quiet["fire"] != "confirmed"
        assert [one["zone"] for one in market.fires()] == ["food-alley"]


def test_what_is_played_in_is_what_the_console_shows(tmp_path: Path, data_dir: Path) -> None:
    csv = data_dir / "parking" / "birmingham_occupancy.csv"
    with RunningMarket(tmp_path / "var", ["--occupancy", str(csv), "--speed", str(SPEED)]) as market:
        market.until(lambda: "unknown" not in market.bays().values(), 60.0, "all bays known")
        found = compare(market, 20.0)
    assert found.stays >= 11
    assert found.wrong == ()
