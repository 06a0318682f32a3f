"""An incident's page in a real Chromium: its story goes on while one looks, from the first camera to the closing."""

import re
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page, expect

from broker.stores.incident_models import Picture, Sighting
from broker.stores.incidents import Incidents
from broker.stores.message_models import NewMessage
from broker.stores.messages import Messages
from contract.events import Phase
from tests.broker.console.conftest import EPOCH
from tests.e2e.test_camera_page import fits, jpeg, shoot, sign_in
from tests.e2e.test_console import CLOCK, CONTRAST, PHONE, Served
from tests.e2e.test_console import served as served  # noqa: PLC0414 — the fixture, for this module too

pytestmark = [pytest.mark.browser]

PEOPLE = ("김상인", "이관리", "정총무", "한회장", "오감사")


def seen(seq: int, phase: Phase, camera: str = "cam-1") -> Sighting:
    now = CLOCK.unix_ms()
    event_id = {"cam-1": "1", "cam-2": "2"}[camera] * 32
    return Sighting(
        "jungang", "alley-1", EPOCH, seq, event_id, "fire", phase, now, "b", "fire", "fire", camera, "fire", score=0.9
    )


def first_words() -> tuple[NewMessage, ...]:
    now = CLOCK.unix_ms()
    text = "[화재] 중앙시장 먹자골목 cam-1 화염감지 14:32 확인코드 K7Q2"
    managers = [NewMessage("0", name, f"0101111000{place}", text, now) for place, name in enumerate(PEOPLE)]
    deputy = NewMessage("1", "박부장", "01022220001", text.replace("화재", "화재 미확인"), now + 600_000)
    return (*managers, deputy, replace(deputy, step="2", recipient="01033330001", due_unix_ms=now + 900_000))


class Story:
    """A fire in the central state, as alerts writes it."""

    def __init__(self, served: Served) -> None:
        self.store, self.messages = Incidents(served.engine, CLOCK), Messages(served.engine, CLOCK)
        pictures = [
            Picture("jungang", "alley-1", EPOCH, 10 + place, "1" * 32, "cam-1", CLOCK.unix_ms(), jpeg(40), moment)
            for place, moment in enumerate(("before", "first", "now"))
        ]
        found = self.store.record([seen(1, Phase.RAISED), *pictures], self._compose)
        assert found[0].incident is not None
        self.incident_id = found[0].incident.incident_id
        self.path = f"/markets/jungang/incidents/{self.incident_id}"

    def _compose(self, change: object) -> tuple[NewMessage, ...]:
        return first_words() if getattr(change, "effect", "") == "opened" else ()

    def see(self, *sightings: Sighting) -> None:
        self.store.record(sightings, self._compose)

    def send(self) -> None:
        for one in self.messages.claim(10):
            self.messages.accepted(one.message_id, "kannel", "x")
            self.messages.delivered(one.message_id, "kannel")


@pytest.mark.parametrize("language", ["ko", "en"])
def test_the_story_goes_on_without_a_reload(page: Page, served: Served, language: str) -> None:
    story = Story(served)
    sign_in(page, served)
    page.goto(f"{served.url}{story.path}?lang={language}")
    page.evaluate("window.was = 1")

    def says(korean: str, english: str) -> None:
        wanted = {"ko": korean, "en": english}[language]
        expect(page.locator("#content")).to_contain_text(wanted, timeout=10_000)

    says("확인하는 사람이 없어 다음 사람에게: 박부장", "escalation: nobody had acknowledged: 박부장")
    story.send()
    story.see(seen(2, Phase.RAISED, "cam-2"))
    says("카메라 2대가 확인", "Confirmed by 2 cameras")
    says("문자 도착 확인: 김상인, 이관리, 정총무 외 2명", "Delivered to 김상인, 이관리, 정총무 and 2 more")
    shoot(page, f"story-{language}")
    story.store.acknowledge(story.incident_id, "이관리", "link")
    says("이관리 확인", "이관리 acknowledged")
    says("문자 링크로", "by the link")
    expect(page.locator(".step--waiting")).to_have_count(0)
    story.see(seen(3, Phase.CLEARED), seen(4, Phase.CLEARED, "cam-2"))
    says("더 보고되지 않음", "Nobody reports it any more")
    assert Incidents(served.engine, CLOCK, window_s=0).close_over() == 1
    says("다시 보고되지 않아 마감", "Closed: it was not reported again")
    acknowledge = re.compile("확인$|^Acknowledge")
    expect(page.locator("#content").get_by_role("button", name=acknowledge)).to_have_count(0)
    assert page.evaluate("window.was") == 1
    shoot(page, f"story-over-{language}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_the_story_fits_and_can_be_read(browser: Browser, served: Served, scheme: str) -> None:
    story = Story(served)
    story.send()
    story.see(seen(2, Phase.RAISED, "cam-2"))
    context = browser.new_context(
        viewport={"width": PHONE["width"], "height": PHONE["height"]},
        locale="ko-KR",
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    sign_in(page, served)
    for path in (story.path, "/markets/jungang"):
        page.goto(served.url + path)
        expect(page.locator("#content")).to_contain_text("카메라 2대가 확인")
        assert fits(page), path
        assert page.evaluate(CONTRAST) == [], path
        shoot(page, f"story-phone-{scheme}-{path.rsplit('/', 1)[-1]}")
    story.see(seen(3, Phase.CLEARED), seen(4, Phase.CLEARED, "cam-2"))
    expect(page.locator("#incidents")).to_contain_text("확인한 사람 없음", timeout=10_000)
    assert page.evaluate(CONTRAST) == []
    context.close()
