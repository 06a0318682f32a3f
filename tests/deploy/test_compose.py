"""The compose file says what the code understands: no Docker engine is needed to find that out."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from broker.alerts.settings import AlertsSettings
from broker.console.settings import ConsoleSettings
from broker.ingest.settings import IngestSettings
from broker.upkeep.settings import UpkeepSettings
from edge.settings import DeviceSettings
from jangteo.cli import app
from jangteo.deployment import make_secrets
from jangteo.site import SiteSettings, load_site
from runtime.settings_file import SettingsModel, load_settings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name for name, service in SERVICES.items() if "build" in service}
MODELS: dict[str, type[SettingsModel]] = {
    "ingest": IngestSettings,
    "alerts": AlertsSettings,
    "console": ConsoleSettings,
    "upkeep": UpkeepSettings,
    "enrol": ConsoleSettings,
    "edge": DeviceSettings,
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout's compose folder with its secrets made."""
    root = tmp_path_factory.mktemp("compose")
    (root / "deploy").mkdir()
    (root / "deploy" / "compose").symlink_to(ROOT / "deploy" / "compose")
    for name in ("broker", "config", "dashboards"):
        (root / name).symlink_to(ROOT / name)
    assert make_secrets(root, ("market.example.kr",))
    return root


def test_the_stack_is_whole() -> None:
    others = {"mosquitto", "influxdb", "grafana", "postgres"}
    assert set(SERVICES) == {"ingest", "alerts", "console", "upkeep", "market", "enrol"} | others


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_is_pinned_to_a_release(name: str) -> None:
    image = SERVICES[name]["image"]
    assert re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z]+)?$", image), image


def test_the_base_image_is_pinned_to_a_release() -> None:
    first = next(line for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("FROM"))
    assert re.fullmatch(r"FROM python:3\.11\.\d+-slim-bookworm", first)


@pytest.mark.parametrize("name", set(SERVICES) - {"enrol"})
def test_every_service_has_a_health_check_and_comes_back(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert SERVICES[name]["restart"] == "unless-stopped"


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_is_published_beyond_loopback_unless_told_to(name: str) -> None:
    for port in SERVICES[name].get("ports", ()):
        # What speaks TLS to devices and what speaks plain HTTP to people are let out one by one.
        variable = "JANGTEO_MQTT_BIND" if name == "mosquitto" else "JANGTEO_BIND"
        assert port.startswith(f"${{{variable}:-127.0.0.1}}:"), port


@pytest.mark.parametrize("name", SERVICES)
def test_no_secret_stands_in_the_file(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|TOKEN|SECRET|KEY", key):
            assert value.startswith("/run/secrets/"), key


@pytest.mark.parametrize("name", SERVICES)
def test_every_mounted_file_exists_once_the_secrets_are_made(name: str, made: Path) -> None:
    for volume in SERVICES[name]["volumes"]:
        assert (made / volume.split(":")[0]).exists(), volume


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_is_waited_for_can_say_that_it_is_well(name: str) -> None:
    for other, what in SERVICES[name].get("depends_on", {}).items():
        assert other in SERVICES
        ends = SERVICES[other]["restart"] == "no"
        assert what["condition"] == ("service_completed_successfully" if ends else "service_healthy")


def in_checkout(made: Path, name: str, path: str) -> Path:
    """Where a container's path lies in the checkout."""
    for volume in SERVICES[name]["volumes"]:
        host, inside = str(volume).split(":")[:2]
        if path == inside or path.startswith(inside + "/"):
            return made / host / path[len(inside) :].lstrip("/")
    raise AssertionError(f"{name}: {path} is mounted by nothing")


@pytest.mark.parametrize("name", sorted(OURS))
def test_our_commands_exist_and_their_settings_files_are_good(name: str, made: Path) -> None:
    command = SERVICES[name]["command"]
    assert CliRunner().invoke(app, [command[0], "--help"]).exit_code == 0
    config = in_checkout(made, name, command[command.index("--config") + 1])
    settings = load_settings(config, MODELS[command[0]])
    for path in mentioned_paths(settings.model_dump()):
        if str(path).startswith("/run/secrets/"):
            found = in_checkout(made, name, str(path))
            assert found.is_file(), f"{name}: {path}"
            assert found.stat().st_mode & 0o077 == 0, f"{name}: others can read {path}"


def mentioned_paths(value: object) -> list[Path]:
    if isinstance(value, Path):
        return [value]
    if isinstance(value, dict):
        return [path for one in value.values() for path in mentioned_paths(one)]
    if isinstance(value, list | tuple):
        return [path for one in value for path in mentioned_paths(one)]
    return []


@pytest.mark.parametrize("name", sorted(OURS))
def test_no_service_of_ours_can_gain_rights_or_write_its_image(name: str) -> None:
    assert SERVICES[name]["read_only"] is True
    assert SERVICES[name]["cap_drop"] == ["ALL"]
    assert "JANGTEO_UID" in SERVICES[name]["user"]


def test_every_file_that_mosquitto_names_is_made_and_mounted(made: Path) -> None:
    text = (ROOT / "broker" / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    named = set(re.findall(r"^\w+ (/mosquitto/\S+[^/\s])$", text, re.MULTILINE))
    assert len(named) == 5
    for path in named:
        found = in_checkout(made, "mosquitto", path)
        assert found.is_file(), path
        assert found.stat().st_mode & 0o077 == 0, f"others can read {path}"


def test_services_use_the_listener_that_is_not_published_and_devices_the_one_that_is(made: Path) -> None:
    text = (ROOT / "broker" / "mosquitto" / "mosquitto.conf").read_text(encoding="utf-8")
    devices, services = (int(port) for port in re.findall(r"^listener (\d+)", text, re.MULTILINE))
    published = {int(port.split(":")[-1]) for port in SERVICES["mosquitto"]["ports"]}
    assert published == {devices}
    for name in ("ingest", "alerts", "console"):
        broker = yaml.safe_load((made / "deploy" / "compose" / f"{name}.yaml").read_text(encoding="utf-8"))["broker"]
        assert broker["port"] == services
    market = yaml.safe_load((made / "deploy" / "secrets" / "market" / "market-1.yaml").read_text(encoding="utf-8"))
    assert market["broker"]["port"] == devices


def test_postgres_is_not_called_well_while_it_is_being_set_up() -> None:
    test = SERVICES["postgres"]["healthcheck"]["test"]
    assert test[test.index("-h") + 1] == "127.0.0.1", "the set-up server listens on the Unix socket alone"


def test_settings_point_at_services_and_ports_of_the_stack(made: Path) -> None:
    for name in ("ingest", "alerts", "console", "upkeep"):
        text = (made / "deploy" / "compose" / f"{name}.yaml").read_text(encoding="utf-8")
        for host in re.findall(r"(?:host: |@|http://)([a-z]+)(?=[:/\s])", text):
            assert host in SERVICES, f"{name}.yaml names {host}"


def test_making_secrets_again_changes_nothing_and_two_installs_share_none(made: Path, tmp_path: Path) -> None:
    assert make_secrets(made, ()) == []
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "compose").symlink_to(ROOT / "deploy" / "compose")
    make_secrets(tmp_path, ())
    mine = {path.read_bytes() for path in (made / "deploy" / "secrets").rglob("*") if secret(path)}
    theirs = {path.read_bytes() for path in (tmp_path / "deploy" / "secrets").rglob("*") if secret(path)}
    assert mine
    assert not mine & theirs


def secret(path: Path) -> bool:
    return path.is_file() and path.name not in {"access.acl", "market-1.yaml"}


def test_the_site_of_the_stack_is_a_site() -> None:
    site: SiteSettings = load_site(ROOT / "deploy" / "compose" / "site.yaml")
    assert [block.device for block in site.devices] == ["market-1"]
