"""`jangteo deploy secrets`: what it makes, that it keeps it, and what it refuses."""

import datetime as dt
import os
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from contract.signature import Signer
from jangteo import deployment
from jangteo.deployment import FIXED_NAMES, STATE_FOLDERS, make_secrets
from runtime.errors import SettingsError

SITE = Path(__file__).resolve().parents[2] / "deploy" / "compose" / "site.yaml"
USERS = {"ingest", "alerts", "console", "jungang.market-1"}
OPEN = {"market-1.yaml"}  # a settings file without a secret in it


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout with nothing but the site file."""
    folder = tmp_path / "deploy" / "compose"
    folder.mkdir(parents=True)
    (folder / "site.yaml").write_text(SITE.read_text(encoding="utf-8"), encoding="utf-8")
    return tmp_path


def secrets_of(root: Path) -> dict[str, bytes]:
    folder = root / "deploy" / "secrets"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def certificate(root: Path, name: str = "mosquitto/server.crt") -> x509.Certificate:
    return x509.load_pem_x509_certificate((root / "deploy" / "secrets" / name).read_bytes())


def names_in(root: Path) -> set[str]:
    found = certificate(root).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return {str(one.value) for one in found}


def verify(root: Path, name: str, authority: str = "ingest/ca.crt") -> None:
    store = Store([certificate(root, authority)])
    PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name)).verify(certificate(root), [])


def test_only_the_owner_can_read_a_secret_and_enter_the_folders(root: Path) -> None:
    make_secrets(root, ())
    folder = root / "deploy" / "secrets"
    for name in secrets_of(root):
        if Path(name).name not in OPEN:
            assert (folder / name).stat().st_mode & 0o777 == 0o600, name
    for closed in (folder, root / "deploy" / "state"):
        assert closed.stat().st_mode & 0o777 == 0o700
    for name in STATE_FOLDERS:
        assert (root / "deploy" / "state" / name).is_dir()


def test_again_changes_not_one_byte(root: Path) -> None:
    assert "deploy/secrets/mosquitto/server.key" in make_secrets(root, ("market.example.kr",))
    before, environment = secrets_of(root), (root / ".env").read_bytes()
    assert make_secrets(root, ("market.example.kr",)) == []
    assert make_secrets(root, ()) == []
    assert secrets_of(root) == before
    assert (root / ".env").read_bytes() == environment


def test_devices_find_the_broker_by_each_of_its_names_and_no_other(root: Path) -> None:
    make_secrets(root, ("market.example.kr", "192.168.0.10", "fd00::10"))
    assert names_in(root) == {*FIXED_NAMES, "market.example.kr", "192.168.0.10", "fd00::10"}
    for name in ("mosquitto", "market.example.kr"):
        verify(root, name)
    with pytest.raises(VerificationError):
        verify(root, "other.example.kr")


def test_the_chain_ends_at_this_installations_own_authority(root: Path, tmp_path: Path) -> None:
    make_secrets(root, ())
    other = tmp_path / "other"
    (other / "deploy" / "compose").mkdir(parents=True)
    (other / "deploy" / "compose" / "site.yaml").symlink_to(SITE)
    make_secrets(other, ())
    theirs = other / "deploy" / "secrets" / "ingest" / "ca.crt"
    (root / "deploy" / "secrets" / "theirs.crt").write_bytes(theirs.read_bytes())
    with pytest.raises(VerificationError):
        verify(root, "mosquitto", "theirs.crt")
    key = load_pem_private_key((root / "deploy/secrets/mosquitto/server.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == certificate(root).public_key()
    for service in ("mosquitto", "ingest", "alerts", "console", "market"):
        assert certificate(root, f"{service}/ca.crt") == certificate(root, "ingest/ca.crt")


def test_a_new_name_brings_a_new_certificate_of_the_same_authority(root: Path) -> None:
    make_secrets(root, ("market.example.kr",))
    authority = certificate(root, "ingest/ca.crt")
    made = make_secrets(root, ("second.example.kr",))
    assert made == ["deploy/secrets/mosquitto/server.crt", "deploy/secrets/mosquitto/server.key"]
    assert {"market.example.kr", "second.example.kr"} <= names_in(root)
    assert certificate(root, "ingest/ca.crt") == authority
    verify(root, "second.example.kr")


def test_a_certificate_that_ends_soon_is_renewed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(deployment, "CERTIFICATE_LIFE_DAYS", deployment.RENEW_DAYS - 1)
        make_secrets(root, ("market.example.kr",))
    assert "deploy/secrets/mosquitto/server.crt" in make_secrets(root, ())
    left = certificate(root).not_valid_after_utc - dt.datetime.now(dt.UTC)
    assert left > dt.timedelta(days=deployment.RENEW_DAYS)
    assert "market.example.kr" in names_in(root)


def test_the_broker_knows_exactly_the_roles_and_the_sites_devices(root: Path) -> None:
    make_secrets(root, ())
    found = secrets_of(root)
    acl = [line.split()[1] for line in found["mosquitto/access.acl"].decode().splitlines() if line.startswith("user ")]
    users = [line.split(":")[0] for line in found["mosquitto/passwords"].decode().splitlines()]
    assert set(acl) == set(users) == USERS
    assert len(acl) == len(users) == len(USERS)


def test_a_device_more_and_a_new_password_reach_the_broker(root: Path) -> None:
    make_secrets(root, ())
    site = root / "deploy" / "compose" / "site.yaml"
    data = yaml.safe_load(site.read_text(encoding="utf-8"))
    data["devices"].append({"device": "market-2"})
    site.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")
    assert make_secrets(root, ()) == [
        "deploy/secrets/market/market-2.yaml",
        "deploy/secrets/market/mqtt_password.market-2",
        "deploy/secrets/mosquitto/access.acl",
        "deploy/secrets/mosquitto/passwords",
    ]
    (root / "deploy" / "secrets" / "alerts" / "mqtt_password").unlink()
    assert make_secrets(root, ()) == ["deploy/secrets/alerts/mqtt_password", "deploy/secrets/mosquitto/passwords"]


def test_readers_of_influxdb_and_postgres_have_the_servers_secrets(root: Path) -> None:
    make_secrets(root, ())
    found = secrets_of(root)
    for reader in ("ingest", "alerts", "console", "upkeep", "grafana"):
        assert found[f"{reader}/influxdb_token"] == found["influxdb/influxdb_token"]
    password = found["postgres/postgres_password"].decode()
    for reader in ("ingest", "alerts", "console", "upkeep"):
        assert found[f"{reader}/pgpass"].decode().strip() == f"*:*:jangteo:jangteo:{password}"
    assert "upkeep/mqtt_password" not in found, "upkeep does not speak to the broker"


def test_the_device_trusts_the_consoles_key(root: Path) -> None:
    make_secrets(root, ())
    found = secrets_of(root)
    device = yaml.safe_load(found["market/market-1.yaml"])
    assert device["signing_public_key"] == Signer(found["console/signing.key"].decode()).public_key_hex
    assert device["broker"]["username"] == "jungang.market-1"


def environment(root: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in (root / ".env").read_text(encoding="utf-8").splitlines())


def test_the_containers_run_as_whoever_asked_and_never_as_root(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    make_secrets(root, ())
    found = environment(root)
    expected = os.getuid() or deployment.DEDICATED_ID
    assert found.pop("JANGTEO_UID") == str(expected)
    assert int(found.pop("JANGTEO_GID")) > 0
    assert found == {"JANGTEO_BIND": "127.0.0.1", "JANGTEO_MQTT_BIND": "127.0.0.1"}
    for path in (root / "deploy" / "secrets", root / "deploy" / "state" / "postgres"):
        assert path.stat().st_uid == expected
    assert {path.stat().st_uid for path in (root / "deploy" / "secrets").rglob("*")} == {expected}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand files to somebody else")
def test_behind_sudo_they_run_as_the_person(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "4321")
    make_secrets(root, ())
    assert environment(root)["JANGTEO_UID"] == "1234"
    assert (root / "deploy" / "secrets" / "ingest" / "pgpass").stat().st_uid == 1234
    assert (root / "deploy" / "secrets" / "ingest" / "pgpass").stat().st_gid == 4321


@pytest.mark.parametrize(
    "text", ["JANGTEO_UID=0\nJANGTEO_GID=0\n", "JANGTEO_GID=5\n", "JANGTEO_UID=me\nJANGTEO_GID=5\n"]
)
def test_an_environment_file_that_names_root_or_nobody_is_refused(root: Path, text: str) -> None:
    (root / ".env").write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\.env: JANGTEO_UID and JANGTEO_GID have to be numbers, not root's"):
        make_secrets(root, ())
    assert not (root / "deploy" / "secrets").exists()


@pytest.mark.parametrize(
    "name", ["https://market.example.kr", "a b", "", "-x", "시장.example.kr", "market.example.kr:8883"]
)
def test_a_host_that_is_no_name_is_refused_and_nothing_is_made(root: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="write a name or an address alone"):
        make_secrets(root, (name,))
    assert not (root / "deploy" / "secrets").exists()


def test_a_site_file_that_is_none_is_refused_and_nothing_is_made(root: Path) -> None:
    (root / "deploy" / "compose" / "site.yaml").write_text("market: 3\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"site\.yaml"):
        make_secrets(root, ())
    assert not (root / "deploy" / "secrets").exists()
    assert not (root / ".env").exists()


@pytest.mark.parametrize("lost", ["authority/ca.key", "mosquitto/ca.crt"])
def test_half_an_authority_is_not_replaced_behind_the_devices_backs(root: Path, lost: str) -> None:
    make_secrets(root, ())
    (root / "deploy" / "secrets" / lost).unlink()
    with pytest.raises(SettingsError, match="is missing: restore it, or delete"):
        make_secrets(root, ())


def test_a_secret_that_others_can_read_is_refused(root: Path) -> None:
    make_secrets(root, ())
    (root / "deploy" / "secrets" / "ingest" / "mqtt_password").chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        make_secrets(root, ())
