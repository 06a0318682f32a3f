"""A camera from its page, with real agents: looked through, given a zone, tried with a test fire that is no fire."""

import re

import pytest
from playwright.sync_api import Page, expect

from benchmarks.running_market import RunningMarket
from tests.e2e.test_market import open_console

pytestmark = [pytest.mark.browser, pytest.mark.server]

PAGE = "/markets/jungang/cameras/alley-cam"


def go(market: RunningMarket, page: Page) -> None:
    open_console(market, page)
    page.goto(f"http://127.0.0.1:{market.port}{PAGE}")
    expect(page.locator(".sight--live")).to_be_visible(timeout=30_000)


def test_the_view_comes_alive_and_a_zone_is_taken_by_the_device(market: RunningMarket, page: Page) -> None:
    go(market, page)
    page.get_by_role("button", name="1분 동안 보기").click()
    image = page.locator(".view:not(.view--stale) img")
    expect(image).to_be_visible(timeout=15_000)
    market.until(lambda: image.evaluate("one => one.naturalWidth") > 0, 10.0, "a picture is drawn")
    page.get_by_role("button", name="끝내기", exact=True).click()
    page.goto(f"http://127.0.0.1:{market.port}{PAGE}?add=1")
    page.get_by_label("종류").first.select_option("cooking")
    page.get_by_role("button", name="저장하고 카메라에 보내기").click()
    expect(page.locator("[data-zones=active]")).to_be_visible(timeout=15_000)


def test_a_test_fire_proves_the_way_and_nothing_sounds(market: RunningMarket, page: Page) -> None:
    go(market, page)
    page.locator("[name=zone-0-remove]").check()
    page.get_by_role("button", name="저장하고 카메라에 보내기").click()
    expect(page.locator("[data-zones=active]")).to_be_visible(timeout=15_000)
    expect(page.locator("#test")).to_contain_text("사이렌은 울리지 않습니다")
    page.get_by_role("button", name="시험 화재 시작").click()
    expect(page.locator(".step--done")).to_have_count(1, timeout=15_000)
    market.flame("alley-cam")
    # the example market sends no messages: they are kept, and the verdict says so
    expect(page.locator(".drill--spooled")).to_be_visible(timeout=60_000)
    expect(page.locator(".step--done")).to_have_count(5)
    assert market.fires() == []
    cameras = [one for device in market.devices().values() for one in device["cameras"]]
    assert {one["fire"] for one in cameras} == {"quiet"}
    assert [one["drill"] for one in cameras if one["camera"] == "alley-cam"] == ["confirmed"]
    sirens = [one for device in market.devices().values() for one in device["sirens"]]
    assert [one["sounding"] for one in sirens] == [False, False]
    screens = [one for device in market.devices().values() for one in device["screens"]]
    assert "evacuation" not in {one["showing"] for one in screens}
    texts = [one["text"] for one in market.api("messages")]
    assert texts
    assert all(text.startswith("[훈련]") for text in texts)
    (drill,) = [one for one in market.api("markets/jungang/incidents") if one["kind"] == "drill"]
    page.goto(f"http://127.0.0.1:{market.port}/markets/jungang/incidents/{drill['id']}")
    expect(page.locator("#alarm .alarm")).to_have_count(0)
    expect(page.locator(".pictures img")).to_have_count(3, timeout=15_000)
    expect(page.locator(".sign").first).to_be_visible()
    expect(page.locator(".plot svg")).to_have_accessible_name(re.compile("화염 점수"))
    market.flame("alley-cam", lit=False)
    market.until(
        lambda: (
            next(one for one in market.api("markets/jungang/incidents") if one["kind"] == "drill")["state"] == "cleared"
        ),
        60.0,
        "the drill is over",
    )
