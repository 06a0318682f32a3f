"""Access rules, generated from the catalogue in Mosquitto's ACL format: what each role and each device may touch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from contract.catalog import CATALOG, Role
from contract.ids import check_id
from contract.topics import ROOT, VERSION, WILDCARD


@dataclass(frozen=True, slots=True, order=True)
class DeviceIdentity:
    """A device of a market. Its user name and client id are both `<market>.<device>`: '.' cannot occur in an id."""

    market: str
    device: str

    def __post_init__(self) -> None:
        check_id(self.market, "market")
        check_id(self.device, "device")

    @property
    def username(self) -> str:
        """The MQTT user name and client id."""
        return f"{self.market}.{self.device}"


def role_rules(role: Role) -> Iterator[tuple[str, str]]:
    """(access, topic filter) of a central service over all markets. Access is `read` or `write`."""
    for row in CATALOG:
        topic = f"{ROOT}/{VERSION}/{WILDCARD}/{WILDCARD}/{row.path}"
        if role in row.writers:
            yield "write", topic
        if role in row.readers:
            yield "read", topic


def device_rules(identity: DeviceIdentity) -> Iterator[tuple[str, str]]:
    """(access, topic filter) of one device: its own topics and, where the catalogue says so, its market's."""
    own = f"{ROOT}/{VERSION}/{identity.market}/{identity.device}"
    market = f"{ROOT}/{VERSION}/{identity.market}/{WILDCARD}"
    for row in CATALOG:
        if Role.DEVICE in row.writers:
            yield "write", f"{own}/{row.path}"
        if Role.DEVICE in row.readers:
            yield "read", f"{market if row.market_wide else own}/{row.path}"


def mosquitto_acl(devices: Iterable[DeviceIdentity]) -> str:
    """The access file: every central role and every device, nothing for anybody else."""
    lines = ["# Generated from contract/catalog.py. Do not edit."]
    for role in (Role.INGEST, Role.ALERTS, Role.CONSOLE):
        lines += ["", f"user {role.value}", *(f"topic {access} {topic}" for access, topic in role_rules(role))]
    for identity in sorted(set(devices)):
        rules = device_rules(identity)
        lines += ["", f"user {identity.username}", *(f"topic {access} {topic}" for access, topic in rules)]
    return "\n".join(lines) + "\n"
