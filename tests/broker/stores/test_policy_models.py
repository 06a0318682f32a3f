"""The policies' model: the built-in ones, the file that writes them out, and every mistake in one sentence."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from broker.stores.policy_models import KINDS, Policy, PolicyTable, Step, policy_kind
from runtime.errors import SettingsError
from runtime.settings_file import load_settings

DEFAULT_FILE = Path(__file__).resolve().parents[3] / "config" / "policies" / "default.yaml"
FIRE = "fire:\n  quiet_hours: ignores\n  steps:\n"


def test_the_default_file_writes_out_what_is_built_in() -> None:
    found = load_settings(DEFAULT_FILE, PolicyTable)
    assert found == PolicyTable()
    text = DEFAULT_FILE.read_text(encoding="utf-8")
    assert all(f"\n{kind.replace('-', '_')}:" in text for kind in KINDS), "every kind stands in it"


def test_what_the_documents_show_is_a_policy_table() -> None:
    page = (DEFAULT_FILE.parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    (block,) = (one for one in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if one.startswith("policies:"))
    table = PolicyTable.model_validate(yaml.safe_load(block)["policies"])
    assert (len(table.fire.steps), list(table.fire.notes), table.sensor.steps) == (3, ["ko"], ())
    assert table.camera == PolicyTable().camera
    assert all(f"`{name}`" in page for name in PolicyTable.model_fields), "every kind is explained"


def test_a_fire_is_told_at_once_goes_on_and_is_never_held() -> None:
    fire = PolicyTable().fire
    assert [(step.after_s, step.roles) for step in fire.steps] == [
        (0, ("manager",)),
        (60, ("deputy",)),
        (120, ("merchant",)),
    ]
    assert (fire.repeat_every_s, fire.repeats_max, fire.quiet_hours) == (180, 10, "ignores")


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("fire", "fire"),
        ("smoke", "smoke"),
        ("drill", "drill"),
        ("camera-cam-1", "camera"),
        ("cameras-cam-1", "camera"),
        ("siren-s", "siren"),
        ("bay-a-01", "sensor"),
        ("gate-fire", "sensor"),
        ("people-east", "sensor"),
        ("sensor-x", "sensor"),
        ("device-offline-pi-2", "device-offline"),
        ("part-stalled-ingest", "central"),
        ("path-stalled-pi-2", "central"),
        ("parking-overstay-a-01", "parking-overstay"),
        ("parking-taken-a-01", "parking-taken"),
        ("canary-sms", "canary"),
        ("balance-solapi", "balance"),
        ("disk-centre", "disk"),
        ("rule-cold-pi-1", "rule"),
        ("undeliverable-messages", "undeliverable"),
        ("component-fire-2-session", "other"),
        ("screen-gate", "other"),
        ("clock-pi-1", "other"),
        ("firework-x", "other"),
    ],
)
def test_every_incident_has_a_policy(kind: str, wanted: str) -> None:
    assert policy_kind(kind) == wanted
    assert wanted in KINDS
    assert isinstance(PolicyTable().of(wanted), Policy)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FIRE + "    - {after_s: 30, roles: [manager]}", "fire.steps: a fire needs a step with after_s: 0"),
        ("fire: {quiet_hours: ignores}", "fire: a fire needs a step with after_s: 0"),
        (
            "fire:\n  quiet_hours: holds\n  steps: [{after_s: 0, roles: [manager]}]",
            "policies.yaml:2: fire.quiet_hours: quiet hours never hold a fire: write ignores",
        ),
        (FIRE + "    - {after_s: 0, roles: [boss]}", "fire.steps[0].roles[0]: found 'boss'"),
        (FIRE + "    - {after_s: 0, roles: []}", "fire.steps[0].roles: is empty: name at least one"),
        (FIRE + "    - {after_s: 0, roles: [manager, manager]}", "'manager' stands here twice: name each once"),
        (FIRE + "    - {after_s: 0, roles: [manager], channels: [fax]}", "fire.steps[0].channels[0]: found 'fax'"),
        (
            FIRE + "    - {after_s: 0, roles: [manager]}\n    - {after_s: 0, roles: [deputy]}",
            "comes after 0 s, not later",
        ),
        (FIRE + "    - {after: 0, roles: [manager]}", "did you mean 'after_s'?"),
        (FIRE + "    - {after_s: 0, roles: [manager]}\n  repeat_every_s: 5\n  repeats_max: 3", "at least 30 (seconds)"),
        (FIRE + "    - {after_s: 0, roles: [manager]}\n  repeat_every_s: 60", "repeat_every_s and repeats_max belong"),
        ("cameras: {steps: []}", "unknown key; did you mean 'camera'?"),
        (
            "camera: {notes: {ko: 대피 🔥}}",
            "camera.notes.ko: holds '🔥', which the carriers cannot carry: leave it out",
        ),
        ("camera: {notes: {ko: " + "가" * 501 + "}}", "camera.notes.ko: is 1002 bytes long: make it at most 1000"),
        ("camera: {notes: {fr: fuyez}}", "camera.notes.fr"),
        ("camera: {cap_per_hour: 0}", "camera.cap_per_hour: found '0', expected at least 1"),
        ("camera: {languages: []}", "camera.languages"),
    ],
)
def test_each_mistake_is_one_sentence_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, PolicyTable)
    assert said in str(caught.value)
    assert str(caught.value).count("\n") == text.count("{after:"), "a key of another name is also a key that is missing"


def test_replacing_one_policy_keeps_the_others_and_the_rules() -> None:
    quiet = Policy(steps=(Step(after_s=5, roles=("deputy",)),))
    table = PolicyTable().with_policy("device-offline", quiet)
    assert (table.device_offline, table.fire) == (quiet, PolicyTable().fire)
    with pytest.raises(ValidationError, match="somebody has to hear at once"):
        table.with_policy("fire", quiet)
