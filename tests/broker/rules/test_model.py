"""Rules as they stand in files: what is accepted, and the one sentence for what is not."""

from pathlib import Path

import pytest

from broker.rules.fields import KINDS
from broker.rules.files import RuleFolder, load_file, load_folder
from broker.rules.model import CLEARS, HOLDS, NEITHER, Verdict
from broker.series.freshness import STALE_AFTER_S
from broker.series.ports import FieldValue
from broker.stores.policy_models import KINDS as POLICY_KINDS
from broker.stores.policy_models import policy_kind
from runtime.errors import SettingsError
from tests.broker.rules.ruleset import FULL, rule

REPOSITORY = Path(__file__).parents[3]

GOOD = """
rules:
  - name: outbox-filling
    telemetry: agents
    field: outbox_share
    condition: {above: 0.8, clear_at: 0.7}
    for_s: 60
    ko: 보관함 80% 넘음
    en: outbox over 80 %
"""


def refusal(folder: Path, text: str) -> str:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_file(path)
    return str(caught.value).replace(f"{path}", "mine.yaml")


def test_every_kind_of_telemetry_can_be_asked_and_goes_stale() -> None:
    assert set(KINDS) == set(STALE_AFTER_S)
    assert KINDS["bays"].fields["state"].words == ("free", "occupied", "unknown", "closed")
    assert KINDS["agents"].fields["temperature_c"].sort == "number"
    assert KINDS["sirens"].fields["sounding"].sort == "flag"
    assert not KINDS["agents"].is_stated
    assert "bay" not in KINDS["bays"].fields
    assert "time_unix_ms" not in KINDS["bays"].fields


def test_the_rules_of_this_repository_are_right() -> None:
    rules = load_folder(REPOSITORY / "config" / "rules")
    assert {"bay-fault", "outbox-filling", "disk-nearly-full", "device-hot"} <= rules.keys()
    for one in rules.values():
        assert policy_kind(f"{one.incident}-{one.name}-x") in {*POLICY_KINDS} - {"other"}, one.name


@pytest.mark.parametrize(
    ("wrong", "right", "sentence"),
    [
        (
            "outbox_share",
            "outbox_shar",
            "mine.yaml:5: rules[0].field: agents has no field 'outbox_shar': there are uptime_s",
        ),
        ("    field: outbox_share\n", "", "mine.yaml:3: rules[0]: needs the key field: agents has uptime_s"),
        (
            "telemetry: agents",
            "telemetry: agent",
            "mine.yaml:4: rules[0].telemetry: unknown telemetry 'agent': there are",
        ),
        (
            ", clear_at: 0.7",
            "",
            "rules[0].condition.above: needs clear_at beside it: the value, at most 0.8, at which it",
        ),
        ("0.7", "0.9", "mine.yaml:6: rules[0].condition.clear_at: found 0.9, expected at most 0.8, the limit of above"),
        ("above: 0.8", "below: 0.8", "condition.clear_at: found 0.7, expected at least 0.8, the limit of below"),
        ("{above: 0.8, clear_at: 0.7}", "{}", "rules[0].condition: expected one of above, below, equals"),
        ("{above: 0.8, clear_at: 0.7}", "{fault: true, equals: a}", "fault; found equals and fault"),
        (
            "{above: 0.8, clear_at: 0.7}",
            "{equals: full}",
            "condition.equals: outbox_share is a number: ask above or below",
        ),
        (
            "{above: 0.8, clear_at: 0.7}",
            "{fault: true}",
            "rules[0].field: fault asks whether the reading says `unknown`",
        ),
        ("0.8", ".nan", "rules[0].condition.above: found 'nan', Input should be a finite number"),
        ("for_s: 60", "for_s: 604801", "rules[0].for_s: found '604801', expected at most 604800 (seconds)"),
        ("for_s: 60", "for_s: 60\n    for_m: 60", "rules[0].for_m: unknown key; did you mean 'for_s'?"),
        ("for_s: 60", "for_s: 60\n    incident: flood", "rules[0].incident: found 'flood'"),
        ("for_s: 60", "for_s: 60\n    markets: []", "rules[0].markets"),
        ("80% 넘음", "80% 넘음 🔥", "rules[0].ko: holds '🔥', which the carriers cannot carry: leave it out"),
        ("80% 넘음", "긴말" * 11, "rules[0].ko: has 51 bytes in a text message: make it at most 40, 20 Korean letters"),
        ("80% 넘음", "80% · 90%", "rules[0].ko: holds a middle dot"),
        ("name: outbox-filling", "name: Outbox", "rules[0].name: found 'Outbox', expected 1 to 63 of a-z, 0-9 and '-'"),
    ],
)
def test_a_mistake_is_one_sentence_with_file_line_and_key(
    tmp_path: Path, wrong: str, right: str, sentence: str
) -> None:
    assert wrong in GOOD
    found = refusal(tmp_path, GOOD.replace(wrong, right))
    assert sentence in found
    assert "\n" not in found


@pytest.mark.parametrize(
    ("telemetry", "field", "condition", "sentence"),
    [
        ("bays", "state", "{equals: ocupied}", "found 'ocupied', state is one of free, occupied, unknown, closed"),
        ("bays", "state", "{above: 1, clear_at: 0}", "condition.above: state is no number: ask equals or not_equals"),
        ("sirens", "sounding", "{equals: 'yes'}", "found 'yes', sounding is true or false"),
        ("bays", "state", "{equals: true}", "found True, state is a word: write it in quotes"),
        ("bays", "state", "{equals: free, clear_at: 1}", "clear_at: goes with above and below only"),
    ],
)
def test_a_condition_fits_its_field(tmp_path: Path, telemetry: str, field: str, condition: str, sentence: str) -> None:
    text = GOOD.replace("agents", telemetry).replace("outbox_share", field)
    assert sentence in refusal(tmp_path, text.replace("{above: 0.8, clear_at: 0.7}", condition))


def test_agents_cannot_be_at_fault(tmp_path: Path) -> None:
    text = GOOD.replace("    field: outbox_share\n", "").replace("{above: 0.8, clear_at: 0.7}", "{fault: true}")
    assert "condition.fault: readings of agents cannot say that they are at fault" in refusal(tmp_path, text)


def test_a_name_is_there_once_in_a_file_and_in_a_folder(tmp_path: Path) -> None:
    twice = GOOD + GOOD.replace("rules:\n", "")
    assert "mine.yaml:11: rules[1].name: two rules are called 'outbox-filling'" in refusal(tmp_path, twice)
    (tmp_path / "mine.yaml").write_text(GOOD, encoding="utf-8")
    (tmp_path / "other.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"other.yaml: rules: 'outbox-filling' is a rule of mine.yaml already"):
        load_folder(tmp_path)
    with pytest.raises(SettingsError, match="there is no such folder"):
        load_folder(tmp_path / "none")


def test_a_mistake_made_while_running_leaves_the_last_good_rules(tmp_path: Path) -> None:
    folder, path = RuleFolder(tmp_path), tmp_path / "mine.yaml"
    path.write_text("rules: 7", encoding="utf-8")
    table = folder.table()
    assert (dict(table.rules), table.is_usable) == ({}, False), "no rule that can be read is not: no rule"
    path.write_text(GOOD, encoding="utf-8")
    assert (list(folder.table().rules), folder.table().complaint) == (["outbox-filling"], "")
    path.write_text(GOOD.replace("0.8", "x"), encoding="utf-8")
    table = folder.table()
    assert (list(table.rules), table.is_usable) == (["outbox-filling"], True)
    assert "mine.yaml:6: rules[0].condition.above: found 'x'" in table.complaint
    path.unlink()
    assert (dict(folder.table().rules), folder.table().complaint) == ({}, "")


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({}, {0.81: HOLDS, 0.8: NEITHER, 0.71: NEITHER, 0.7: CLEARS, 0: CLEARS, "x": None}),
        ({"condition": {"below": 0.2, "clear_at": 0.3}}, {0.19: HOLDS, 0.2: NEITHER, 0.29: NEITHER, 0.3: CLEARS}),
        ({"condition": {"above": 0, "clear_at": 0}}, {0.01: HOLDS, 0: CLEARS}),
    ],
)
def test_a_number_is_judged_with_its_band(changes: dict[str, object], values: dict[FieldValue, Verdict]) -> None:
    judge = rule(FULL, **changes).judge()
    assert {value: judge(value) for value in values} == values


@pytest.mark.parametrize(
    ("telemetry", "field", "condition", "values"),
    [
        ("bays", None, {"fault": True}, {"unknown": HOLDS, "free": CLEARS}),
        ("bays", "state", {"equals": "occupied"}, {"occupied": HOLDS, "free": CLEARS, "unknown": None}),
        ("bays", "state", {"not_equals": "free"}, {"occupied": HOLDS, "free": CLEARS, "unknown": None}),
        ("bays", "state", {"equals": "unknown"}, {"unknown": HOLDS, "free": CLEARS}),
        ("bays", "state", {"not_equals": "unknown"}, {"unknown": CLEARS, "free": HOLDS}),
        ("sirens", "sounding", {"equals": True}, {True: HOLDS, False: CLEARS}),
        ("cameras", "fire", {"equals": "suspected"}, {"suspected": HOLDS, "quiet": CLEARS}),
    ],
)
def test_words_and_flags_are_judged(
    telemetry: str, field: str | None, condition: dict[str, object], values: dict[FieldValue, Verdict]
) -> None:
    judge = rule(telemetry=telemetry, field=field, condition=condition).judge()
    assert {value: judge(value) for value in values} == values


def test_a_rule_is_about_the_markets_and_devices_that_it_names() -> None:
    assert rule().is_about("jungang", "parking-1")
    one = rule(markets=["jungang"], devices=["parking-1"])
    assert one.is_about("jungang", "parking-1")
    assert not one.is_about("nambu", "parking-1")
    assert not one.is_about("jungang", "parking-2")
