"""The roster's and the policies' pages in a real Chromium: without script, on a phone, by day and by night."""

import re

import pytest
from playwright.sync_api import Browser, Page, ViewportSize, expect

from broker.stores.policies import Policies
from broker.stores.registry import Recipient
from broker.stores.rosters import RosterBook
from tests.e2e.test_console import CLOCK, CONTRAST, Served, live, served

__all__ = ["live", "served"]  # fixtures

pytestmark = [pytest.mark.browser]

PHONE: ViewportSize = {"width": 360, "height": 740}
PATHS = ("roster", "roster?edit=1", "policies", "policies/fire", "policies/camera")


def test_every_text_can_be_read_by_day_and_by_night(served: Served, live: Page) -> None:
    RosterBook(served.engine).add("jungang", Recipient("박총무", "01022223333", "deputy", "ja", 1320, 420))
    for scheme in ("light", "dark"):
        live.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        for path in PATHS:
            live.goto(f"{served.url}/markets/jungang/{path}")
            assert live.evaluate(CONTRAST) == [], (scheme, path)


def test_it_fits_a_phone_and_works_without_script(served: Served, browser: Browser) -> None:
    signed_in = browser.new_context(viewport={"width": 1200, "height": 800}, locale="ko-KR")
    page = signed_in.new_page()
    page.goto(served.link())
    expect(page.get_by_role("heading", name="중앙시장")).to_be_visible(timeout=15_000)
    state = signed_in.storage_state()
    signed_in.close()
    plain = browser.new_context(viewport=PHONE, locale="ko-KR", java_script_enabled=False, storage_state=state)
    page = plain.new_page()
    page.goto(f"{served.url}/markets/jungang/roster")
    page.get_by_label("이름").fill("박총무")
    page.get_by_label("전화번호").fill("010-22")
    page.get_by_role("button", name="사람 더하기").click()
    expect(page.get_by_role("alert")).to_contain_text("'010-22'은(는) 한국 번호가 아닙니다")
    page.get_by_label("전화번호").fill("+82 10-2222-3333")
    page.get_by_label("역할").select_option("deputy")
    page.get_by_role("button", name="사람 더하기").click()
    expect(page.get_by_role("status").filter(has_text="명부에 더했습니다")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="박총무")).to_contain_text("010-2222-3333")
    page.goto(f"{served.url}/markets/jungang/policies")
    page.get_by_role("link", name="카메라 장애 정책 고치기").click()
    page.get_by_role("group", name="2단계").get_by_label("몇 초 뒤").fill("600")
    page.get_by_role("group", name="2단계").get_by_label("부관리자").check()
    page.get_by_role("button", name="저장").click()
    expect(page).to_have_url(re.compile("said=save#camera"))
    expect(page.get_by_role("row").filter(has_text="카메라 장애")).to_contain_text("600초 뒤 부관리자 (문자) 1명")
    steps = Policies(served.engine, CLOCK).of("jungang").table.camera.steps
    assert [(one.after_s, one.roles) for one in steps] == [(0, ("manager",)), (600, ("deputy",))]
    plain.close()
    script = browser.new_context(viewport=PHONE, locale="ko-KR", storage_state=state)
    page = script.new_page()
    for path in PATHS:
        page.goto(f"{served.url}/markets/jungang/{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], path
    script.close()
