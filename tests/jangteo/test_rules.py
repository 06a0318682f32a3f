"""`jangteo rules`: files checked, dry runs in words and in JSON, and clear sentences for what cannot be."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from broker.series.embedded import EmbeddedSeriesStore
from broker.series.ports import Sample
from jangteo.rule_actions import BadDryRunError, span_words
from jangteo.rules import app
from runtime.errors import SettingsError
from tests.broker.rules.ruleset import BAY, FAULT, FULL, NOON, bay_fields

S = 1000
SPAN = ("--from", "2026-01-01T00:00+00:00", "--to", "2026-01-02T00:00+00:00")

Run = Callable[..., Result]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    text = yaml.safe_dump({"rules": [dict(FAULT), dict(FULL)]}, allow_unicode=True)
    (tmp_path / "rules" / "mine.yaml").write_text(text, encoding="utf-8")
    series = {"kind": "embedded", "path": str(tmp_path / "series.db")}
    settings = {"database_url": "sqlite:///x.db", "series": series, "rules_dir": str(tmp_path / "rules")}
    path = tmp_path / "alerts.yaml"
    path.write_text(yaml.safe_dump({**settings, "worker": "1"}), encoding="utf-8")
    store = EmbeddedSeriesStore(tmp_path / "series.db")
    states = ((second, "unknown" if 1000 <= second < 4600 else "free") for second in range(0, 7200, 20))
    store.write([Sample(BAY, NOON + second * S, bay_fields(state)) for second, state in states])
    store.close()
    return path


@pytest.fixture
def run(config: Path) -> Run:
    def call(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["dry-run", "--config", str(config), *arguments])

    return call


def test_files_are_checked_and_said_in_words(config: Path) -> None:
    folder = config.parent / "rules"
    found = CliRunner().invoke(app, ["check", str(folder), str(folder / "mine.yaml")])
    assert found.exit_code == 0
    lines = found.output.splitlines()
    assert lines[0] == "bay-fault: bays at fault for 10 min → sensor incident (alarm)"
    assert lines[1] == "outbox-filling: agents outbox_share above 0.8 (over at 0.7) for 1 min → rule incident (alarm)"
    assert lines[2].endswith("rules: 2 rules, no mistake.")
    assert lines[-1].endswith("mine.yaml: 2 rules, no mistake.")


def test_a_mistake_in_a_file_ends_the_check(config: Path) -> None:
    file = config.parent / "rules" / "mine.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("telemetry: bays", "telemetry: bay"), encoding="utf-8")
    found = CliRunner().invoke(app, ["check", str(file)])
    assert isinstance(found.exception, SettingsError)
    assert "mine.yaml:" in str(found.exception)
    assert "unknown telemetry 'bay'" in str(found.exception)


def test_a_dry_run_says_when_and_how_long_and_a_total(run: Run) -> None:
    found = run("--rule", "bay-fault", *SPAN)
    assert found.exit_code == 0, found.output
    first, firing, total = found.output.splitlines()
    assert first.startswith("bay-fault: bays at fault")
    assert firing.startswith("  jungang/parking-1/a-01  2026-01-01T")
    assert firing.endswith("  for 50 min")
    assert "once on 1 of 1 subjects, 50 min in all, 50 min the longest; values are known for 8.3% of the time" in total


def test_a_dry_run_of_all_rules_names_what_it_knows_nothing_of(run: Run) -> None:
    lines = run(*SPAN).output.splitlines()
    assert lines[-1].startswith("outbox-filling: nothing of agents is in the series store")
    assert lines[-1].endswith("nothing can be said.")
    elsewhere = run("--rule", "bay-fault", "--market", "nambu", *SPAN).output
    assert "nothing of bays is in the series store" in elsewhere


def test_a_dry_run_for_programs(run: Run) -> None:
    firing, total = map(json.loads, run("--rule", "bay-fault", "--json", *SPAN).output.splitlines())
    assert (firing["rule"], firing["subject"], firing["seconds"], firing["is_over"]) == (
        "bay-fault",
        "a-01",
        3000,
        True,
    )
    assert (total["total"], total["count"], total["subjects"], total["longest_seconds"]) == (True, 1, 1, 3000)


def test_rules_that_are_not_in_use_yet_can_be_tried(run: Run, config: Path) -> None:
    other = config.parent / "idea.yaml"
    other.write_text(yaml.safe_dump({"rules": [{**FAULT, "name": "sooner", "for_s": 60}]}, allow_unicode=True))
    found = run("--rules", str(other), *SPAN)
    assert "sooner: once on 1 of 1 subjects, 59 min in all" in found.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--rule", "nothing"), "there is no rule 'nothing': there are bay-fault, outbox-filling"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "--from 2026-01-02 is not before 2026-01-01"),
        (("--from", "yesterday"), "--from 'yesterday': write how long ago"),
    ],
)
def test_what_cannot_be_asked_is_said(run: Run, arguments: tuple[str, ...], sentence: str) -> None:
    assert sentence in str(run(*arguments).exception)


def test_settings_without_rules_need_some(run: Run, config: Path) -> None:
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    del settings["rules_dir"]
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert isinstance(run().exception, BadDryRunError)
    del settings["series"]
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    assert "series: this key is missing" in str(run().exception)


@pytest.mark.parametrize(
    ("ms", "words"), [(0, "0 s"), (90_000, "1 min 30 s"), (600_000, "10 min"), (93_784_000, "1 d 2 h")]
)
def test_a_length_of_time_in_two_units(ms: int, words: str) -> None:
    assert span_words(ms) == words
