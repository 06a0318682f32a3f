"""The whole market, as its people meet it: console and screens in a real browser, the real agents on simulated pins."""

import base64
import re
import struct
import zlib

import httpx
import pytest
from playwright.sync_api import Page, expect

from benchmarks.running_market import RunningMarket

pytestmark = [pytest.mark.browser, pytest.mark.server]

BAYS = ("a-01", "a-02", "a-03", "a-04")


def png(width: int, height: int) -> bytes:
    """A plain picture."""
    rows = b"".join(b"\x00" + b"\x20\x80\x40" * width for _ in range(height))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def open_console(market: RunningMarket, page: Page) -> None:
    """Sign in as a person does, and open the market's page."""
    page.goto(f"http://127.0.0.1:{market.port}/sign-in?next=/markets/jungang")
    password = (market.data / "manager.password").read_text(encoding="utf-8").strip()
    page.locator("input[name=password]").fill(password)
    page.locator("form button.button--main").click()
    expect(page.locator("#bay-parking-1-a-01")).to_be_visible(timeout=15_000)


def drive(market: RunningMarket, occupied: dict[str, bool]) -> None:
    for bay, car in occupied.items():
        market.order("parking-1", bay=bay, occupied=car)


def test_the_console_shows_bay_by_bay_what_stands_under_the_sensors(market: RunningMarket) -> None:
    for pattern in (0b0101, 0b1010, 0b0011):
        wanted = {bay: bool(pattern >> index & 1) for index, bay in enumerate(BAYS)}
        drive(market, wanted)
        states = {bay: "occupied" if car else "free" for bay, car in wanted.items()}
        market.until(lambda: states.items() <= market.bays().items(), 15.0, f"the console shows {states}")  # noqa: B023 — called at once


def test_a_sensor_without_echo_is_unknown_with_its_reason_and_the_others_go_on(market: RunningMarket) -> None:
    market.order("parking-1", bay="a-05", fault="no-echo")
    market.until(lambda: market.bays()["a-05"] == "unknown", 30.0, "the bay is unknown")
    bay = next(one for one in market.api("markets/jungang/occupancy")["bays"] if one["bay"] == "a-05")
    assert bay["reason"] == "no-echo"
    drive(market, {"a-06": True})
    market.until(lambda: market.bays()["a-06"] == "occupied", 15.0, "a live bay is still read")
    market.order("parking-1", bay="a-05", fault=None)
    market.until(lambda: market.bays()["a-05"] != "unknown", 30.0, "the bay is back")


def test_the_printed_link_signs_in_once(market: RunningMarket, page: Page) -> None:
    page.goto(market.sign_in_link)
    expect(page.get_by_text("중앙시장").first).to_be_visible(timeout=15_000)
    again = page.context.browser.new_context().new_page() if page.context.browser else page
    again.goto(market.sign_in_link)
    expect(again.locator("#bay-parking-1-a-01")).to_have_count(0)
    again.context.close()


def test_the_page_changes_while_somebody_looks(market: RunningMarket, page: Page) -> None:
    open_console(market, page)
    bay = page.locator("#bay-parking-1-a-07")
    drive(market, {"a-07": False})
    expect(bay).to_have_attribute("data-state", "free", timeout=15_000)
    drive(market, {"a-07": True})
    expect(bay).to_have_attribute("data-state", "occupied", timeout=15_000)


def test_a_pushed_notice_appears_on_the_screen_with_its_picture(market: RunningMarket, page: Page) -> None:
    page.goto(market.until(lambda: market.player_url("gate-screen"), 15.0, "the address"))
    notice = {
        "title": "오늘의 장터",
        "text": "과일 골목 반값 행사, 오후 3시부터",
        "picture": base64.b64encode(png(64, 48)).decode(),
    }
    answer = market.http.post("/api/v1/markets/jungang/notices", json=notice)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    expect(page.get_by_text("과일 골목 반값 행사").first).to_be_visible(timeout=20_000)
    expect(page.locator("img[src*='/files/']").first).to_be_visible(timeout=20_000)
    screens = market.devices()["east-gate-1"]["screens"]
    shown = next(one for one in screens if one["screen"] == "gate-screen")
    assert shown["player_url"] == market.player_url("gate-screen")
    market.until(
        lambda: market.devices()["east-gate-1"]["screens"][1]["state"] == "live", 15.0, "the page's heartbeat is seen"
    )


def test_a_fire_reaches_siren_screens_message_and_page_and_is_acknowledged_there(
    market: RunningMarket, page: Page
) -> None:
    screen = page.context.new_page()
    screen.goto(market.until(lambda: market.player_url("alley-screen"), 15.0, "the address"))
    open_console(market, page)
    market.flame("alley-cam")
    expect(screen.get_by_text(re.compile("대피")).first).to_be_visible(timeout=60_000)
    fire = market.until(market.fires, 10.0, "an incident")[0]
    assert fire["zone"] == "food-alley"
    sirens = [one for device in market.devices().values() for one in device["sirens"]]
    market.until(
        lambda: all(one["sounding"] for device in market.devices().values() for one in device["sirens"]),
        10.0,
        "every siren of the market sounds",
    )
    assert len(sirens) == 2
    message = market.until(
        lambda: [one for one in market.api("messages") if one["state"] == "accepted"], 10.0, "an accepted message"
    )[-1]
    assert message["text"].startswith("[화재]")
    assert len(market.fires()) == 1
    expect(page.get_by_text(fire["code"]).first).to_be_visible(timeout=10_000)
    answer = market.http.post(f"/api/v1/incidents/{fire['id']}/acknowledge")
    assert answer.status_code == httpx.codes.OK
    assert market.fires()[0]["acknowledged_unix_ms"] is not None
    market.flame("alley-cam", lit=False)


def test_a_wrong_token_is_refused(market: RunningMarket) -> None:
    answer = httpx.get(
        f"http://127.0.0.1:{market.port}/api/v1/markets", headers={"Authorization": "Bearer wrong"}, trust_env=False
    )
    assert answer.status_code == httpx.codes.UNAUTHORIZED
    assert "error" in answer.json()
