import json
from datetime import time
from pathlib import Path

import pytest

from broker.alerts.notifiers.kannel import KannelSettings
from broker.alerts.notifiers.spool import SpoolSettings
from broker.alerts.settings import AlertsSettings
from runtime.errors import SettingsError
from runtime.settings_file import load_settings

KANNEL = {
    "kind": "kannel",
    "url": "http://127.0.0.1:13013/cgi-bin/sendsms",
    "username": "jangteo",
    "password_file": "kannel.password",
    "sender": "0212345678",
}


def load(tmp_path: Path, **changes: object) -> AlertsSettings:
    path = tmp_path / "alerts.yaml"
    path.write_text(json.dumps({"database_url": "sqlite:///x.db", **changes}), encoding="utf-8")
    return load_settings(path, AlertsSettings)


def test_a_database_is_all_it_needs(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert settings.notifiers == (SpoolSettings(),)
    assert settings.broker_settings().client_id == "alerts-1"


def test_each_worker_has_a_name_of_its_own_everywhere(tmp_path: Path) -> None:
    first, second = load(tmp_path), load(tmp_path, worker="2")
    assert (first.part, second.part) == ("alerts", "alerts-2")
    assert (first.client_id, second.client_id) == ("alerts-1", "alerts-2")


def test_a_canary_is_read_with_its_number_as_it_is_sent_to(tmp_path: Path) -> None:
    canary = load(tmp_path, central_market="m", canary={"phone": "+82 10-1234-5678", "at": "07:30"}).canary
    assert canary is not None
    assert (canary.phone, canary.at, canary.receipt_within_s) == ("01012345678", time(7, 30), 600)


def test_each_notifier_block_is_read_as_its_kind(tmp_path: Path) -> None:
    settings = load(tmp_path, notifiers=[KANNEL, {"kind": "spool"}])
    assert [type(one) for one in settings.notifiers] == [KannelSettings, SpoolSettings]
    assert settings.model_dump(mode="json")["notifiers"][0]["sender"] == "0212345678"
    assert AlertsSettings.model_validate(settings.model_dump()) == settings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"notifiers": [{"kind": "pigeon"}]},
            "unknown notifier kind 'pigeon': known kinds are apprise, gammu, kannel",
        ),
        ({"notifiers": []}, "notifiers"),
        ({"notifiers": [{**KANNEL, "sender": "Jangteo"}]}, "sender"),
        ({"notifiers": [{**KANNEL, "sendr": "1"}]}, "sendr"),
        ({"notifiers": [{"kind": "kannel"}]}, "url"),
        ({"broker": {"host": "mqtt.example"}}, "give ca_file for TLS"),
        ({"broker": {"certificate_file": "x"}}, "give both or neither"),
        ({"window": 5}, "did you mean 'window_s'"),
        ({"notifiers": [KANNEL, {**KANNEL, "username": "other"}]}, "receipts_port 8631 is given twice"),
        ({"rules_dir": "rules"}, "rules_dir needs series: name the store that the rules read"),
        ({"public_url": "http://a.kr"}, "https address without a path"),
        ({"canary": {"phone": "12"}, "central_market": "m"}, "12"),
        ({"canary": {"phone": "010-1234-5678"}}, "canary needs central_market"),
        ({"canary": {"phone": "010-1234-5678", "at": "25:00"}, "central_market": "m"}, "at"),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, changes: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        load(tmp_path, **changes)
