"""The rules' pages in a real Chromium: a dry run from the form to its lines, by keyboard, and on a dark phone."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Browser, expect

from broker.stores.rule_states import RulePlace, RuleState, RuleStates
from tests.broker.rules.ruleset import BAY, FAULT, FULL, bay_fields, write
from tests.e2e.test_console import CLOCK, CONTRAST, PHONE, Served

pytestmark = [pytest.mark.browser]

DAY_MS = 86_400_000


@pytest.fixture
def ruled(tmp_path: Path) -> Iterator[Served]:
    """A console with two rules, one of which fires, and a bay that was at fault twice in the last hours."""
    folder = tmp_path / "rules"
    folder.mkdir()
    text = yaml.safe_dump({"rules": [dict(FAULT), dict(FULL)]}, allow_unicode=True)
    (folder / "mine.yaml").write_text(text, encoding="utf-8")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    one = Served(tmp_path, port, rules_dir=folder)
    now = CLOCK.unix_ms()
    place = RulePlace("bay-fault", "jungang", "parking-1", "a-01")
    RuleStates(one.engine).write([RuleState(place, now - 900_000, "f" * 32)], ())
    seconds = range(-7200, 0, 20)
    states = ((now + second * 1000, "unknown" if second % 3600 > 1200 else "free") for second in seconds)
    write(one.series, BAY, ((moment, bay_fields(state)) for moment, state in states))
    yield one
    one.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_dry_run_is_started_read_and_legible(ruled: Served, browser: Browser, scheme: str) -> None:
    dark = scheme == "dark"
    context = browser.new_context(
        viewport={"width": PHONE["width"], "height": PHONE["height"]} if dark else {"width": 1280, "height": 900},
        color_scheme="dark" if dark else "light",
        locale="ko-KR",
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(ruled.link())
    page.get_by_role("link", name="규칙").click()
    expect(page.get_by_text("울림 1")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("주차면 센서 고장")).to_be_visible()
    page.evaluate("document.fonts.ready.then(() => true)")  # another font is wider
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    button = page.get_by_role("button", name="시험 실행")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="시험 실행: bay-fault")).to_be_visible(timeout=15_000)
    expect(page.get_by_text("울렸을 것입니다")).to_be_visible(timeout=10_000)
    expect(page.locator("#dry-run")).not_to_have_attribute("hx-trigger", "every 2s")
    line = page.get_by_role("img", name="a-01: ")
    expect(line).to_be_visible()
    assert line.locator(".line__mark").count() >= 1
    page.get_by_text("시각 보기").click()
    expect(page.locator("details li").first).to_be_visible()
    assert page.evaluate(CONTRAST) == []
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert complaints == []
    context.close()
