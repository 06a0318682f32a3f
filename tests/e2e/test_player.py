"""A screen's page in a real Chromium: it shows what it should, at once, and never a lie."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from contract.signage import Item, Manifest, Name, Playlist
from contract.telemetry import BayState
from tests.edge.signage.contents import AssetServer, asset_server, manifest
from tests.edge.signage.devices import SignDevice
from tests.eventually import eventually

pytestmark = pytest.mark.browser

T = TypeVar("T")
LANDSCAPE, PORTRAIT = (1920, 1080), (1080, 1920)
FREE, TAKEN, UNKNOWN = BayState.FREE, BayState.OCCUPIED, BayState.UNKNOWN
SIZES = (
    *((1920, 1080), (1280, 720), (1280, 800), (1280, 900), (1280, 1024), (1024, 768), (800, 600), (800, 480)),
    *((3840, 2160), (2560, 1080), (1080, 1920), (768, 1366), (480, 800)),
)

COLLISIONS = """(roots) => {
  const boxes = [];
  for (const one of roots.split(", ").flatMap((root) => [...document.querySelectorAll(root + ", " + root + " *")])) {
    const isPicture = one.matches("svg, img");
    const texts = [...one.childNodes].filter((node) => node.nodeType === 3 && node.textContent.trim());
    if (!one.checkVisibility() || (!isPicture && (texts.length === 0 || one.closest("svg")))) continue;
    let block = one;
    while (getComputedStyle(block).display === "inline") block = block.parentElement;
    let { left, right, top, bottom } = block.getBoundingClientRect();
    if (!isPicture && getComputedStyle(block).overflowX === "visible") {
      const range = document.createRange();
      const lines = texts.flatMap((text) => (range.selectNodeContents(text), [...range.getClientRects()]));
      left = Math.min(...lines.map((line) => line.left));
      right = Math.max(...lines.map((line) => line.right));
    }
    const name = isPicture ? one.tagName : texts[0].textContent.trim().slice(0, 16);
    boxes.push({ block, left, right, top, bottom, name });
  }
  const found = boxes.length ? [] : ["nothing is shown"];
  const isWithin = (box, outer) => box.left >= outer.left - 1 && box.right <= outer.right + 1 &&
    box.top >= outer.top - 1 && box.bottom <= outer.bottom + 1;
  for (const box of boxes) {
    if (!isWithin(box, { left: 0, top: 0, right: innerWidth, bottom: innerHeight })) found.push(`outside: ${box.name}`);
    for (let at = box.block.parentElement; at && at !== document.body; at = at.parentElement) {
      if (getComputedStyle(at).overflowY === "hidden" && !isWithin(box, at.getBoundingClientRect())) {
        found.push(`cut off by ${at.className}: ${box.name}`);
      }
    }
  }
  boxes.forEach((box, index) => {
    for (const other of boxes.slice(index + 1)) {
      const across = Math.min(box.right, other.right) - Math.max(box.left, other.left);
      const down = Math.min(box.bottom, other.bottom) - Math.max(box.top, other.top);
      const isNested = box.block.contains(other.block) || other.block.contains(box.block);
      if (!isNested && across > 1 && down > 1) found.push(`overlap: ${box.name} / ${other.name}`);
    }
  });
  return found;
}"""
"""What of the visible words and pictures under `roots` overlaps, is cut off or lies outside the screen: none of it may.

A text is as wide as its lines and as high as its block: glyphs' own boxes are higher than what is seen of them."""

LONG_ZONES = (
    Name(id="a", ko="가나다라마바사아자차카타파하 골목 안쪽 끝", en="The inner end of a long alley with many stalls"),
    Name(id="b", ko="먹자골목", en="Food alley"),
    Name(
        id="c",
        ko="중앙통로와 서쪽 출입문 사이 수산물 구역",
        en="Fish stalls between the central aisle and the west gate",
    ),
)
LONGEST_ZONES = tuple(Name(id=one, ko="가나다라마" * 16, en="longest " * 10) for one in ("a", "b", "c"))


def collisions(page: Page, roots: str) -> dict[tuple[int, int], list[str]]:
    """What is wrong at each size, by size."""
    found = {}
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        # the page fits its words when it hears of the new size, and is measured once that has been laid out
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        if wrong := page.evaluate(COLLISIONS, roots):
            found[width, height] = wrong
    return found


def named(generation: int, zones: tuple[Name, ...] = (), lots: tuple[Name, ...] = ()) -> Manifest:
    """A manifest that shows bays, of a market whose name is as long as they get."""
    market = Name(id="jungang", ko="아주 긴 이름을 가진 전통 중앙시장 상인회", en="Jungang")
    whole = manifest(generation).model_copy(update={"zones": zones, "lots": lots, "market_name": market})
    bays = Playlist(playlist="day", items=(Item(item="bays", kind="occupancy"),))
    return whole.model_copy(update={"playlists": (bays,)})


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


@pytest.mark.parametrize(
    ("zones", "burning"),
    [((), "c"), ((), "b"), (LONG_ZONES[:1], "a"), (LONG_ZONES, "abc"), (LONGEST_ZONES, "abc")],
    ids=["short", "here", "long", "three", "longest"],
)
def test_evacuation_is_clear_at_every_size(
    screen: RunningDevice, page: Page, zones: tuple[Name, ...], burning: str
) -> None:
    open_page(page, screen)
    screen.do(screen.device.push(named(1, zones)))
    expect(page.locator("html")).to_have_attribute("data-showing", "occupancy")
    for zone in burning:
        screen.call(partial(screen.device.fire, zone))
    shown = [one.ko for one in zones if one.id in burning] or [{"b": "이 구역에서 화재", "c": "화재 구역 C"}[burning]]
    for words in shown:
        expect(page.get_by_role("alert")).to_contain_text(words)
    assert collisions(page, "#evacuation") == {}
    screen.stop()
    expect(page.locator("#link-lost")).to_be_visible(timeout=5_000)
    assert collisions(page, "#evacuation, #link-lost") == {}


@pytest.mark.parametrize("lots_count", [0, 1, 3, 13])
def test_live_values_are_clear_at_every_size(screen: RunningDevice, page: Page, lots_count: int) -> None:
    names = tuple(Name(id=f"lot-{one}", ko=f"중앙시장 공영주차장 {one}층", en="Car park") for one in range(lots_count))
    open_page(page, screen)
    screen.do(screen.device.push(named(1, lots=names)))
    for one in range(lots_count):
        screen.do(screen.device.bays(FREE, FREE, UNKNOWN, first=10 * one, lot=f"lot-{one}"))
    shown = page.locator(".layer.front .lot")
    expect(shown).to_have_count(min(lots_count, 12))
    assert collisions(page, ".top, .layer.front") == {}
    screen.call(screen.device.bus.go_down)
    expect(page.locator(".layer.front .unfed")).to_be_visible()
    assert collisions(page, ".top, .layer.front") == {}
    screen.stop()
    expect(page.locator("#link-lost")).to_be_visible(timeout=5_000)
    assert collisions(page, ".top, .layer.front, #link-lost") == {}


@pytest.mark.parametrize("pictured", [False, True])
def test_a_notice_is_clear_at_every_size(
    screen: RunningDevice, page: Page, assets: AssetServer, *, pictured: bool
) -> None:
    open_page(page, screen)
    assets.add(picture())
    title = "설 명절 장터와 전통 놀이 한마당 안내"
    screen.do(screen.device.push(manifest(1, *([picture()] if pictured else []), title=title)))
    expect(page.locator(".layer.front").get_by_role("heading", name=title)).to_be_visible()
    assert collisions(page, ".top, .layer.front") == {}


def test_a_lost_broker_is_said_beside_the_live_values(screen: RunningDevice, page: Page) -> None:
    open_page(page, screen)
    screen.do(screen.device.bays(FREE, TAKEN))
    lot, said = page.locator(".layer.front .lot"), page.locator(".layer.front .unfed")
    expect(lot).to_contain_text("빈자리")
    expect(said).to_be_hidden()
    screen.call(screen.device.bus.go_down)
    expect(said).to_have_text("실시간 연결 끊김 · live link lost", timeout=3_000)
    expect(lot).to_contain_text("이전 값")
    screen.call(screen.device.bus.come_up)
    expect(said).to_be_hidden(timeout=10_000)
    expect(lot).to_contain_text("빈자리")


def test_a_lost_agent_is_said_within_five_seconds_and_live_values_grey(screen: RunningDevice, page: Page) -> None:
    open_page(page, screen)
    screen.do(screen.device.bays(FREE, TAKEN))
    expect(page.locator(".layer.front .lot-count")).to_have_text("1")
    expect(page.locator("#link-lost")).to_be_hidden()
    screen.stop()
    expect(page.locator("#link-lost")).to_be_visible(timeout=5_000)
    expect(page.locator(".layer.front .lot")).to_have_class("lot stale")
    expect(page.locator(".layer.front .lot")).to_contain_text("이전 값")


def test_evacuation_stays_when_the_agent_is_lost(screen: RunningDevice, page: Page) -> None:
    open_page(page, screen)
    screen.call(screen.device.fire)
    expect(page.get_by_role("alert")).to_contain_text("대피하십시오")
    screen.stop()
    expect(page.locator("#link-lost")).to_be_visible(timeout=5_000)
    expect(page.get_by_role("alert")).to_be_visible()


def test_the_page_finds_its_agent_again(screen: RunningDevice, page: Page, tmp_path: Path, assets: AssetServer) -> None:
    open_page(page, screen)
    port = screen.device.settings.player.port
    screen.stop()
    expect(page.locator("#link-lost")).to_be_visible(timeout=5_000)
    with run(SignDevice(tmp_path, port, assets.url, screen.device.signer)):
        expect(page.locator("#link-lost")).to_be_hidden(timeout=10_000)


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
