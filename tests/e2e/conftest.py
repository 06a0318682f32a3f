"""Fixtures of the end-to-end tests: a running market, and a Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.chromium import launch, program
from benchmarks.running_market import RunningMarket
from tests.absent import absent


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium; skips on a machine without one, fails in CI.

    For a module at a time: its driver keeps this thread's event loop running as long as it lives, and asynchronous
    tests of other folders need that loop.
    """
    if program() is None:
        absent("no Chromium on this machine (apt-get install chromium)")
    with sync_playwright() as playwright:
        started = launch(playwright)
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of its own."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, locale="ko-KR")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningMarket]:
    """The example market, running, its simulated traffic standing still unless ordered."""
    data: Path = tmp_path_factory.mktemp("market") / "var"
    with RunningMarket(data, ["--speed", "1"]) as running:
        running.until(lambda: "unknown" not in running.bays().values(), 60.0, "all bays known")
        yield running
