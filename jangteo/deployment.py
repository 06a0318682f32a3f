"""`jangteo deploy secrets`: everything secret that docker-compose.yml mounts, made at random, never committed."""

import base64
import datetime as dt
import hashlib
import hmac
import ipaddress
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from broker.program.password_file import password_file_text
from contract.access import DeviceIdentity, mosquitto_acl
from contract.catalog import Role
from contract.signature import Signer
from jangteo.device_file import device_data, write_yaml
from jangteo.site import SiteSettings, load_site
from runtime.errors import SettingsError
from runtime.secret_files import ensure_secret, read_secret, write_secret

SERVICES = (Role.INGEST, Role.ALERTS, Role.CONSOLE)
DATABASE_USERS = (*(role.value for role in SERVICES), "upkeep")
TOKEN_READERS = ("ingest", "alerts", "console", "upkeep", "grafana")
STATE_FOLDERS = (
    "mosquitto",
    "postgres",
    "influxdb/data",
    "influxdb/config",
    "grafana",
    "ingest",
    "alerts",
    "console",
    "upkeep",
    "market",
)
CA_LIFE_DAYS = 3650
CERTIFICATE_LIFE_DAYS = 825
RENEW_DAYS = 60
FIXED_NAMES = ("mosquitto", "localhost", "127.0.0.1")
HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,39}")
DEDICATED_ID = 64600  # run as root with nobody behind sudo: a user that owns nothing else


def make_secrets(root: Path, hostnames: tuple[str, ...]) -> list[str]:
    """Make what is missing under `<root>/deploy/secrets` and `<root>/.env`; what is there stays. Return what was made.

    `hostnames` are the names and addresses under which devices reach the broker. A name that the broker's certificate
    does not have yet, or its last `RENEW_DAYS`, bring a new one from the same authority. Users and access rules follow
    the compose site file. Run as root, everything is handed to the user that `.env` names, never root itself: Mosquitto
    and PostgreSQL do not run as root.

    Raises:
        runtime.errors.SettingsError: the compose site file, a host name or `.env` cannot be used.
    """
    site = load_site(root / "deploy" / "compose" / "site.yaml")
    for name in hostnames:
        if HOSTNAME.fullmatch(name) is None:
            raise SettingsError(f"--host {name!r}: write a name or an address alone, such as market.example.kr")
    uid, gid = _owner(root / ".env")
    secrets, state = root / "deploy" / "secrets", root / "deploy" / "state"
    before = _files(secrets)
    for folder in (secrets, state, *(state / name for name in STATE_FOLDERS)):
        folder.mkdir(parents=True, exist_ok=True)
    devices = [DeviceIdentity(site.market.id, block.device) for block in site.devices]
    _mqtt(secrets, devices)
    _certificates(secrets, hostnames)
    _databases(secrets)
    _devices(secrets, site)
    _hand_over((secrets, state), uid, gid)
    after = _files(secrets)
    return sorted(str(path.relative_to(root)) for path, content in after.items() if before.get(path) != content)


def _files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _owner(environment: Path) -> tuple[int, int]:
    """Who runs the containers, as `.env` says; the file is made when it is missing.

    Raises:
        SettingsError: the file does not name a user and a group other than root.
    """
    if not environment.exists():
        uid, gid = os.getuid(), os.getgid()
        if uid == 0:
            uid, gid = int(os.environ.get("SUDO_UID", "0")), int(os.environ.get("SUDO_GID", "0"))
        if uid == 0:
            uid = gid = DEDICATED_ID
        ids = f"JANGTEO_UID={uid}\nJANGTEO_GID={gid}\n"
        environment.write_text(f"{ids}JANGTEO_BIND=127.0.0.1\nJANGTEO_MQTT_BIND=127.0.0.1\n", encoding="utf-8")
    found = dict(line.split("=", 1) for line in environment.read_text(encoding="utf-8").splitlines() if "=" in line)
    uid_text, gid_text = found.get("JANGTEO_UID", ""), found.get("JANGTEO_GID", "")
    if not (uid_text.isdecimal() and gid_text.isdecimal() and int(uid_text) > 0):
        raise SettingsError(
            f"{environment}: JANGTEO_UID and JANGTEO_GID have to be numbers, not root's; delete the file and run again"
        )
    return int(uid_text), int(gid_text)


def _hand_over(folders: Iterable[Path], uid: int, gid: int) -> None:
    """Everything to `uid`, as root; the folders of the secrets and of the state are closed to others in any case."""
    for folder in folders:
        folder.chmod(0o700)
        if os.geteuid() == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, uid, gid, follow_symlinks=False)


def _mqtt(secrets: Path, devices: list[DeviceIdentity]) -> None:
    users = {role.value: ensure_secret(secrets / role.value / "mqtt_password") for role in SERVICES}
    for identity in devices:
        users[identity.username] = ensure_secret(secrets / "market" / f"mqtt_password.{identity.device}")
    folder = secrets / "mosquitto"
    if not _has_users(folder / "passwords", users):
        write_secret(folder / "passwords", password_file_text(users))
    _keep(folder / "access.acl", mosquitto_acl(devices))


def _has_users(file: Path, users: Mapping[str, str]) -> bool:
    """Whether Mosquitto's password file has exactly these users with these passwords."""
    if not file.exists():
        return False
    held = dict(line.split(":", 1) for line in file.read_text(encoding="utf-8").splitlines())
    return held.keys() == users.keys() and all(_is_hash_of(held[name], word) for name, word in users.items())


def _is_hash_of(held: str, word: str) -> bool:
    _, _, iterations, salt, digest = held.split("$")
    made = hashlib.pbkdf2_hmac("sha512", word.encode(), base64.b64decode(salt), int(iterations))
    return hmac.compare_digest(made, base64.b64decode(digest))


def _keep(file: Path, text: str) -> None:
    """Have `text` in `file`; a file that has it already is left alone."""
    if not file.exists() or file.read_text(encoding="utf-8") != text:
        write_secret(file, text)


def _devices(secrets: Path, site: SiteSettings) -> None:
    """The settings file of each device, and the console's key whose public half stands in it."""
    signer = Signer(ensure_secret(secrets / "console" / "signing.key", Signer.new_private_key_hex()))
    for block in site.devices:
        data = device_data(
            block,
            market=site.market.id,
            data_dir=Path("/var/lib/jangteo"),
            broker={
                "host": "mosquitto",
                "port": 8883,
                "password_file": f"/run/secrets/mqtt_password.{block.device}",
                "ca_file": "/run/secrets/ca.crt",
            },
            signing_public_key=signer.public_key_hex,
            assets_url="http://console:8600/assets",
        )
        write_yaml(secrets / "market" / f"{block.device}.yaml", data, "Written by `jangteo deploy secrets`.")


def _databases(secrets: Path) -> None:
    password = ensure_secret(secrets / "postgres" / "postgres_password")
    for service in DATABASE_USERS:
        ensure_secret(secrets / service / "pgpass", f"*:*:jangteo:jangteo:{password}\n")
    ensure_secret(secrets / "influxdb" / "influxdb_password")
    token = ensure_secret(secrets / "influxdb" / "influxdb_token")
    for reader in TOKEN_READERS:
        ensure_secret(secrets / reader / "influxdb_token", token)
    ensure_secret(secrets / "grafana" / "grafana_password")


def _certificates(secrets: Path, hostnames: tuple[str, ...]) -> None:
    """A certificate authority of this installation's own, and the broker's certificate."""
    folder = secrets / "mosquitto"
    authority, authority_key = _authority(secrets / "authority" / "ca.key", folder / "ca.crt")
    held = _names_that_last(folder / "server.crt", authority) if (folder / "server.key").exists() else set()
    wanted = {*FIXED_NAMES, *hostnames}
    if not wanted <= held:
        key = ec.generate_private_key(ec.SECP256R1())
        names = (*FIXED_NAMES, *sorted((wanted | held) - set(FIXED_NAMES)))
        broker = _certificate("mosquitto", key, authority, authority_key, names, CERTIFICATE_LIFE_DAYS)
        write_secret(folder / "server.key", _private_pem(key))
        write_secret(folder / "server.crt", broker.public_bytes(serialization.Encoding.PEM).decode())
    text = authority.public_bytes(serialization.Encoding.PEM).decode()
    for where in ("mosquitto", "ingest", "alerts", "console", "market"):
        _keep(secrets / where / "ca.crt", text)


def _authority(key_file: Path, certificate_file: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The authority, made when it is not there. Its key signs the next certificate; it stays outside every container.

    Raises:
        SettingsError: one of the two files is missing, or the key is of another kind.
    """
    if not key_file.exists() and not certificate_file.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        made = _certificate("Jangteo CA", key, None, key, (), CA_LIFE_DAYS)
        write_secret(key_file, _private_pem(key))
        write_secret(certificate_file, made.public_bytes(serialization.Encoding.PEM).decode())
    for file, other in ((key_file, certificate_file), (certificate_file, key_file)):
        if not file.exists():
            raise SettingsError(
                f"{file} is missing: restore it, or delete {other} too and give every device the new ca.crt"
            )
    held = serialization.load_pem_private_key(read_secret(key_file).encode(), None)
    if not isinstance(held, ec.EllipticCurvePrivateKey):
        raise SettingsError(f"{key_file}: not an elliptic-curve key; restore the one that was made here")
    return x509.load_pem_x509_certificate(certificate_file.read_bytes()), held


def _names_that_last(file: Path, authority: x509.Certificate) -> set[str]:
    """The names in the broker's certificate; none if there is none, it is another authority's, or it ends soon."""
    if not file.exists():
        return set()
    held = x509.load_pem_x509_certificate(file.read_bytes())
    try:
        held.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        return set()
    found = held.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = {str(one.value) for one in found}
    ends_soon = held.not_valid_after_utc - dt.datetime.now(dt.UTC) < dt.timedelta(days=RENEW_DAYS)
    return names - set(FIXED_NAMES) if ends_soon else names


def _private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    names: tuple[str, ...],
    life_days: int,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    is_authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=life_days))
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=0 if is_authority else None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(_key_usage(is_authority=is_authority), critical=True)
    )
    if not is_authority:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(one) for one in names]), critical=False
        )
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(usage, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
