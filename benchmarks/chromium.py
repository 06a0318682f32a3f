"""A headless Chromium for benchmarks and end-to-end tests: the Debian program, with nothing that reaches out."""

import shutil

from playwright.sync_api import Browser, Playwright

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def program() -> str | None:
    """Where Chromium is, if it is installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def launch(playwright: Playwright) -> Browser:
    """Start it.

    Raises:
        SystemExit: it is not installed.
    """
    path = program()
    if path is None:
        raise SystemExit("no Chromium on this machine: apt-get install chromium")
    return playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
