import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import broker.alerts.notifiers
from broker.alerts.plugins import BrokenNotifierError, discover, library, titles
from runtime.errors import SettingsError

WORKING = """
from typing import Literal
from broker.alerts.notifiers.spool import Spool
from broker.alerts.plugins import NotifierPlugin, NotifierSettings
class Settings(NotifierSettings):
    kind: Literal["%s"]
PLUGIN = NotifierPlugin("%s", Settings, lambda _settings: Spool(), "한", "en")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    package = broker.alerts.notifiers
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    discover.cache_clear()
    yield tmp_path
    discover.cache_clear()
    for name in ("pigeon", "broken"):
        sys.modules.pop(f"{package.__name__}.{name}", None)


def test_a_new_notifier_is_one_new_file(folder: Path) -> None:
    (folder / "pigeon.py").write_text(WORKING % ("pigeon", "pigeon"), encoding="utf-8")
    assert titles()["pigeon"] == ("한", "en")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import nothing_of_that_name", "does not import"),
        ("x = 1", "has no PLUGIN"),
        (WORKING % ("pigeon", "dove"), "must be Literal"),
        (WORKING % ("spool", "spool"), "taken by another"),
    ],
)
def test_a_broken_notifier_fails_by_name(folder: Path, source: str, said: str) -> None:
    (folder / "broken.py").write_text(source, encoding="utf-8")
    with pytest.raises(BrokenNotifierError, match=f"broken.*{said}|spool.*{said}"):
        discover()


def test_who_does_not_use_a_providers_library_does_not_load_it() -> None:
    program = (
        "import sys; from broker.alerts.plugins import build, discover, settings_for; discover(); "
        "build(settings_for({'kind': 'spool'})); "
        "print(sorted({'solapi', 'twilio', 'apprise', 'requests', 'aiohttp'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


def test_a_library_that_is_missing_is_named_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pigeons.flight", None)
    with pytest.raises(SettingsError, match=r"notifier pigeon: the library pigeons is missing: install jangteo\[notif"):
        library("pigeons.flight", "pigeon")
