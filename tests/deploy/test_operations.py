"""The operations page names what an operator can meet: reasons, dead letters, settings, ports, secrets' variables."""

import re
from pathlib import Path

import pytest
import yaml

from broker.alerts.notifiers.kannel import KannelSettings
from broker.ingest.refusal import RefusalKind
from contract.telemetry import Reason
from edge.cameras.settings import FireSettings
from edge.settings import (
    CameraSettings,
    DeviceSettings,
    OutboxSettings,
    SafetySettings,
    SirenSettings,
)
from jangteo.site import NamedBlock, RecipientBlock, SiteSettings
from transport.settings import BrokerBlock

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
MODELS = (
    BrokerBlock,
    CameraSettings,
    DeviceSettings,
    FireSettings,
    KannelSettings,
    NamedBlock,
    OutboxSettings,
    RecipientBlock,
    SafetySettings,
    SirenSettings,
    SiteSettings,
)


@pytest.mark.parametrize("word", [*Reason, *RefusalKind], ids=str)
def test_every_reason_and_every_kind_of_dead_letter_has_a_row(word: str) -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("|") and f"`{word}`" in line.split("|")[1]]
    assert rows, word


@pytest.mark.parametrize("model", MODELS, ids=lambda model: str(model.__name__))
def test_every_key_of_the_settings_is_named(model: type[DeviceSettings]) -> None:
    for key in model.model_fields:
        assert re.search(rf"`{key}[`:]|`[a-z_]+\.{key}`", PAGE), key


def test_every_published_port_and_every_variable_of_the_stack_is_named() -> None:
    for name in set(re.findall(r"\$\{(JANGTEO_[A-Z_]*BIND)", COMPOSE)):
        assert f"`{name}`" in PAGE
    for service in yaml.safe_load(COMPOSE)["services"].values():
        for port in service.get("ports", ()):
            assert re.search(rf"\| full stack \|[^|]*\b{port.split(':')[-1]}\b", PAGE), port


def test_the_units_run_what_exists_and_let_the_agent_write_one_folder() -> None:
    agent, screen = re.findall(r"```ini\n(.*?)```", PAGE, re.DOTALL)
    assert "jangteo edge --config" in agent
    for line in ("Restart=always", "ProtectSystem=strict", "WorkingDirectory=/var/lib/jangteo"):
        assert line in agent
    assert len(re.findall(r"http://127\.0\.0\.1:8611/screen/\S+", screen)) == 2
