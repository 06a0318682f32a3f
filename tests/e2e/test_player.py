"""A screen's page in a real Chromium: it shows what it should, at once, and never a lie."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from contract.telemetry import BayState
from tests.edge.signage.contents import AssetServer, asset_server, manifest
from tests.edge.signage.devices import SignDevice
from tests.eventually import eventually

pytestmark = pytest.mark.browser

T = TypeVar("T")
LANDSCAPE, PORTRAIT = (1920, 1080), (1080, 1920)
FREE, TAKEN, UNKNOWN = BayState.FREE, BayState.OCCUPIED, BayState.UNKNOWN


class RunningDevice:
    """A device in a thread with a loop of its own; `stop` ends it as if the agent had died."""

    def __init__(self, device: SignDevice) -> None:
        self.device = device
        self.loop = asyncio.new_event_loop()
        self._end = asyncio.Event()
        self._ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._ready.result(10)

    def do(self, work: Coroutine[object, object, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def call(self, work: Callable[[], T]) -> T:
        async def run() -> T:
            return work()

        return self.do(run())

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self._end.set)
            self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self._work())
        self.loop.close()

    async def _work(self) -> None:
        async with self.device.running():
            self._ready.set_result(None)
            await self._end.wait()


@pytest.fixture
def assets() -> Iterator[AssetServer]:
    with asset_server() as server:
        yield server


@contextmanager
def run(device: SignDevice) -> Iterator[RunningDevice]:
    running = RunningDevice(device)
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def screen(tmp_path: Path, free_port: int, assets: AssetServer) -> Iterator[RunningDevice]:
    with run(SignDevice(tmp_path, free_port, assets.url)) as running:
        yield running


def open_page(page: Page, screen: RunningDevice, size: tuple[int, int] = LANDSCAPE) -> Page:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.goto(screen.device.url)
    expect(page.locator("html[data-showing]")).to_be_attached()
    return page


def showing(screen: RunningDevice) -> str:
    return screen.device.readings[-1].showing


def picture() -> bytes:
    shade = np.linspace(0, 255, 320 * 240 * 3).reshape(240, 320, 3).astype(np.uint8)
    return cv2.imencode(".png", shade)[1].tobytes()


def test_standby_shows_free_bays_with_their_age_and_unknown_ones_as_unknown(screen: RunningDevice, page: Page) -> None:
    open_page(page, screen)
    expect(page.get_by_text("주차 정보를 기다리고 있습니다")).to_be_visible()
    screen.do(screen.device.bays(FREE, FREE, TAKEN, UNKNOWN))
    lot = page.locator(".layer.front .lot")
    expect(lot.locator(".lot-count")).to_have_text("2")
    expect(lot).to_contain_text("전체 4면 · of 4")
    expect(lot).to_contain_text("확인 안 됨 1면 · 1 unknown")
    expect(lot).to_contain_text("방금 · just now")
    eventually(lambda: screen.device.readings[-1].state == "live" and showing(screen) == "standby")


def test_full_is_said_in_words_and_all_unknown_is_no_number(screen: RunningDevice, page: Page) -> None:
    open_page(page, screen)
    count = page.locator(".layer.front .lot-count")
    screen.do(screen.device.bays(TAKEN, TAKEN))
    expect(count).to_have_text("만차")
    screen.do(screen.device.bays(UNKNOWN, UNKNOWN))
    expect(count).to_have_text("\u2013")


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
def test_a_pushed_notice_appears_with_its_picture_and_is_reported(
    screen: RunningDevice, page: Page, assets: AssetServer, size: tuple[int, int]
) -> None:
    open_page(page, screen, size)
    assets.add(picture())
    screen.do(screen.device.push(manifest(1, picture(), title="설 명절 장터")))
    front = page.locator(".layer.front")
    expect(front.get_by_role("heading", name="설 명절 장터")).to_be_visible()
    loaded = "image => image.complete && image.naturalWidth"
    assert front.locator("img").evaluate(loaded) == 320
    eventually(lambda: (showing(screen), screen.device.readings[-1].generation) == ("notice", 1))
    assert screen.device.readings[-1].item == "n-0"


def test_a_notice_whose_file_is_not_whole_is_not_shown(screen: RunningDevice, page: Page, assets: AssetServer) -> None:
    open_page(page, screen)
    screen.do(screen.device.push(manifest(1, title="먼저 온 말")))
    expect(page.get_by_role("heading", name="먼저 온 말")).to_be_visible()
    assets.add(picture())
    assets.cut_bytes = 50
    screen.do(screen.device.push(manifest(2, picture(), title="반만 온 말")))
    eventually(lambda: len(assets.asked) > 1)
    expect(page.get_by_role("heading", name="먼저 온 말")).to_be_visible()
    expect(page.get_by_text("반만 온 말")).to_have_count(0)
    assets.cut_bytes = None
    expect(page.get_by_role("heading", name="반만 온 말")).to_be_visible(timeout=15_000)


def test_evacuation_is_above_everything_at_once_and_leaves_when_clear(screen: RunningDevice, page: Page) -> None:
    open_page(page, screen)
    screen.do(screen.device.push(manifest(1, title="설 명절 장터")))
    expect(page.get_by_role("heading", name="설 명절 장터")).to_be_visible()
    begun_unix_ms = screen.device.clock.unix_ms()
    event_id = screen.call(screen.device.fire)
    alert = page.get_by_role("alert")
    expect(alert).to_contain_text("대피하십시오")
    expect(alert).to_contain_text("FIRE \u2013 EVACUATE")
    expect(alert).to_contain_text("화재 구역 C")
    eventually(lambda: showing(screen) == "evacuation")
    assert screen.device.readings[-1].since_unix_ms - begun_unix_ms < 1000
    covered = page.evaluate(
        "document.elementFromPoint(innerWidth / 2, innerHeight / 2).closest('#evacuation') !== null"
    )
    assert covered
    screen.call(lambda: screen.device.clear(event_id))
    expect(alert).to_be_hidden()
    eventually(lambda: showing(screen) == "notice")


def test_a_lost_agent_is_said_within_five_seconds_and_live_values_grey(screen: RunningDevice, page: Page) -> None:
    open_page(page, screen)
    screen.do(screen.device.bays(FREE, TAKEN))
    expect(page.locator(".layer.front .lot-count")).to_have_text("1")
    expect(page.get_by_text("연결 끊김")).to_be_hidden()
    screen.stop()
    expect(page.get_by_text("연결 끊김")).to_be_visible(timeout=5_000)
    expect(page.locator(".layer.front .lot")).to_have_class("lot stale")
    expect(page.locator(".layer.front .lot")).to_contain_text("이전 값")


def test_evacuation_stays_when_the_agent_is_lost(screen: RunningDevice, page: Page) -> None:
    open_page(page, screen)
    screen.call(screen.device.fire)
    expect(page.get_by_role("alert")).to_contain_text("대피하십시오")
    screen.stop()
    expect(page.get_by_text("연결 끊김")).to_be_visible(timeout=5_000)
    expect(page.get_by_role("alert")).to_be_visible()


def test_the_page_finds_its_agent_again(screen: RunningDevice, page: Page, tmp_path: Path, assets: AssetServer) -> None:
    open_page(page, screen)
    port = screen.device.settings.player.port
    screen.stop()
    expect(page.get_by_text("연결 끊김")).to_be_visible(timeout=5_000)
    with run(SignDevice(tmp_path, port, assets.url, screen.device.signer)):
        expect(page.get_by_text("연결 끊김")).to_be_hidden(timeout=10_000)


def test_long_words_are_shrunk_not_cut(screen: RunningDevice, page: Page) -> None:
    for generation, size in enumerate((LANDSCAPE, PORTRAIT), start=1):
        open_page(page, screen, size)
        whole = manifest(generation, title="가나다라마바사아자차" * 8)
        long = whole.playlists[0].items[0].model_copy(update={"text": "긴 안내 말씀 " * 60})
        playlist = whole.playlists[0].model_copy(update={"items": (long,)})
        screen.do(screen.device.push(whole.model_copy(update={"playlists": (playlist,)})))
        words = page.locator(".layer.front .notice-words")
        expect(words).to_be_visible()
        assert words.evaluate("e => e.scrollHeight <= e.clientHeight && e.scrollWidth <= e.clientWidth")


def test_it_asks_nothing_of_anyone_else(screen: RunningDevice, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_page(page, screen)
    screen.call(screen.device.fire)
    expect(page.get_by_role("alert")).to_contain_text("대피하십시오")
    origin = screen.device.url.partition("/screen/")[0]
    assert asked
    assert [url for url in asked if not url.startswith(origin)] == []


def test_motion_is_left_out_where_it_is_not_wanted(screen: RunningDevice, page: Page) -> None:
    page.emulate_media(reduced_motion="reduce")
    open_page(page, screen)
    screen.call(screen.device.fire)
    expect(page.get_by_role("alert")).to_be_visible()
    frame = "getComputedStyle(document.getElementById('evacuation'), '::before').animationName"
    assert page.evaluate(frame) == "none"
    assert page.evaluate("getComputedStyle(document.getElementById('layer-a')).transitionProperty") == "none"
