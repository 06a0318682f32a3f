"""A camera's page in a real Chromium: a live view, a test fire from button to verdict, zones by hand and by keys."""

import base64
import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Browser, Locator, Page, expect

from broker.stores.incident_models import Picture, Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import Messages, NewMessage
from broker.stores.zone_plans import ZonePlans
from contract.cameras import CameraAction, CameraCommand, CameraReply, ViewPicture
from contract.catalog import topic_for
from contract.events import FireEvent, FireReason, FireSign, Phase
from contract.telemetry import CameraBatch, CameraReading
from contract.topics import Topic, TopicFilter
from tests.broker.console.conftest import EPOCH
from tests.e2e.test_console import CLOCK, CONTRAST, PHONE, Served
from tests.e2e.test_console import served as served  # noqa: PLC0414 — the fixture, for this module too
from tests.eventually import eventually

pytestmark = [pytest.mark.browser]

PAGE = "/markets/jungang/cameras/cam-1"
SHOTS = os.environ.get("JANGTEO_SHOTS")


def shoot(page: Page, name: str) -> None:
    """Keep what it looks like where somebody asks for it."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def jpeg(level: int) -> bytes:
    image = np.full((180, 320, 3), 40, np.uint8)
    cv2.rectangle(image, (40 + level, 60), (140 + level, 150), (60, 140, 230), -1)
    return bytes(cv2.imencode(".jpg", image)[1])


class Camera:
    """The device with the camera: answers commands, sends pictures when told."""

    def __init__(self, served: Served) -> None:
        self.served = served
        self.commands: list[CameraCommand] = []
        self.seq = 900
        where = TopicFilter("jungang", "alley-1", "cmd", "camera")

        async def begin() -> None:
            served.device.subscribe(where, CameraCommand, self._answer)

        served.on_loop(begin)
        self.sees()

    async def _answer(self, _topic: Topic, command: CameraCommand) -> None:
        self.commands.append(command)
        values = {"command_id": command.command_id, "outcome": "done", "time_unix_ms": CLOCK.unix_ms()}
        reply = CameraReply.model_validate(values)
        await self.served.device.publish(topic_for("jungang", "alley-1", CameraReply), reply)

    def sees(self) -> None:
        now = CLOCK.unix_ms()
        self.seq += 1
        reading = CameraReading(time_unix_ms=now, camera="cam-1", state="live", fps=8.0, fire_score=0.1)
        self.served.say("alley-1", CameraBatch(epoch=EPOCH, seq=self.seq, readings=(reading,)))

    def picture(self, level: int = 0) -> None:
        text = base64.b64encode(jpeg(level)).decode()
        self.served.say(
            "alley-1",
            ViewPicture(
                camera="cam-1", time_unix_ms=CLOCK.unix_ms(), score=0.1, fire="quiet", width_px=320, height_px=180,
                jpeg_base64=text,
            ),
        )  # fmt: skip

    def confirm(self, *, drill: bool, seq: int = 700) -> FireEvent:
        now = CLOCK.unix_ms()
        signs = ((FireSign.LOOKS_LIKE_FLAME, 0.93), (FireSign.FLICKERS, 0.7), (FireSign.SHINES, 0.3))
        event = FireEvent(
            epoch=EPOCH, seq=seq, event_id=f"{seq:032x}", time_unix_ms=now, phase=Phase.RAISED, zone="b",
            camera="cam-1", score=0.93, first_seen_unix_ms=now - 900, decided_unix_ms=now, drill=drill,
            reasons=tuple(FireReason(sign=sign, strength=strength) for sign, strength in signs),
            scores=(0.05, 0.06, 0.1, 0.2, 0.35, 0.5, 0.62, 0.7, 0.81, 0.88, 0.9, 0.93),
        )  # fmt: skip
        self.served.say("alley-1", event)
        return event


def record(served: Served, event: FireEvent, *messages: NewMessage, stills: bool = False) -> int:
    """What alerts makes of it; the incident."""
    what = "drill" if event.drill else "fire"
    seen = Sighting(
        "jungang", "alley-1", EPOCH, event.seq, event.event_id, what, event.phase, event.time_unix_ms, "b", what,
        what, "cam-1", what, body=event.model_dump_json(), score=event.score,
    )  # fmt: skip
    pictures = [
        Picture(
            "jungang", "alley-1", EPOCH, event.seq + 1 + index, event.event_id, "cam-1", event.time_unix_ms + index,
            jpeg(index * 40), moment,
        )
        for index, moment in enumerate(("before", "first", "now"))
    ]  # fmt: skip
    found = Incidents(served.engine, CLOCK).record([seen, *(pictures if stills else [])], lambda _change: messages)
    assert found[0].incident is not None
    return found[0].incident.incident_id


@pytest.fixture
def camera(served: Served) -> Camera:
    return Camera(served)


def sign_in(page: Page, served: Served) -> None:
    page.goto(served.link())
    expect(page.get_by_role("heading", name="중앙시장")).to_be_visible(timeout=15_000)


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


@pytest.mark.parametrize("language", ["ko", "en"])
def test_looking_through_a_camera_shows_its_pictures_and_says_when_none_come(
    page: Page, served: Served, camera: Camera, language: str
) -> None:
    sign_in(page, served)
    page.goto(f"{served.url}{PAGE}?lang={language}")
    expect(page.locator(".sight__word")).to_have_text({"ko": "보고 있음", "en": "It sees"}[language])
    start = {"ko": "1분 동안 보기", "en": "Look for a minute"}[language]
    page.get_by_role("button", name=start).click()
    stale = page.locator(".view--stale")
    expect(stale).to_contain_text({"ko": "아직 사진이", "en": "No picture has come"}[language])
    assert [one.action for one in camera.commands] == [CameraAction.VIEW]
    image = page.locator(".view img")
    fresh = page.locator(".view:not(.view--stale)")

    def shown() -> bool:
        camera.picture(level=len(camera.commands) + camera.seq % 50)
        camera.sees()
        return fresh.is_visible() and image.evaluate("one => one.naturalWidth") == 320

    eventually(shown, within_s=10.0, what="a picture of the live view")
    shoot(page, f"view-{language}")
    expect(stale).to_contain_text(
        {"ko": "새 사진이 오지 않습니다", "en": "No new picture comes"}[language], timeout=8_000
    )
    page.get_by_role("button", name={"ko": "끝내기", "en": "Stop"}[language], exact=True).click()
    expect(page.get_by_role("button", name=start)).to_be_visible()
    expect(image).to_have_count(0)


@pytest.mark.parametrize("language", ["ko", "en"])
def test_a_test_fire_goes_from_the_button_to_the_verdict_without_a_reload(
    page: Page, served: Served, camera: Camera, language: str
) -> None:
    sign_in(page, served)
    page.goto(f"{served.url}{PAGE}?lang={language}")
    page.get_by_role("button", name={"ko": "시험 화재 시작", "en": "Start the test fire"}[language]).click()
    page.evaluate("window.was = 1")
    expect(page.locator(".step--done")).to_have_count(1)
    expect(page.locator(".step--waiting")).to_have_count(1)
    event = camera.confirm(drill=True)
    expect(page.locator(".step--done")).to_have_count(3)
    message = NewMessage("0", "김상인", "01012345678", "[훈련]", CLOCK.unix_ms())
    record(served, event, message)
    messages = Messages(served.engine, CLOCK)
    (claimed,) = messages.claim(1)
    messages.accepted(claimed.message_id, "kannel", "1")
    messages.delivered(claimed.message_id, "kannel")
    expect(page.locator(".drill--passed")).to_contain_text(
        {"ko": "전체 경로가 정상입니다", "en": "The whole way works"}[language]
    )
    expect(page.locator(".step--done")).to_have_count(6)
    expect(page.locator("#alarm .alarm")).to_have_count(0)
    expect(page.locator(".strip--drill").first).to_be_visible()
    assert page.evaluate("window.was") == 1
    shoot(page, f"drill-{language}")


def handle(page: Page, index: int) -> Locator:
    return page.locator(".handle").nth(index)


def test_a_zone_is_drawn_by_hand_and_saved(page: Page, served: Served, camera: Camera) -> None:
    sign_in(page, served)
    page.goto(f"{served.url}{PAGE}")
    page.get_by_role("button", name="1분 동안 보기").click()
    expect(page.locator(".view")).to_be_visible()
    camera.picture()
    expect(page.locator(".view:not(.view--stale)")).to_be_visible()
    page.goto(f"{served.url}{PAGE}")
    page.get_by_role("link", name="구역 더하기").click()
    box = page.locator("[data-editor] svg").bounding_box()
    assert box is not None

    def at(x: float, y: float) -> tuple[float, float]:
        return box["x"] + box["width"] * x, box["y"] + box["height"] * y

    for x, y in ((0.2, 0.3), (0.6, 0.3), (0.6, 0.8), (0.2, 0.8)):
        page.mouse.click(*at(x, y))
    expect(page.locator(".handle")).to_have_count(4)
    page.mouse.click(*at(0.2, 0.3))
    expect(page.locator("polygon.drawn")).to_have_count(1)
    page.mouse.move(*at(0.6, 0.8))
    page.mouse.down()
    page.mouse.move(*at(0.8, 0.9), steps=4)
    page.mouse.up()
    page.get_by_label("종류").first.select_option("cooking")
    shoot(page, "zones")
    page.get_by_role("button", name="저장하고 카메라에 보내기").click()
    expect(page.locator("#zones .strip--said")).to_be_visible()
    expect(page.locator("[data-zones=waiting]")).to_be_visible()
    (zone,) = json.loads(ZonePlans(served.engine).all()[0].signed.plan_json)["cameras"][0]["zones"]
    assert zone["kind"] == "cooking"
    places = [(round(one["x"], 2), round(one["y"], 2)) for one in zone["points"]]
    assert places == [(0.2, 0.3), (0.6, 0.3), (0.8, 0.9), (0.2, 0.8)]


def test_a_zone_is_made_with_the_keyboard_alone(page: Page, served: Served, camera: Camera) -> None:
    assert camera.commands == []
    sign_in(page, served)
    page.goto(f"{served.url}{PAGE}?add=1")
    handle(page, 0).focus()
    expect(handle(page, 0)).to_have_attribute("aria-label", "zone-1 1번 점")
    for key in ("ArrowRight", "ArrowRight", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator("[name=zone-0-x]").first).to_have_value("31.00")
    expect(page.locator("[name=zone-0-y]").first).to_have_value("35.00")
    page.keyboard.press("Tab")
    page.keyboard.press("Delete")
    expect(page.locator(".handle")).to_have_count(3)
    page.keyboard.press("Delete")
    expect(page.locator(".handle")).to_have_count(3)  # three are the least
    page.get_by_text("점", exact=False).locator("xpath=ancestor-or-self::summary").first.press("Enter")
    page.locator("[data-add-point]").first.press("Enter")
    expect(page.locator(".handle")).to_have_count(4)
    page.keyboard.type("12.5")
    page.get_by_role("button", name="저장하고 카메라에 보내기").press("Enter")
    expect(page.locator("#zones .strip--said")).to_be_visible()
    assert len(json.loads(ZonePlans(served.engine).all()[0].signed.plan_json)["cameras"][0]["zones"][0]["points"]) == 4


@pytest.mark.parametrize("language", ["ko", "en"])
def test_an_incidents_page_can_be_read(page: Page, served: Served, camera: Camera, language: str) -> None:
    event = camera.confirm(drill=False)
    incident = record(served, event, NewMessage("0", "김상인", "01012345678", "[화재]", CLOCK.unix_ms()), stills=True)
    sign_in(page, served)
    page.goto(f"{served.url}/markets/jungang?lang={language}")
    page.get_by_role("link", name=re.compile("사건|Incident")).first.click()
    expect(page).to_have_url(re.compile(f"/markets/jungang/incidents/{incident}$"))
    for image in page.locator(".pictures img").all():
        assert image.evaluate("one => one.complete && one.naturalWidth") == 320
    expect(page.locator(".plot svg")).to_have_accessible_name(re.compile(r"0\.93"))
    shoot(page, f"incident-{language}")
    page.locator("#content").get_by_role("button", name=re.compile("확인|Acknowledge")).click()
    expect(page.locator(".incident__foot", has_text=re.compile("manager 확인|manager acknowledged"))).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_everything_fits_and_can_be_read(
    browser: Browser, served: Served, camera: Camera, scheme: str
) -> None:
    incident = record(served, camera.confirm(drill=True), stills=True)
    context = browser.new_context(
        viewport={"width": PHONE["width"], "height": PHONE["height"]},
        locale="ko-KR",
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    sign_in(page, served)
    page.goto(f"{served.url}{PAGE}")
    page.get_by_role("button", name="시험 화재 시작").click()
    expect(page.locator(".steps")).to_be_visible()
    for path in (f"{PAGE}?add=1", f"/markets/jungang/incidents/{incident}", "/test-fire-card"):
        page.goto(served.url + path)
        assert fits(page), path
        assert page.evaluate(CONTRAST) == [], path
        shoot(page, f"phone-{scheme}-{path.split('?')[0].rsplit('/', 1)[-1]}")
    context.close()


def test_the_test_flame_flickers_and_never_stands_still(page: Page, served: Served) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.goto(f"{served.url}/test-fire-card")
    canvas = page.locator("canvas")
    page.wait_for_load_state("networkidle")  # the icon comes after the page
    served.stop()  # from here on there is no network

    def look() -> NDArray[np.int64]:
        image = cv2.imdecode(np.frombuffer(canvas.screenshot(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        return image.astype(np.int64)

    def burns() -> bool:
        first, second = look(), look()
        blue, red = first[..., 0].mean(), first[..., 2].mean()
        return bool(first.max() > 220 and red > 2 * blue and np.abs(first - second).mean() > 0.3)

    eventually(burns, within_s=15.0, what="a flame of the right colour that moves")
    assert errors == []
    shoot(page, "flame")
