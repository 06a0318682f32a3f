"""What session and consumer do alike to reach a broker: credentials, TLS, and what a refusal means."""

import ipaddress
import ssl
from pathlib import Path

from paho.mqtt.reasoncodes import ReasonCode

from runtime.errors import SettingsError
from runtime.secret_files import read_secret
from transport.ports import BrokerSettings, BusSettingsError

RECEIVE_PACKET_BYTES_MAX = 1_048_576
INFLIGHT_MESSAGES_MAX = 100

REFUSED_FOR_GOOD = {
    0x01: "it does not speak this MQTT version",
    0x02: "it does not accept this client id",
    0x04: "user name or password is wrong",
    0x05: "this user may not connect",
    0x84: "it does not speak this MQTT version",
    0x85: "it does not accept this client id",
    0x86: "user name or password is wrong",
    0x87: "this user may not connect",
    0x8A: "this client is banned",
    0x8C: "it wants another way to authenticate",
}
"""CONNACK reason codes (MQTT 5.0, 3.2.2.2; 3.1.1, 3.2.2.3) that no retry mends. All others are retried."""


def tls_context(settings: BrokerSettings) -> ssl.SSLContext | None:
    """The TLS context that the settings ask for; `None` is plain TCP, which only loopback may use.

    Raises:
        BusSettingsError: a file is missing or unusable, or a password would cross a network in the clear.
    """
    where = f"broker {settings.host}:{settings.port}"
    if settings.ca_file is None:
        if settings.certificate_file is not None or settings.key_file is not None:
            raise BusSettingsError(f"{where}: a client certificate needs ca_file: without it the link is not TLS")
        if not is_loopback(settings.host):
            raise BusSettingsError(f"{where}: without TLS only loopback may be used: give ca_file")
        return None
    try:
        context = ssl.create_default_context(cafile=str(_existing(settings.ca_file, where)))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.certificate_file is not None:
            key_file = None if settings.key_file is None else str(_existing(settings.key_file, where))
            context.load_cert_chain(str(_existing(settings.certificate_file, where)), key_file)
    except (ssl.SSLError, OSError) as error:
        raise BusSettingsError(f"{where}: its certificate files cannot be used: {error}") from error
    return context


def password(settings: BrokerSettings) -> str | None:
    """The password, read anew so that a changed one is used at the next connection.

    Raises:
        BusSettingsError: the file is missing, empty, or others may read it.
    """
    if settings.password_file is None:
        return None
    try:
        return read_secret(settings.password_file)
    except SettingsError as error:
        raise BusSettingsError(f"broker {settings.host}:{settings.port}: {error}") from error


def raise_if_refused(settings: BrokerSettings, reason: ReasonCode | int | None) -> None:
    """Return if trying again may help.

    Raises:
        BusSettingsError: it will not.
    """
    code = reason.value if isinstance(reason, ReasonCode) else reason
    why = REFUSED_FOR_GOOD.get(code) if code is not None else None
    if why is not None:
        who = f"client {settings.client_id!r}, user {settings.username!r}"
        raise BusSettingsError(f"broker {settings.host}:{settings.port} refused {who}: {why}")


def is_loopback(host: str) -> bool:
    """Whether `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _existing(path: Path, where: str) -> Path:
    if not path.is_file():
        raise BusSettingsError(f"{where}: there is no file {path}")
    return path
