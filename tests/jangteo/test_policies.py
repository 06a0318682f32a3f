"""`jangteo policies check`, and what an enrolment says about what it left alone."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.stores.database import open_database, sqlite_url
from broker.stores.policies import Policies
from broker.stores.policy_models import KINDS, Policy
from broker.stores.registry import Recipient, Registry
from broker.stores.rosters import RosterBook
from jangteo.enrolment import enrol_site
from jangteo.policies import app
from jangteo.site import load_site
from runtime.clock import SystemClock
from runtime.errors import SettingsError
from runtime.settings_file import load_settings
from tests.jangteo.test_site import EXAMPLE, ROOT

DEFAULT_FILE = ROOT / "config" / "policies" / "default.yaml"


def test_a_good_file_is_shown_as_what_it_comes_to() -> None:
    result = CliRunner().invoke(app, ["check", str(DEFAULT_FILE)])
    assert result.exit_code == 0
    rows = result.stdout.splitlines()
    assert len(rows) == len(KINDS)
    assert rows[0].split(maxsplit=1)[1] == (
        "0 s manager by sms, 60 s deputy by sms, 120 s merchant by sms; again every 180 s, 10 times; "
        "at most 20 updates an hour"
    )
    assert rows[-1].split(maxsplit=1) == ["other", "console only"]


def test_a_bad_file_is_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("fire: {steps: [{after_s: 5, roles: [manager]}], quiet_hours: ignores}", encoding="utf-8")
    result = CliRunner().invoke(app, ["check", str(file)])
    assert isinstance(result.exception, SettingsError)
    assert "p.yaml:1: fire.steps: a fire needs a step with after_s: 0" in str(result.exception)


def test_an_enrolment_says_what_the_console_keeps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site, url = load_site(EXAMPLE), sqlite_url(tmp_path / "central.db")
    enrol_site(site, url, tmp_path)
    assert "stay" not in capsys.readouterr().err
    engine = open_database(url)
    market = site.market.id
    RosterBook(engine).add(market, Recipient("새 사람", "01012345678"))
    Policies(engine, SystemClock()).save(market, "camera", Policy(), "kim")
    enrol_site(site, url, tmp_path)
    said = capsys.readouterr().err
    assert f"{market}: 콘솔에서 고친 명부(recipients)은 그대로 둡니다." in said
    assert "policies were edited in the console and stay" in said
    assert len(Registry(engine).recipients(market)) == len(site.recipients) + 1
    engine.dispose()


def test_the_example_has_people_whose_numbers_are_stored_in_one_form() -> None:
    assert [one.phone for one in load_site(EXAMPLE).entry().recipients] == ["01000000001", "01000000002"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("010-0000-0002", "010-0000-00", "recipients[1].phone: '010-0000-00' is not a Korean number"),
        ("010-0000-0002", "+82 10 0000 0001", "recipients[1].phone: 010-0000-0001 is 김시장 (예시)'s number already"),
        ("010-0000-0002", "119", "recipients[1].phone"),
        ("role: deputy", "role: chief", "recipients[1].role: found 'chief'"),
        ("role: deputy", "language: fr", "recipients[1].language: found 'fr'"),
        ("role: deputy", "quiet_hours: 22-7", "recipients[1].quiet_hours: found '22-7', expected hours such as 22:00"),
        ("role: deputy", "quiet_hours: 24:00-07:00", "expected hours such as 22:00-07:00"),
        (
            "devices:\n",
            "policies: {camera: {steps: [{after_s: 0, roles: [merchant]}]}}\n\ndevices:\n",
            "policies.camera: its steps tell merchant, and recipients has nobody of that role",
        ),
        ("devices:\n", "policies: {fire: {steps: []}}\n\ndevices:\n", "policies.fire.steps: a fire needs a step"),
    ],
)
def test_each_mistake_about_people_is_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    file, text = tmp_path / "site.yaml", EXAMPLE.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_site(file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_quiet_hours_language_and_policies_reach_the_registry(tmp_path: Path) -> None:
    file, text = tmp_path / "site.yaml", EXAMPLE.read_text(encoding="utf-8")
    text = text.replace("role: deputy", "role: deputy, language: ja, quiet_hours: 22:30-07:05")
    text = text.replace("devices:\n", "policies: {camera: {steps: []}}\n\ndevices:\n", 1)
    file.write_text(text, encoding="utf-8")
    entry = load_site(file).entry()
    last = entry.recipients[-1]
    assert (last.language, last.quiet_from_minute, last.quiet_to_minute) == ("ja", 22 * 60 + 30, 7 * 60 + 5)
    assert entry.policies is not None
    assert entry.policies.camera.steps == ()
    assert load_settings(DEFAULT_FILE, type(entry.policies)).fire == entry.policies.fire
