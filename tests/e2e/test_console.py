"""The console in a real Chromium, on an in-memory bus: what a manager sees and does, without a reload."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import Engine

from broker.console.service import create_app
from broker.series.memory import MemorySeriesStore
from broker.stores.audit import Audit
from broker.stores.database import migrate, open_database
from broker.stores.dead_letters import DeadLetter, DeadLetters
from broker.stores.incident_models import Sighting
from broker.stores.incidents import Incidents
from broker.stores.notices import Draft, Notices
from broker.stores.registry import Named, Registry
from broker.stores.users import Users, ensure_first_manager
from contract.catalog import topic_for
from contract.events import Phase
from contract.payload import Payload
from contract.presence import Presence, SignageReport
from contract.telemetry import BayBatch, BayReading, BayState, CameraBatch, CameraReading
from runtime.clock import SystemClock
from tests.broker.console.conftest import EPOCH, JUNGANG, settings_in
from tests.eventually import eventually
from transport.memory_bus import MemoryBus

pytestmark = [pytest.mark.browser]

CLOCK = SystemClock()
PATHS = ("/markets/jungang", "/markets/jungang/notices", "/messages", "/devices", "/rules", "/dead-letters", "/health")
PHONE = {"width": 360, "height": 740}


CONTRAST = """() => {
  const parse = (text) => { const m = text.match(/[\\d.]+/g).map(Number); return [m[0], m[1], m[2], m[3] ?? 1]; };
  const light = (c) => { const f = (v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
    return 0.2126 * f(c[0]) + 0.7152 * f(c[1]) + 0.0722 * f(c[2]); };
  const ground = (one) => { for (let at = one; at; at = at.parentElement) {
    const c = parse(getComputedStyle(at).backgroundColor); if (c[3] === 1) return c; } return [255, 255, 255, 1]; };
  const found = [];
  for (const one of document.querySelectorAll("body *")) {
    const says = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!says || !one.checkVisibility() || one.closest(".away, .skip, option")) continue;
    const pair = [light(parse(getComputedStyle(one).color)), light(ground(one))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    if (ratio < 4.5) found.push(`${one.className} ${one.textContent.trim().slice(0, 20)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
"""Every visible text below 4.5:1 (WCAG 2.2, 1.4.3) against the nearest opaque ground behind it."""


class Served:
    """A console served on a loopback port from a thread of its own, with a device that speaks on its loop."""

    def __init__(self, folder: Path, port: int, **changes: object) -> None:
        self.folder = folder
        self.port = port
        settings = settings_in(folder, port=port, public_url=f"http://127.0.0.1:{port}", **changes)
        self.engine: Engine = open_database(settings.database_url)
        migrate(self.engine)
        Registry(self.engine).enrol(JUNGANG)
        ensure_first_manager(self.engine, folder)
        self.url = settings.public_url
        self.bus = MemoryBus()
        self.seq = 0
        self.device = self.bus.session("device")
        self.series = MemorySeriesStore()
        app = create_app(settings, session=self.bus.session("console"), engine=self.engine, series=self.series)
        self._hub = app.state.console.hub
        config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        eventually(lambda: self._server.started and self.device.connected, within_s=20.0, what="the console")

    async def _serve(self) -> None:
        speaking = asyncio.create_task(self.device.run())
        await self._server.serve()
        speaking.cancel()
        await asyncio.gather(speaking, return_exceptions=True)

    def say(self, device: str, payload: Payload) -> None:
        self.on_loop(lambda: self.device.publish(topic_for("jungang", device, type(payload)), payload))

    def park(self, **bays: BayState) -> None:
        now = CLOCK.unix_ms()
        self.seq += 1
        readings = tuple(
            BayReading(time_unix_ms=now, bay=name.replace("_", "-"), state=state, confidence=0.9, since_unix_ms=now)
            for name, state in bays.items()
        )
        self.say("parking-1", BayBatch(epoch=EPOCH, seq=self.seq, readings=readings))

    def presence(self, device: str, state: str) -> None:
        now = CLOCK.unix_ms()
        said = {"state": state, "epoch": EPOCH, "agent_version": "0.1.0", "time_unix_ms": now, "started_unix_ms": now}
        self.say(device, Presence.model_validate(said))

    def fire(self, zone: str = "b", seq: int = 77) -> str:
        now = CLOCK.unix_ms()
        event_id = f"{seq:032x}"
        seen = Sighting(
            "jungang", "alley-1", EPOCH, seq, event_id, "fire", Phase.RAISED, now, zone, "fire", "fire", "cam-1"
        )
        (change,) = Incidents(self.engine, CLOCK).record([seen], lambda _change: ())
        assert change.incident is not None
        return change.incident.code

    def link(self) -> str:
        return f"{self.url}/sign-in/link/{Users(self.engine, CLOCK).new_sign_in_link()}"

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._hub.close)
            self._server.should_exit = True
            self._thread.join(10)
            self._loop.close()
            self.engine.dispose()

    def on_loop(self, work: Callable[[], Coroutine[None, None, None]]) -> None:
        done: Future[None] = asyncio.run_coroutine_threadsafe(work(), self._loop)
        done.result(5)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    one = Served(tmp_path, port)
    yield one
    one.stop()


@pytest.fixture
def live(served: Served, page: Page) -> Page:
    """The live page, signed in by link, with a console that may not complain about its policy."""
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(served.link())
    expect(page.get_by_role("heading", name="중앙시장")).to_be_visible(timeout=15_000)
    assert complaints == []
    return page


def test_a_bay_changes_within_a_second_and_without_a_reload(served: Served, live: Page) -> None:
    live.evaluate("window.stayed = true")
    bay = live.locator("#bay-parking-1-a-01")
    expect(bay).to_have_attribute("data-state", "unknown")
    expect(bay).to_contain_text("아직 보고 없음")
    for state, word in ((BayState.OCCUPIED, "주차 중"), (BayState.FREE, "비었음"), (BayState.OCCUPIED, "주차 중")):
        served.park(a_01=state)
        expect(bay).to_contain_text(word, timeout=3_000)
    assert live.evaluate("window.stayed") is True


def test_ages_go_on_in_the_browser(served: Served, live: Page) -> None:
    served.park(a_01=BayState.FREE)
    age = live.locator("#bay-parking-1-a-01 .age")
    expect(age).to_have_text("방금", timeout=3_000)
    expect(age).to_have_text("2초 전", timeout=4_000)
    expect(age).to_have_text("3초 전", timeout=4_000)


def test_a_fire_stands_out_and_is_acknowledged_on_the_spot(served: Served, live: Page) -> None:
    code = served.fire()
    expect(live.get_by_role("alert").filter(has_text="화재 발생")).to_be_visible(timeout=5_000)
    expect(live.get_by_role("alert").filter(has_text="먹자골목")).to_be_visible()
    button = live.get_by_role("button", name=f"사건 {code} 확인")
    button.focus()
    live.keyboard.press("Enter")
    expect(live.get_by_text("manager 확인").first).to_be_visible(timeout=5_000)
    expect(button).to_have_count(0)
    (incident,) = Incidents(served.engine, CLOCK).open_and_recent("jungang")
    assert incident.acknowledged_by == "manager"
    expect(live.locator("#incidents .incident")).to_be_focused()


def test_what_the_server_refuses_is_said_where_one_looks(served: Served, live: Page) -> None:
    code = served.fire()
    button = live.get_by_role("button", name=f"사건 {code} 확인")
    expect(button).to_be_visible(timeout=5_000)
    live.evaluate("document.querySelector('#act input').value = 'wrong'")
    button.click()
    expect(live.get_by_role("alert").filter(has_text="이 양식은 만료되었습니다")).to_be_visible()
    (incident,) = Incidents(served.engine, CLOCK).open_and_recent("jungang")
    assert incident.acknowledged_by is None


def test_what_is_announced_does_not_change_by_itself(served: Served, live: Page) -> None:
    served.fire()
    served.park(a_01=BayState.FREE)
    expect(live.get_by_role("alert").filter(has_text="화재 발생")).to_be_visible(timeout=5_000)
    live.evaluate(
        """() => {
          window.announced = 0;
          const live = '[role=alert], [role=status], [aria-live]:not([aria-live=off])';
          new MutationObserver((all) => {
            for (const one of all) if ((one.target.parentElement || one.target).closest(live)) window.announced += 1;
          }).observe(document.body, { subtree: true, childList: true, characterData: true, attributes: true });
        }"""
    )
    expect(live.locator("#bay-parking-1-a-01 .age")).to_have_text("4초 전", timeout=8_000)
    assert live.evaluate("window.announced") == 0
    served.fire("a", 78)
    expect(live.locator("#alarm").get_by_role("alert")).to_have_count(2, timeout=5_000)
    assert live.evaluate("window.announced") > 0


def test_news_takes_neither_the_focus_nor_what_is_being_typed(served: Served, live: Page) -> None:
    served.presence("alley-1", "online")
    live.goto(f"{served.url}/markets/jungang/notices")
    live.get_by_label("제목").fill("하나")
    live.get_by_role("button", name="모든 화면에 보내기").click()
    withdraw = live.get_by_role("button", name="알림 '하나' 내리기")
    expect(withdraw).to_be_visible()
    live.get_by_label("제목").press_sequentially("과일 골")
    served.say(
        "alley-1", SignageReport(generation=2, state="active", wanted_generation=2, time_unix_ms=CLOCK.unix_ms())
    )
    expect(live.locator("[data-arrival]")).to_have_attribute("data-arrival", "active", timeout=5_000)
    expect(live.get_by_label("제목")).to_be_focused()
    live.keyboard.type("목")
    expect(live.get_by_label("제목")).to_have_value("과일 골목")
    withdraw.focus()
    served.say(
        "alley-1", SignageReport(generation=1, state="fetching", wanted_generation=2, time_unix_ms=CLOCK.unix_ms())
    )
    expect(live.locator("[data-arrival]")).not_to_have_attribute("data-arrival", "active", timeout=5_000)
    expect(withdraw).to_be_focused()


@pytest.mark.parametrize("shift_ms", [86_400_000, -86_400_000])
def test_ages_go_by_the_servers_clock_whatever_the_browsers_says(served: Served, page: Page, shift_ms: int) -> None:
    page.add_init_script(f"const real = Date.now.bind(Date); let by = {shift_ms}; Date.now = () => real() + by;")
    page.goto(served.link())
    served.park(a_01=BayState.FREE)
    age = page.locator("#bay-parking-1-a-01 .age")
    expect(age).to_have_text("2초 전", timeout=15_000)
    page.evaluate("() => { const now = Date.now; Date.now = () => now() - 7200000; }")
    expect(age).to_have_text("4초 전", timeout=4_000)
    expect(page.locator("#cut")).to_be_hidden()


def test_a_page_recovers_by_itself_when_the_console_comes_back(served: Served, live: Page) -> None:
    served.stop()
    expect(live.locator("#cut")).to_be_visible(timeout=15_000)
    again = Served(served.folder, served.port)
    try:
        again.park(a_01=BayState.OCCUPIED)
        expect(live.locator("#bay-parking-1-a-01")).to_contain_text("주차 중", timeout=30_000)
        expect(live.locator("#cut")).to_be_hidden(timeout=10_000)
    finally:
        again.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_can_be_read_by_day_and_by_night(served: Served, live: Page, scheme: str) -> None:
    served.fire()
    served.park(a_01=BayState.FREE, a_02=BayState.OCCUPIED)
    served.presence("alley-1", "online")
    expect(live.get_by_role("alert").filter(has_text="화재 발생")).to_be_visible(timeout=5_000)
    live.emulate_media(color_scheme="dark" if scheme == "dark" else "light", reduced_motion="reduce")
    assert live.locator(".alarm__mark").evaluate("one => getComputedStyle(one).animationName") == "none"
    for path in (*PATHS, "/no-such-page", "/sign-in"):
        live.goto(served.url + path)
        assert live.evaluate(CONTRAST) == [], path


def test_the_keyboard_reaches_every_control_each_named_and_seen(served: Served, live: Page) -> None:
    served.fire()
    expect(live.get_by_role("alert").filter(has_text="화재 발생")).to_be_visible(timeout=5_000)
    for path in PATHS:
        live.goto(served.url + path)
        live.keyboard.press("Tab")
        expect(live.locator(".skip")).to_be_focused()
        expect(live.locator(".skip")).to_be_in_viewport()
        wanted = live.locator(
            "a[href]:visible, button:visible, input:visible, textarea:visible, select:visible"
        ).count()
        reached, unnamed = 1, []
        while reached < wanted + 5:
            live.keyboard.press("Tab")
            seen = live.evaluate(
                """() => { const one = document.activeElement; const style = getComputedStyle(one);
                  const label = [...(one.labels || [])].map((l) => l.textContent).join();
                  const name = one.ariaLabel || label || one.textContent;
                  const over = one === document.body || one.matches(".skip");
                  return [over, one.tagName, name.trim(), style.outlineStyle]; }"""
            )
            if seen[0]:
                break
            reached += 1
            if not seen[2] or seen[3] == "none":
                unnamed.append(seen)
        assert (reached, unnamed) == (wanted, []), path
    live.goto(served.url + PATHS[0])
    live.keyboard.press("Tab")
    live.keyboard.press("Enter")
    expect(live.locator("#content")).to_be_focused()


def test_words_of_devices_and_people_never_run(served: Served, live: Page) -> None:
    evil = "\"'><img src=x onerror='window.ran=1'><script>window.ran=1</script>{{7*7}}"
    Registry(served.engine).enrol(
        replace(
            JUNGANG,
            market=Named("jungang", evil[:80], evil[:80]),
            zones=(Named("a", evil[:80], evil[:80]), *JUNGANG.zones[1:]),
        )
    )
    camera = CameraReading(time_unix_ms=CLOCK.unix_ms(), camera="cam-1", state="live", detail=evil)
    served.say("alley-1", CameraBatch(epoch=EPOCH, seq=900, readings=(camera,)))
    Notices(served.engine, CLOCK).add("jungang", Draft(evil[:80], evil, None, CLOCK.unix_ms(), None, evil[:80]))
    Audit(served.engine, CLOCK).write(evil, "sign-in.failed", evil, evil)
    DeadLetters(served.engine).add([DeadLetter(CLOCK.unix_ms(), "ingest", "malformed", evil, evil, evil.encode(), 9)])
    served.fire("a", 79)
    expect(live.locator("#cameras").get_by_text("window.ran=1")).to_be_visible(timeout=8_000)
    for path in PATHS:
        live.goto(served.url + path)
        expect(live.locator("#clock time")).to_be_visible()
        assert live.evaluate("[window.ran, document.querySelectorAll('main img[src=x], main script').length]") == [
            None,
            0,
        ], path


def test_a_notice_is_pushed_with_a_preview_and_its_arrival_is_seen(served: Served, live: Page, tmp_path: Path) -> None:
    served.presence("alley-1", "online")
    live.get_by_role("link", name="화면 알림").click()
    live.wait_for_load_state()  # before its script is there, a picture that is chosen has no preview
    live.get_by_label("제목").fill("과일 골목 반값")
    picture = Path(__file__).parent.parent.parent / "brand" / "static" / "logo.svg"
    wrong = tmp_path / "logo.png"
    wrong.write_bytes(picture.read_bytes())
    live.get_by_label("사진").set_input_files(wrong)
    expect(live.locator("#preview")).to_be_visible()
    live.get_by_role("button", name="모든 화면에 보내기").click()
    expect(live.get_by_role("alert").filter(has_text="PNG, JPEG, WebP 사진이 아닙니다")).to_be_visible()
    expect(live.get_by_label("제목")).to_have_value("과일 골목 반값")
    live.get_by_role("button", name="모든 화면에 보내기").click()
    expect(live.locator("#list").get_by_text("과일 골목 반값")).to_be_visible()
    arrival = live.locator("[data-arrival]")
    expect(arrival).to_have_attribute("data-arrival", "waiting")
    report = SignageReport(generation=2, state="active", wanted_generation=2, time_unix_ms=CLOCK.unix_ms())
    served.say("alley-1", report)
    expect(arrival).to_have_attribute("data-arrival", "active", timeout=5_000)
    live.get_by_role("button", name="알림 '과일 골목 반값' 내리기").click()
    expect(live.locator("#list").get_by_text("내림")).to_be_visible()


def test_a_broken_stream_is_said_and_values_go_grey(served: Served, live: Page) -> None:
    expect(live.locator("#clock time")).to_be_visible()
    served.stop()
    expect(live.locator("#cut")).to_be_visible(timeout=10_000)
    assert "grayscale" in live.locator(".fresh").first.evaluate("one => getComputedStyle(one).filter")


def test_a_lost_broker_is_said(served: Served, live: Page) -> None:
    served.park(a_01=BayState.FREE)
    served.bus.go_down()
    expect(live.get_by_text("브로커와 연결이 끊겼습니다")).to_be_visible(timeout=5_000)
    assert "grayscale" in live.locator(".fresh").first.evaluate("one => getComputedStyle(one).filter")
    served.bus.come_up()
    expect(live.get_by_text("브로커와 연결이 끊겼습니다")).to_have_count(0, timeout=5_000)


def test_it_fits_a_phone_and_every_page_is_reached_by_keyboard(served: Served, browser: Browser) -> None:
    context = browser.new_context(viewport=PHONE)  # type: ignore[arg-type]  # a plain dict of the same shape
    page = context.new_page()
    page.goto(served.link())
    expect(page.get_by_role("heading", name="중앙시장")).to_be_visible(timeout=15_000)
    served.fire()
    expect(page.get_by_role("alert").filter(has_text="화재 발생")).to_be_visible(timeout=5_000)
    for path in PATHS:
        page.goto(served.url + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    context.close()


def test_nothing_is_asked_of_another_machine(served: Served, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served.link())
    expect(page.get_by_role("heading", name="중앙시장")).to_be_visible(timeout=15_000)
    for path in ("/markets/jungang/notices", "/messages", "/devices", "/health"):
        page.goto(served.url + path)
    assert len(asked) > 10
    assert not [url for url in asked if not url.startswith((served.url, "blob:", "data:"))]
