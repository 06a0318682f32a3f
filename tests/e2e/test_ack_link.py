"""The page behind an acknowledge link in a real Chromium: a phone held in one hand, at night, without script."""

import os
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from broker.stores.acknowledge_tokens import LIFE_S, MS_PER_S, LinkToken, add_token, new_token
from broker.stores.database import transaction
from broker.stores.incident_models import Picture, Sighting
from broker.stores.incidents import Incidents
from broker.stores.messages import NewMessage
from contract.events import Phase
from tests.broker.console.conftest import EPOCH
from tests.e2e.test_console import CLOCK, CONTRAST, Served
from tests.e2e.test_console import served as served  # noqa: PLC0414 — the fixture, for this module too

pytestmark = [pytest.mark.browser]

SHOTS = os.environ.get("JANGTEO_SHOTS")
PHONE: ViewportSize = {"width": 360, "height": 740}
KIM = "01012345678"
THUMB_PX = 48  # WCAG 2.2 asks for 24, a hurried thumb for more


def shoot(page: Page, name: str) -> None:
    """Keep what it looks like where somebody asks for it."""
    if SHOTS:
        page.screenshot(path=Path(SHOTS) / f"{name}.png", full_page=True)


def burning(served: Served, severity: str = "fire", seq: int = 1) -> int:
    """An incident with a picture and a message; its number."""
    now, incidents = CLOCK.unix_ms(), Incidents(served.engine, CLOCK)
    kind = "camera-cam-1" if severity == "trouble" else severity
    seen = Sighting(
        "jungang", "alley-1", EPOCH, seq, f"{seq:032x}", severity, Phase.RAISED, now, "b", kind, severity, "cam-1"
    )
    (change,) = incidents.record([seen], lambda _change: (NewMessage("0", "김상인", KIM, "[화재]", now),))
    image = np.full((180, 320, 3), 40, np.uint8)
    cv2.circle(image, (200, 110), 40, (20, 140, 250), -1)
    jpeg = bytes(cv2.imencode(".jpg", image)[1])
    incidents.record([Picture("jungang", "alley-1", EPOCH, seq + 50, f"{seq:032x}", "cam-1", now, jpeg)], lambda _: ())
    assert change.incident is not None
    return change.incident.incident_id


def link(served: Served, incident_id: int) -> str:
    token, sha256 = new_token()
    now = CLOCK.unix_ms()
    with transaction(served.engine) as connection:
        add_token(
            connection,
            LinkToken("", sha256, now + LIFE_S * MS_PER_S),
            incident_id=incident_id,
            market="jungang",
            recipient_name="김상인",
            recipient=KIM,
            now_unix_ms=now,
        )
    return f"{served.url}/a/{token}"


def fits(page: Page) -> None:
    """Nothing to be moved sideways, everything readable, nothing fetched from elsewhere."""
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    assert page.evaluate(CONTRAST) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("severity", ["fire", "drill", "trouble"])
def test_on_a_phone_without_script_it_is_read_and_pressed(
    served: Served, browser: Browser, severity: str, scheme: Literal["light", "dark"]
) -> None:
    incident_id = burning(served, severity)
    asked: list[str] = []
    context = browser.new_context(viewport=PHONE, locale="ko-KR", java_script_enabled=True, color_scheme=scheme)
    page = context.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(link(served, incident_id))
    fits(page)
    shoot(page, f"ack-{severity}-{scheme}")
    button = page.get_by_role("button", name="제가 맡겠습니다")
    box = button.bounding_box()
    assert box is not None
    assert box["height"] >= THUMB_PX
    assert box["y"] + box["height"] <= PHONE["height"], "seen without a thumb's move"
    picture = page.get_by_role("img", name="cam-1 사진")
    if severity != "trouble":
        assert picture.evaluate("one => one.naturalWidth") == 320
    assert all(one.startswith(served.url) for one in asked)
    assert not [one for one in asked if one.endswith((".js", ".woff2"))], "light enough for a bad line"

    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="확인했습니다")).to_be_visible()
    fits(page)
    shoot(page, f"ack-{severity}-{scheme}-done")
    found = Incidents(served.engine, CLOCK).get(incident_id)
    assert (found.acknowledged_by, found.acknowledged_via) == ("김상인", "link")
    context.close()


def test_a_browser_without_script_does_all_of_it_and_a_used_link_says_what_to_do(
    served: Served, browser: Browser
) -> None:
    path = link(served, burning(served))
    context = browser.new_context(viewport=PHONE, locale="ko-KR", java_script_enabled=False)
    page = context.new_page()
    page.goto(path)
    page.get_by_role("button", name="제가 맡겠습니다").click()
    expect(page.get_by_role("status")).to_contain_text("김상인 님의 이름으로")
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", name="쓸 수 없는 링크입니다")).to_be_visible()
    expect(page.get_by_role("link", name="119 전화")).to_have_attribute("href", "tel:119")
    context.close()

    context = browser.new_context(viewport=PHONE, locale="ko-KR")
    page = context.new_page()
    page.goto(path)
    fits(page)
    shoot(page, "ack-invalid")
    for _ in range(10):
        answer = page.goto(path)
    assert answer is not None
    assert answer.status == 429
    fits(page)
    shoot(page, "ack-wait")
    context.close()
